use std::sync::Arc;

use types::Revision;

use super::Archive;
use crate::registry::model::Registry;
use crate::registry::name::TimerId;
use crate::registry::record::{Check, Instance, Node, Session};
use crate::registry::txn::Tried;

/// What has to be done to a registry to make it what an archive says: what is so already stays untouched.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) tried: Tried,
    pub(super) sessions: Vec<Session>,
    /// What it is all made at: the last of the revisions that its timers are numbered by.
    pub(super) revision: Revision,
}

/// Numbers timers, beginning with those of a revision.
struct Timers {
    first: Revision,
    made: u64,
}

impl Timers {
    fn next(&mut self) -> TimerId {
        self.made += 1;
        TimerId::made_from(self.first, self.made - 1)
    }

    /// The last revision that was used up.
    fn last(&self) -> Revision {
        TimerId::last_revision(self.first, self.made)
    }
}

impl Plan {
    pub(super) fn new(registry: &Registry, archive: &Archive, first: Revision) -> Self {
        let mut timers = Timers { first, made: 0 };
        let mut plan = Self::default();
        plan.plan_nodes(registry, archive);
        plan.plan_instances(registry, archive);
        plan.plan_checks(registry, archive, &mut timers);
        plan.plan_sessions(registry, archive, &mut timers);
        plan.date(timers.last());
        plan
    }

    fn plan_nodes(&mut self, registry: &Registry, archive: &Archive) {
        for (name, node) in &archive.nodes {
            let known = registry.node_record(name);
            let (created, modified) = dates(known.as_deref().map(|it| (it.created, it.modified)));
            let same = Node { created, modified, ..node.clone() };
            if known.as_deref() != Some(&same) {
                self.tried.nodes.insert(name.clone(), Some(Arc::new(same)));
            }
        }
        let gone = registry.nodes.iter().filter(|(name, _)| !archive.nodes.contains_key(*name));
        self.tried.nodes.extend(gone.map(|(name, _)| (name.clone(), None)));
    }

    fn plan_instances(&mut self, registry: &Registry, archive: &Archive) {
        for (key, instance) in &archive.instances {
            let known = registry.instance(key);
            let (created, modified) = dates(known.as_deref().map(|it| (it.created, it.modified)));
            let same = Instance { created, modified, ..instance.clone() };
            if known.as_deref() != Some(&same) {
                self.tried.instances.insert(key.clone(), Some(Arc::new(same)));
            }
        }
        let all = registry.services.values().flat_map(|service| service.instances.iter());
        let keys = all.map(|entry| entry.record.key());
        let gone = keys.filter(|key| !archive.instances.contains_key(key));
        self.tried.instances.extend(gone.map(|key| (key, None)));
    }

    fn plan_checks(&mut self, registry: &Registry, archive: &Archive, timers: &mut Timers) {
        for (key, check) in &archive.checks {
            let known = registry.check_at(key);
            let (created, modified) = dates(known.map(|it| (it.created, it.modified)));
            let timer = known.map_or_else(|| timers.next(), |known| known.timer);
            let same = Check { created, modified, timer, ..check.clone() };
            if known.map(Arc::as_ref) != Some(&same) {
                self.tried.checks.insert(key.clone(), Some(Arc::new(same)));
            }
        }
        let all = registry.everything().checks();
        let gone = all.map(|check| check.key()).filter(|key| !archive.checks.contains_key(key));
        self.tried.checks.extend(gone.map(|key| (key, None)));
    }

    fn plan_sessions(&mut self, registry: &Registry, archive: &Archive, timers: &mut Timers) {
        for (id, session) in &archive.sessions {
            let is_same = registry.sessions.get(id).is_some_and(|known| {
                let Session { timer, created, modified, .. } = **known;
                Session { timer, created, modified, ..session.clone() } == **known
            });
            if !is_same {
                self.sessions.push(Session { timer: timers.next(), ..session.clone() });
            }
        }
        let stays = |id: &&_| {
            archive.sessions.contains_key(*id) && self.sessions.iter().all(|it| it.id != **id)
        };
        self.tried.ended = registry.sessions.keys().filter(|id| !stays(id)).cloned().collect();
    }

    /// Gives what is another way its revision.
    fn date(&mut self, revision: Revision) {
        self.revision = revision;
        let made = |created: Revision| if created == Revision(0) { revision } else { created };
        for node in self.tried.nodes.values_mut().flatten() {
            let node = Arc::make_mut(node);
            (node.created, node.modified) = (made(node.created), revision);
        }
        for instance in self.tried.instances.values_mut().flatten() {
            let instance = Arc::make_mut(instance);
            (instance.created, instance.modified) = (made(instance.created), revision);
        }
        for check in self.tried.checks.values_mut().flatten() {
            let check = Arc::make_mut(check);
            (check.created, check.modified) = (made(check.created), revision);
        }
        for session in &mut self.sessions {
            (session.created, session.modified) = (revision, revision);
        }
    }
}

/// When something was made and last changed; 0 for what is not there.
fn dates(known: Option<(Revision, Revision)>) -> (Revision, Revision) {
    known.unwrap_or_default()
}
