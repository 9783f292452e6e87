//! The directory as a whole, where it is not led on but made anew.

use bytes::Bytes;
use types::{Batch, KeyspaceId, NodeId, RegionId};

use super::{
    DirectoryMachine, Error, REMOVED, ROLE, SWITCH, TAG, USER, key, named_key, put_acl_records,
    put_role, put_switch, put_user,
};
use crate::auth::acl::AclChange;
use crate::codec::primitives::Writer;
use crate::directory::Directory;
use crate::error::LoadError;

/// Where the directory's records are.
pub(crate) fn records(region: RegionId) -> (Bytes, Bytes) {
    let front = region.get().to_be_bytes();
    ([&front[..], &[TAG]].concat().into(), [&front[..], &[TAG + 1]].concat().into())
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        match error {
            Error::Read(failure) => Self::Read(failure),
            Error::Damaged(_) => Self::Damaged(error.to_string()),
        }
    }
}

impl DirectoryMachine {
    /// Writes all of the directory as `change` leaves it. No number is handed out twice by that.
    pub(crate) fn rewritten(
        mut self,
        batch: &mut Batch,
        change: impl FnOnce(&mut Directory),
    ) -> Directory {
        change(&mut self.directory);
        // Who is there tells it at the next start.
        self.directory.levels.clear();
        let Directory { nodes, removed, keyspaces, regions, auth, .. } = self.directory.clone();
        let known = nodes.keys().chain(&removed).map(|node| node.get());
        self.last_node = known.fold(self.last_node, u64::max);
        let known = keyspaces.keys().map(|keyspace| keyspace.get() & !KeyspaceId::IN_MEMORY);
        self.last_keyspace = known.fold(self.last_keyspace, u32::max);
        let known = regions.keys().map(|region| region.get());
        self.last_region = known.fold(self.last_region, u64::max);
        self.put_cluster(batch);
        for node in nodes.into_values() {
            self.put_node(node, batch);
        }
        for node in &removed {
            self.put_removed(*node, batch);
        }
        self.put_raised(batch);
        for keyspace in keyspaces.values() {
            self.put_keyspace(keyspace, batch);
        }
        for region in regions.values() {
            self.put_region(region.clone(), batch);
        }
        if auth.changes > 0 || !auth.users.is_empty() || !auth.roles.is_empty() {
            for (name, user) in &auth.users {
                batch.put(named_key(self.region, USER, name), put_user(name, user));
            }
            for (name, role) in &auth.roles {
                batch.put(named_key(self.region, ROLE, name), put_role(name, role));
            }
            put_acl_records(self.region, &auth, &AclChange::of_all(&auth.acl), batch);
            batch.put(key(self.region, SWITCH, 0), put_switch(&auth));
        }
        self.directory
    }

    fn put_removed(&self, node: NodeId, batch: &mut Batch) {
        let mut out = Writer::default();
        out.number(node.get());
        batch.put(key(self.region, REMOVED, node.get()), out.finish());
    }
}
