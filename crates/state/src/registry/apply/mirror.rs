//! Nodes in a shard of a registry: copies of what their home says. What is said comes late, twice and in
//! any order; the home's revision tells which is newer.

use types::{Code, Fault, Revision};

use super::Edit;
use crate::codec::primitives::Writer;
use crate::registry::command::{Mirror, Registration};
use crate::registry::keys;
use crate::registry::model::Slot;
use crate::registry::name::{CheckKey, Name, TimerId};
use crate::registry::record::{Check, Node};
use crate::registry::shards::as_copy;

impl Edit<'_> {
    /// Registers on a node that is known; as [`Self::register`].
    pub(super) fn register_on(
        &mut self,
        registration: Registration,
    ) -> Result<Option<TimerId>, Fault> {
        let name = &registration.node.name;
        if self.registry.nodes.find(name).is_none() {
            let detail = format!("the node {name:?} is not known in this shard");
            return Err(Fault::new(Code::NodeUnknown, detail));
        }
        self.register(Registration { skip_node_update: true, ..registration })
    }

    /// Takes what the home says of a node, unless something newer was said.
    pub(super) fn mirror(&mut self, mirror: Mirror) {
        let Mirror { at, name, node } = mirror;
        if at < self.registry.takes_from(&name) {
            return;
        }
        match node {
            Some((node, checks)) => self.mirror_node(at, node, checks),
            None => self.mirror_end(at, &name),
        }
    }

    fn mirror_node(&mut self, at: Revision, node: Node, checks: Vec<Check>) {
        let name = node.name.clone();
        let known = self.registry.nodes.find(&name);
        let slot = self.register_node(known, node);
        let stays = |check: &Check| checks.iter().any(|it| it.place() == check.place());
        let entry = self.registry.nodes.at(slot);
        let others = entry.into_iter().flat_map(|entry| &entry.checks).filter(|it| !stays(it));
        let others: Vec<CheckKey> = others.map(|check| check.key()).collect();
        for key in others {
            self.remove_check(&key);
        }
        for check in checks {
            self.mirror_check(slot, &check);
        }
        self.write_mirrored(Some(&name), at);
        self.changes.mirrored.insert(name.clone());
        self.registry.mirrored.nodes.insert(name, at);
    }

    fn mirror_check(&mut self, node: Slot, check: &Check) {
        let mut check = as_copy(check);
        if let Some(entry) = self.registry.nodes.at(node) {
            check.node = Name::clone(&entry.record.name);
        }
        let known = self.registry.check_beside(node, None, &check.namespace, &check.id).cloned();
        let place = self.registry.check_place(node, None, &check);
        let Some(known) = known else {
            // One of an instance may have its id, which is of one check on a node.
            let other = self.registry.check_on(node, &check.namespace, &check.id).cloned();
            return self.put_check(place, other, Check { created: self.revision, ..check });
        };
        let (created, modified, timer) = (known.created, known.modified, known.timer);
        let same = Check { created, modified, timer, ..check };
        if same != *known {
            self.put_check(place, Some(known), same);
        }
    }

    fn mirror_end(&mut self, at: Revision, name: &Name) {
        self.remove_node(name);
        if self.registry.mirrored.nodes.remove(name).is_some() {
            self.batch.delete(keys::mirror(self.region, Some(name)));
        }
        self.write_mirrored(None, at);
        self.registry.mirrored.gone = at;
    }

    fn write_mirrored(&mut self, node: Option<&str>, at: Revision) {
        let mut out = Writer::default();
        out.revision(at);
        self.batch.put(keys::mirror(self.region, node), out.finish());
    }
}
