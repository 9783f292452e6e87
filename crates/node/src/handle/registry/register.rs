//! A registration in a sharded registry: its node and the node's own checks at home, the rest in the shard
//! of its service.

use std::collections::{BTreeMap, BTreeSet};

use state::registry::{
    CheckKey, CheckRegistration, Instance, InstanceKey, Name, Registration, Registries,
    RegistryAnswer, RegistryCommand, ServiceName, Target, TimerId,
};
use state::response::Response;
use types::{Code, Fault};

use super::super::Handle;
use super::route::HOME;
use crate::answer::{Answer, Consistency};
use crate::registry::Parts;

/// How often a node may be removed while something is registered on it, before that is given up.
const ATTEMPTS: usize = 4;

/// What of a registration goes to one shard.
#[derive(Default)]
pub(super) struct Share {
    instance: Option<Instance>,
    checks: Vec<CheckRegistration>,
    /// Those that the instance had where it was before.
    moved: Vec<CheckRegistration>,
}

/// A registration, by where its pieces go.
pub(super) struct Pieces {
    /// Checks of the node.
    pub(super) own: Vec<CheckRegistration>,
    pub(super) by_shard: BTreeMap<usize, Share>,
    /// What has the ids of checks that come, elsewhere.
    pub(super) in_the_way: Vec<(usize, CheckKey)>,
    /// Whether the home does not know the node as it comes.
    pub(super) is_news: bool,
    /// The shards that do not know the node as the home does.
    pub(super) unsettled: BTreeSet<usize>,
}

impl Handle {
    pub(super) async fn register(
        &self,
        parts: &Parts,
        registration: Registration,
    ) -> Result<Answer<Response>, Fault> {
        let mut is_gone = false;
        for _ in 0..ATTEMPTS {
            match self.register_once(parts, registration.clone(), is_gone).await {
                // It was removed meanwhile: what comes is newer.
                Err(fault) if fault.code == Code::NodeUnknown => is_gone = true,
                done => return done,
            }
        }
        let name = &registration.node.name;
        let detail =
            format!("the node {name:?} is removed as often as something is registered on it");
        Err(Fault::new(Code::Timeout, detail))
    }

    async fn register_once(
        &self,
        parts: &Parts,
        registration: Registration,
        is_gone: bool,
    ) -> Result<Answer<Response>, Fault> {
        let shards = self.registry_shards(parts.home).await?;
        // Of the home, for whether its node is news; of all, for checks of the node that are of instances
        // yet.
        let has_own = registration.checks.iter().any(|it| it.check.is_of_node());
        let known = if has_own { &shards[..] } else { &shards[..1] };
        self.confirm_all(known, Consistency::Linearizable).await?;
        let look = |all: Registries<'_>| Pieces::of(parts, &registration, all);
        let pieces = match self.ask_here(&shards, look)?.0 {
            Ok(pieces) => pieces,
            Err(_) => {
                self.confirm_all(&shards, Consistency::Linearizable).await?;
                match self.ask_here(&shards, look)?.0 {
                    Ok(pieces) => pieces,
                    // In the words of one that is not sharded: nothing of it is carried out there, either.
                    Err(()) => {
                        let whole = RegistryCommand::Register(Box::new(registration));
                        return self.at_part(parts, HOME, whole).await;
                    }
                }
            }
        };
        let Registration { node, skip_node_update, replace_checks, .. } = registration;
        for (number, key) in &pieces.in_the_way {
            let command = RegistryCommand::Deregister(Target::Check(key.clone()));
            self.at_part(parts, *number, command).await?;
        }
        let moves_a_check = pieces.in_the_way.iter().any(|(number, _)| *number == HOME);
        let mut done = Registered::default();
        if is_gone || pieces.is_news || !pieces.own.is_empty() || pieces.by_shard.is_empty() {
            let at_home = Registration {
                node: node.clone(),
                skip_node_update,
                instance: None,
                checks: pieces.own,
                replace_checks: false,
            };
            let command = RegistryCommand::Register(Box::new(at_home));
            done.note(HOME, self.at_part(parts, HOME, command).await?);
            self.tell_shards(parts, std::slice::from_ref(&node.name)).await?;
        } else if moves_a_check {
            self.tell_shards(parts, std::slice::from_ref(&node.name)).await?;
        }
        let mut placed: Vec<(usize, Target)> = Vec::new();
        let settles = is_gone || pieces.is_news || moves_a_check;
        for (number, share) in pieces.by_shard {
            if settles || pieces.unsettled.contains(&number) {
                self.settle(parts, &node.name, number).await?;
            }
            let replace_checks = replace_checks && share.instance.is_some();
            let Share { instance, mut checks, moved } = share;
            if let Some(instance) = &instance {
                placed.push((number, Target::Instance(key_of(&node.name, instance))));
            }
            for CheckRegistration { check, .. } in &checks {
                let key = CheckKey { node: Name::clone(&node.name), ..check.key() };
                placed.push((number, Target::Check(key)));
            }
            let answers = !checks.is_empty();
            checks.extend(moved);
            let registration = Registration {
                node: node.clone(),
                skip_node_update: true,
                instance,
                checks,
                replace_checks,
            };
            let command = RegistryCommand::RegisterOn(Box::new(registration));
            let mut answer = self.at_part(parts, number, command).await?;
            if !answers
                && let Response::Registry(RegistryAnswer::Registered { timer, .. }) =
                    &mut answer.body
            {
                *timer = None;
            }
            done.note(number, answer);
        }
        self.leave_elsewhere(parts, &placed).await?;
        done.answer()
    }

