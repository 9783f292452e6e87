//! A registry as one, also where its services lie in shards. Its *home* has nodes with their own checks, and
//! sessions and keys; a shard has the instances of its services with their checks, and copies of the nodes
//! these are on. The index of an answer from many is the sum of theirs: it moves when one of them does, and
//! never goes back.

mod copies;
mod places;

use std::collections::BTreeMap;
use std::sync::Arc;

use types::Revision;

use super::keys::fnv1a;
use super::model::Registry;
use super::name::{CheckKey, InstanceKey, Name, ServiceName, TimerId};
use super::query::{Indexed, InstanceFilter, Member, NamedCheck, NodeServices};
use super::record::{Check, Instance, Node, Session, Status};

pub(super) use copies::as_copy;

/// A part of a registry, or all of one, for as long as somebody looks at it.
pub trait Held: Sync {
    /// Shows it, unless it cannot be looked at: whoever holds it knows that then.
    fn show(&self, look: &mut dyn FnMut(&Registry));
}

impl Held for Registry {
    fn show(&self, look: &mut dyn FnMut(&Registry)) {
        look(self);
    }
}

/// All of a registry as its parts are here. One that is not sharded stands still while it is asked; of one
/// that is, each part does while it is looked at, and no two are held at once: those who change them hold
/// several, in any order.
#[derive(Clone, Copy)]
pub struct Registries<'a> {
    home: &'a dyn Held,
    shards: &'a [&'a dyn Held],
}

impl core::fmt::Debug for Registries<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Registries").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

impl<'a> From<&'a Registry> for Registries<'a> {
    fn from(home: &'a Registry) -> Self {
        Self { home, shards: &[] }
    }
}

/// What a part answers; as if there were nothing in it, where it cannot be looked at.
fn look<T>(held: &dyn Held, mut ask: impl FnMut(&Registry) -> T) -> T {
    let mut answer = None;
    held.show(&mut |registry| answer = Some(ask(registry)));
    answer.unwrap_or_else(|| ask(&Registry::default()))
}

/// Which of so many shards, which is not 0, a service lies in: for ever.
#[must_use]
pub fn shard_of(service: &ServiceName, shards: usize) -> usize {
    // The finalizer of MurmurHash3: FNV alone puts names that differ in their last letter close together.
    let mut hash = fnv1a(&service.namespace, &service.name);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^= hash >> 16;
    let place = (u64::from(hash) * shards as u64) >> 32;
    usize::try_from(place).unwrap_or(0)
}

