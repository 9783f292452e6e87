//! Up to which level the cluster may use what goes through logs (ADR 18).

use types::{Batch, Code, Fault, NodeId};

use super::{DirectoryMachine, LEVEL, RAISED, Writer, key};
use crate::response::Response;

impl DirectoryMachine {
    /// A node says up to where it knows: at every start, as its build may be another one.
    pub(super) fn tell_level(
        &mut self,
        node: NodeId,
        most: u32,
        batch: &mut Batch,
    ) -> Result<(Response, bool), Fault> {
        let name = self.known(node)?.name.clone();
        self.directory.admits(&name, most)?;
        if self.directory.levels.insert(node, most) == Some(most) {
            return Ok((Response::Done, false));
        }
        let mut out = Writer::default();
        out.number(node.get());
        out.number(u64::from(most));
        batch.put(key(self.region, LEVEL, node.get()), out.finish());
        Ok((Response::Done, true))
    }

    /// All know enough: it may be used. Decided here and not by who proposes it, since a node may have come
    /// or told something else in between.
    pub(super) fn raise_level(
        &mut self,
        to: u32,
        batch: &mut Batch,
    ) -> Result<(Response, bool), Fault> {
        self.must_be_formed()?;
        let known = self.directory.known_level();
        if to > known {
            let detail = format!("level {to} is not known to every member, {known} is");
            return Err(Fault::new(Code::Unsupported, detail));
        }
        if to <= self.directory.level() {
            return Ok((Response::Done, false));
        }
        self.directory.raised = to;
        self.put_raised(batch);
        Ok((Response::Done, true))
    }

    pub(super) fn forget_level(&mut self, node: NodeId, batch: &mut Batch) {
        if self.directory.levels.remove(&node).is_some() {
            batch.delete(key(self.region, LEVEL, node.get()));
        }
    }

    pub(super) fn put_raised(&self, batch: &mut Batch) {
        if self.directory.raised == 0 {
            return;
        }
        let mut out = Writer::default();
        out.number(u64::from(self.directory.raised));
        batch.put(key(self.region, RAISED, 0), out.finish());
    }
}