    /// An instance that is of another service now, and a check that is of another instance, are taken from
    /// where they were.
    async fn leave_elsewhere(
        &self,
        parts: &Parts,
        placed: &[(usize, Target)],
    ) -> Result<(), Fault> {
        if placed.is_empty() {
            return Ok(());
        }
        let shards = self.registry_shards(parts.home).await?;
        self.confirm_all(&shards, Consistency::Linearizable).await?;
        let (left, _) = self.ask_here(&shards, |all| {
            let mut left: Vec<(usize, Target)> = Vec::new();
            for (here, target) in placed {
                let found = match target {
                    Target::Instance(key) => all.parts_with_instance(key),
                    Target::Check(key) => all.parts_with_check(key),
                    Target::Node(_) => Vec::new(),
                };
                let others = found.into_iter().filter(|number| number != here && *number != HOME);
                left.extend(others.map(|number| (number, target.clone())));
            }
            left
        })?;
        for (number, target) in left {
            self.at_part(parts, number, RegistryCommand::Deregister(target)).await?;
        }
        Ok(())
    }
}

impl Pieces {
    /// `Err` where a check comes for an instance that is not known.
    pub(super) fn of(
        parts: &Parts,
        registration: &Registration,
        all: Registries<'_>,
    ) -> Result<Self, ()> {
        let Registration { node, skip_node_update, instance, checks, replace_checks } =
            registration;
        let mut by_shard: BTreeMap<usize, Share> = BTreeMap::new();
        if let Some(instance) = instance {
            let number = parts.number_of(&service_of(instance));
            let share = by_shard.entry(number).or_default();
            share.instance = Some(instance.clone());
            if !replace_checks {
                // It takes those along that it had as one of another service.
                let key = key_of(&node.name, instance);
                let comes = |id: &Name| checks.iter().any(|it| it.check.id == *id);
                for other in all.parts_with_instance(&key).into_iter().filter(|at| *at != number) {
                    let had = all.at(other, |it| it.instance_checks(&key)).flatten();
                    let had = had.into_iter().flatten().filter(|check| !comes(&check.id));
                    share.moved.extend(had.map(|check| CheckRegistration {
                        check: (*check).clone(),
                        keep_status: false,
                    }));
                }
            }
        }
        let mut own = Vec::new();
        let mut in_the_way = Vec::new();
        for registered in checks {
            let check = &registered.check;
            let key = CheckKey { node: Name::clone(&node.name), ..check.key() };
            let known = all.parts_with_check(&key);
            if check.is_of_node() {
                in_the_way
                    .extend(known.into_iter().filter(|at| *at != HOME).map(|at| (at, key.clone())));
                own.push(registered.clone());
                continue;
            }
            if known.contains(&HOME) {
                in_the_way.push((HOME, key));
            }
            let about = InstanceKey {
                node: Name::clone(&node.name),
                namespace: Name::clone(&check.namespace),
                id: Name::clone(&check.instance),
            };
            let comes = instance
                .as_ref()
                .filter(|it| (&it.namespace, &it.id) == (&about.namespace, &about.id));
            let number = match comes {
                Some(instance) => parts.number_of(&service_of(instance)),
                None => all.parts_with_instance(&about).first().copied().ok_or(())?,
            };
            by_shard.entry(number).or_default().checks.push(registered.clone());
        }
        let known = all.node_record(&node.name);
        let is_news = known.is_none_or(|known| !skip_node_update && !known.is_like(node));
        let says = all.at_home(|home| home.mirror(&node.name, types::Revision(0)));
        let is_unsettled =
            |number: &usize| !all.at(*number, |it| it.agrees(&says)).unwrap_or(false);
        let unsettled = by_shard.keys().copied().filter(is_unsettled).collect();
        Ok(Self { own, by_shard, in_the_way, is_news, unsettled })
    }
}

/// What came of the pieces of a registration.
#[derive(Default)]
pub(super) struct Registered {
    last: Option<Answer<Response>>,
    is_changed: bool,
    timer: Option<TimerId>,
}

impl Registered {
    pub(super) fn note(&mut self, number: usize, answer: Answer<Response>) {
        if let Response::Registry(RegistryAnswer::Registered { changed, timer }) = &answer.body {
            self.is_changed |= changed;
            // That of the instance, where it has one.
            self.timer = timer.map(|timer| timer.of_part(number)).or(self.timer);
        }
        self.last = Some(answer);
    }

    pub(super) fn answer(self) -> Result<Answer<Response>, Fault> {
        let Self { last, is_changed: changed, timer } = self;
        let header = last.ok_or(Code::Internal)?.header;
        let body = Response::Registry(RegistryAnswer::Registered { changed, timer });
        Ok(Answer { header, body })
    }
}

pub(super) fn service_of(instance: &Instance) -> ServiceName {
    ServiceName {
        namespace: Name::clone(&instance.namespace),
        name: Name::clone(&instance.service),
    }
}

pub(super) fn key_of(node: &Name, instance: &Instance) -> InstanceKey {
    InstanceKey {
        node: Name::clone(node),
        namespace: Name::clone(&instance.namespace),
        id: Name::clone(&instance.id),
    }
}