impl<'a> Registries<'a> {
    /// Of one that is sharded.
    #[must_use]
    pub fn new(home: &'a dyn Held, shards: &'a [&'a dyn Held]) -> Self {
        Self { home, shards }
    }

    /// Asks the home alone.
    pub fn at_home<T>(&self, ask: impl FnMut(&Registry) -> T) -> T {
        look(self.home, ask)
    }

    /// Asks what a service lies in.
    fn in_shard<T>(&self, service: &ServiceName, ask: impl FnMut(&Registry) -> T) -> T {
        match self.shards {
            [] => look(self.home, ask),
            shards => look(shards[shard_of(service, shards.len())], ask),
        }
    }

    /// What instances lie in.
    fn parts(&self) -> impl Iterator<Item = &'a dyn Held> + use<'a> {
        let home = self.shards.is_empty().then_some(self.home);
        home.into_iter().chain(self.shards.iter().copied())
    }

    /// The index of what shows something of the home and of each shard.
    fn sum<T>(of_home: Revision, shards: &[Indexed<T>]) -> Revision {
        let of_shards = shards.iter().map(|it| it.index.get());
        Revision(of_shards.fold(of_home.get(), i64::saturating_add))
    }

    fn of_shards<T>(&self, ask: impl Fn(&Registry) -> T) -> Vec<T> {
        self.shards.iter().map(|shard| look(*shard, &ask)).collect()
    }

    /// [`Registry::service`].
    #[must_use]
    pub fn service(&self, service: &ServiceName, filter: &InstanceFilter) -> Indexed<Vec<Member>> {
        self.in_shard(service, |shard| shard.service(service, filter))
    }

    /// [`Registry::services`].
    #[must_use]
    pub fn services(&self, namespace: &str) -> Indexed<BTreeMap<Name, Vec<Name>>> {
        let mut all = self.at_home(|home| home.services(namespace));
        let shards = self.of_shards(|shard| shard.services(namespace));
        all.index = Self::sum(all.index, &shards);
        all.value.extend(shards.into_iter().flat_map(|shard| shard.value));
        all
    }

    /// [`Registry::nodes`].
    #[must_use]
    pub fn nodes(&self, meta: &[(Name, Name)]) -> Indexed<Vec<Arc<Node>>> {
        self.at_home(|home| home.nodes(meta))
    }

    /// [`Registry::node_record`].
    #[must_use]
    pub fn node_record(&self, name: &str) -> Option<Arc<Node>> {
        self.at_home(|home| home.node_record(name))
    }

    /// [`Registry::node`].
    #[must_use]
    pub fn node(&self, name: &Name) -> Indexed<Option<NodeServices>> {
        let mut all = self.at_home(|home| home.node(name));
        let shards = self.of_shards(|shard| shard.node(name));
        all.index = Self::sum(all.index, &shards);
        if let Some(node) = all.value.as_mut().filter(|_| !shards.is_empty()) {
            let there = shards.into_iter().filter_map(|shard| shard.value);
            node.instances.extend(there.flat_map(|it| it.instances));
            node.instances
                .sort_by(|one, next| (&one.namespace, &one.id).cmp(&(&next.namespace, &next.id)));
        }
        all
    }

    /// [`Registry::node_checks`].
    #[must_use]
    pub fn node_checks(&self, name: &Name) -> Indexed<Vec<NamedCheck>> {
        let (mut all, is_known) =
            self.at_home(|home| (home.node_checks(name), home.node_record(name).is_some()));
        let shards = self.of_shards(|shard| shard.node_checks(name));
        all.index = Self::sum(all.index, &shards);
        if is_known {
            all.value.extend(of_instances(shards));
        }
        all
    }

    /// [`Registry::service_checks`].
    #[must_use]
    pub fn service_checks(&self, service: &ServiceName) -> Indexed<Vec<NamedCheck>> {
        self.in_shard(service, |shard| shard.service_checks(service))
    }

    /// [`Registry::checks`].
    #[must_use]
    pub fn checks(&self, namespace: &str, status: Option<Status>) -> Indexed<Vec<NamedCheck>> {
        let mut all = self.at_home(|home| home.checks(namespace, status));
        let shards = self.of_shards(|shard| shard.checks(namespace, status));
        all.index = Self::sum(all.index, &shards);
        if !shards.is_empty() {
            all.value.extend(of_instances(shards));
            all.value.sort_by(|one, next| {
                (&one.check.id, &one.check.node).cmp(&(&next.check.id, &next.check.node))
            });
        }
        all
    }

    /// [`Registry::check`].
    #[must_use]
    pub fn check(&self, key: &CheckKey) -> Option<NamedCheck> {
        let of_instance = |it: &NamedCheck| !it.check.is_of_node();
        let mut found = self.shards.iter().filter_map(|shard| look(*shard, |it| it.check(key)));
        self.at_home(|home| home.check(key)).or_else(|| found.find(of_instance))
    }

    /// [`Registry::instance`].
    #[must_use]
    pub fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        self.parts().find_map(|part| look(part, |it| it.instance(key)))
    }

    /// [`Registry::checks_about`].
    #[must_use]
    pub fn checks_about(
        &self,
        node: &str,
        namespace: &str,
        instance: &str,
    ) -> Option<Vec<Arc<Check>>> {
        if self.shards.is_empty() || instance.is_empty() {
            return self.at_home(|home| home.checks_about(node, namespace, instance));
        }
        let mut checks = self.at_home(|home| home.checks_about(node, namespace, ""))?;
        let about = |part| look(part, |it| it.checks_about(node, namespace, instance));
        let about = self.parts().find_map(about)?;
        checks.extend(about.into_iter().filter(|check| !check.is_of_node()));
        Some(checks)
    }

    /// [`Registry::instance_nodes`].
    #[must_use]
    pub fn instance_nodes(&self, namespace: &str, id: &str, most: usize) -> Vec<Name> {
        let nodes = |part| look(part, |it| it.instance_nodes(namespace, id, most));
        few(self.parts().flat_map(nodes), most)
    }

