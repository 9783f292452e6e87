//! What happens on a node when a region's leader changes.

use std::sync::Arc;

use consensus::Role;
use region::RoleChange;
use state::command::{Command, Envelope};
use state::directory::NodeRecord;
use types::{ClusterId, LeaseId, RegionId};

use crate::poller::{Asked, ToPoller};
use crate::shard::Shard;
use crate::shared::Shared;

/// A replica's role or leader changed; called on its poller.
pub(crate) fn changed(shared: &Arc<Shared>, shard: &Arc<Shard>, change: &RoleChange) {
    let before = shard.leadership();
    shard.set_leadership(change.role, change.leader, change.term);
    if before.leader != change.leader {
        tracing::info!(
            region = %change.region,
            leader = change.leader.map_or(0, types::NodeId::get),
            term = %change.term,
            "leader changed"
        );
    }
    match (before.here, change.role == Role::Leader) {
        (false, true) => lead(shared, shard),
        (true, false) => shard.leases.lock().follow(),
        _ => {}
    }
}

/// This node leads now: every lease starts over with its full time, because nobody knows what the
/// leader before had promised.
fn lead(shared: &Arc<Shared>, shard: &Arc<Shard>) {
    {
        // Under the machine's lock, so that no grant or revocation falls between the list and the
        // moment the clock takes note of them itself.
        let machine = shard.machine.read();
        let leases: Vec<(LeaseId, i64)> = machine.leases().collect();
        shard.leases.lock().lead(shared.clock.now(), leases.into_iter());
    }
    if shard.record.id == RegionId::META && shared.directory().cluster.is_none() {
        initialize(shared, shard);
    }
}

/// The first leader of a new cluster gives it its identity. If several try, the log decides.
fn initialize(shared: &Arc<Shared>, shard: &Arc<Shard>) {
    let high = u128::from(shared.rng.next_u64());
    let low = u128::from(shared.rng.next_u64());
    let command = Command::Initialize {
        cluster: ClusterId((high << 64) | low | 1),
        nodes: initial_nodes(shared),
    };
    let epoch = shard.record.epoch;
    let envelope = Envelope { epoch, session: None, command };
    propose_housekeeping(shared, shard.record.id, &envelope);
}

/// The nodes a new cluster starts with, as far as their names and addresses tell.
fn initial_nodes(shared: &Shared) -> Vec<NodeRecord> {
    let members = shared.initial.peers().into_iter().zip(shared.initial.members());
    members
        .map(|((id, peer_address), (name, _))| NodeRecord {
            id,
            identity: 0,
            name: name.clone(),
            peer_address,
            client_address: String::new(),
        })
        .collect()
}

/// Proposes a command nobody waits for; if it is lost, whoever leads next sees the need again.
pub(crate) fn propose_housekeeping(shared: &Shared, region: RegionId, envelope: &Envelope) {
    if shared.admit().is_err() {
        return;
    }
    shared.poller(region).push(ToPoller::Propose {
        region,
        data: envelope.encode(),
        asked: Asked::Nobody,
    });
}