    /// [`Registry::check_nodes`].
    #[must_use]
    pub fn check_nodes(&self, namespace: &str, id: &str, most: usize) -> Vec<Name> {
        let of_home = self.at_home(|home| home.check_nodes(namespace, id, most));
        let of_shards = self.of_shards(|shard| shard.check_nodes(namespace, id, most));
        few(of_home.into_iter().chain(of_shards.into_iter().flatten()), most)
    }

    /// [`Registry::session`].
    #[must_use]
    pub fn session(&self, id: &str) -> Indexed<Option<Arc<Session>>> {
        self.at_home(|home| home.session(id))
    }

    /// [`Registry::sessions`].
    #[must_use]
    pub fn sessions(&self, node: Option<&str>) -> Indexed<Vec<Arc<Session>>> {
        self.at_home(|home| home.sessions(node))
    }

    /// [`Registry::sample`].
    #[must_use]
    pub fn sample(
        &self,
        service: &ServiceName,
        from: u64,
        most: usize,
        mut takes: impl FnMut(&Node, &Instance, Status) -> bool,
    ) -> Vec<Member> {
        self.in_shard(service, |shard| shard.sample(service, from, most, &mut takes))
    }

    /// [`Registry::counts`].
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        let mut all = self.at_home(Registry::counts);
        let of_shards = self.of_shards(|shard| {
            let copies: usize = shard.nodes.values().map(|node| node.checks.len()).sum();
            (shard.counts(), copies)
        });
        for ([_, services, instances, checks], copies) in of_shards {
            all[1] += services;
            all[2] += instances;
            all[3] += checks.saturating_sub(copies);
        }
        all
    }

    /// [`Registry::check_timer`], as it is told outside.
    #[must_use]
    pub fn check_timer(&self, key: &CheckKey) -> Option<TimerId> {
        let CheckKey { node, namespace, id } = key;
        let of_instance = |shard: &Registry| {
            shard.check_at(key).filter(|check| !check.is_of_node()).map(|check| check.timer)
        };
        self.at_home(|home| home.check_timer(node, namespace, id)).or_else(|| {
            let mut shards = self.shards.iter().zip(1..);
            shards.find_map(|(shard, part)| Some(look(*shard, of_instance)?.of_part(part)))
        })
    }

    /// [`Registry::check_of`], by what is told outside.
    #[must_use]
    pub fn check_of(&self, timer: TimerId) -> Option<Arc<Check>> {
        match timer.part() {
            (0, timer) => self.at_home(|home| home.check_of(timer).cloned()),
            (part, timer) => look(*self.shards.get(part - 1)?, |it| it.check_of(timer).cloned()),
        }
    }
}

/// What shards say of instances, without their copies of what the home says.
fn of_instances(shards: Vec<Indexed<Vec<NamedCheck>>>) -> impl Iterator<Item = NamedCheck> {
    let all = shards.into_iter().flat_map(|shard| shard.value);
    all.filter(|it| !it.check.is_of_node())
}

fn few(names: impl Iterator<Item = Name>, most: usize) -> Vec<Name> {
    let mut names: Vec<Name> = names.collect();
    names.sort();
    names.dedup();
    names.truncate(most);
    names
}

#[cfg(test)]
mod tests {
    use super::super::name::ServiceName;
    use super::shard_of;

    #[test]
    fn a_service_stays_in_its_shard_and_names_that_are_alike_spread() {
        // Written down: what was put there is never looked for elsewhere.
        let at = ["web", "db", "service-1", "service-2", "service-3"];
        let at = at.map(|name| shard_of(&ServiceName::new("default", name), 8));
        assert_eq!(at, [5, 3, 2, 6, 4]);
        for shards in [1, 3, 8, 32] {
            let mut counts = vec![0_u32; shards];
            for number in 0..10_000 {
                let name = format!("service-{number}");
                counts[shard_of(&ServiceName::new("default", &name), shards)] += 1;
            }
            let even = 10_000 / shards as u32;
            assert!(counts.iter().all(|it| it.abs_diff(even) < even / 4), "{counts:?}");
        }
    }
}
