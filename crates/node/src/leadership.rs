//! What happens on a node when a region's leader changes.

use std::sync::Arc;

use consensus::Role;
use region::RoleChange;
use state::command::{Command, Envelope};
use state::directory::{NodeRecord, Part, Phase};
use tokio::sync::oneshot;
use types::{ClusterId, Code, LeaseId, NodeId, RegionId, Term};

use crate::applier::ToApplier;
use crate::flight::Event;
use crate::levels;
use crate::poller::ToPoller;
use crate::proposal::Asked;
use crate::region_watch;
use crate::shard::Shard;
use crate::shared::Shared;

/// A replica's role or leader changed; called on its poller.
pub(crate) fn changed(shared: &Arc<Shared>, shard: &Arc<Shard>, change: &RoleChange) {
    let before = shard.leadership();
    shard.set_leadership(change.role, change.leader, change.term);
    if before.leader != change.leader {
        told(shared, change);
    }
    if change.role == Role::Candidate && before.leader.is_none() {
        shared.meters.elections.add(1);
    }
    region_watch::look(shared, change.region);
    // Another term is another leadership, even if nothing was seen of the one in between.
    let term_ended = before.here && before.term != change.term;
    if term_ended || change.role != Role::Leader {
        shard.leases.lock().follow();
        if let Some(registry) = &shard.registry {
            registry.clock.follow();
        }
    }
    if change.role == Role::Leader && (term_ended || !before.here) {
        // Not here: the applier may hold the machine for as long as the engine makes it wait, and
        // the heartbeats of every region leave from this thread.
        let region = change.region;
        shared.applier(region).push(ToApplier::Lead(change.term));
        shared.live.regroup.notify_one();
    }
}

/// Says who leads, unless too many change at once.
fn told(shared: &Shared, change: &RoleChange) {
    shared.meters.leader_changes.add(1);
    let now = shared.clock.now();
    if !shared.flight.leaders.is_told_now(now, change.region, change.leader, change.term) {
        return;
    }
    let (region, term) = (change.region.get(), change.term.get());
    let leader = change.leader.map_or(0, NodeId::get);
    tracing::info!(region, leader, term, "leader changed");
    shared.flight.note(Event::Leader { region, leader, term });
}

/// This node leads in `term`: every lease starts over with its full time, because nobody knows what
/// the leader before had promised. Called on the region's applier, so that no grant or revocation
/// falls between the list and the moment the clock takes note of them itself.
pub(crate) fn lead(shared: &Arc<Shared>, shard: &Arc<Shard>, term: Term) {
    {
        let machine = shard.machine.read();
        let leases: Vec<(LeaseId, i64)> = machine.leases().collect();
        let mut clock = shard.leases.lock();
        let now = shard.leadership();
        // Leadership is told before the clock is stopped: so it is not started after that.
        if now.here && now.term == term {
            clock.lead(shared.clock.now(), leases.into_iter());
            if let (Some(share), Some(registry)) = (&shard.registry, machine.registry()) {
                share.clock.lead(shared.clock.now(), registry.timers());
            }
        }
    }
    if shard.has_deadlines() {
        shared.deadlines.note(shard);
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
    // If it is lost, whoever leads next sees the need again.
    drop(propose_housekeeping(shared, shard.record.id, &envelope));
}

/// The nodes a new cluster starts with. Who voted is linked, so its identity is known: from the first
/// command on it cannot lose its data and come back as if it had promised nothing.
fn initial_nodes(shared: &Shared) -> Vec<NodeRecord> {
    let identity = |node: NodeId| {
        if node == shared.node() {
            return shared.identity.identity();
        }
        shared.net.get().and_then(|net| net.identity(node)).unwrap_or(0)
    };
    let members = shared.initial.peers().into_iter().zip(shared.initial.members());
    members
        .map(|((id, peer_address), (name, _))| NodeRecord {
            id,
            identity: identity(id),
            name: name.clone(),
            peer_address,
            client_address: String::new(),
            part: Part::Voter,
            phase: Phase::Member,
            zone: String::new(),
            is_draining: false,
        })
        .collect()
}

/// Proposes a command no client waits for. The receiver gets a code if it failed; it ends without
/// one when the command is committed.
pub(crate) fn propose_housekeeping(
    shared: &Shared,
    region: RegionId,
    envelope: &Envelope,
) -> oneshot::Receiver<Code> {
    let (sender, fate) = oneshot::channel();
    let data = envelope.encode();
    let is_used = levels::must_be_used(shared, envelope.command.level());
    match is_used.map_err(|fault| fault.code).and_then(|()| shared.admit_bytes(data.len())) {
        Ok(()) => {
            let proposal = Asked::Here(sender).into();
            shared.poller(region).push(ToPoller::Propose { region, data, proposal });
        }
        Err(code) => drop(sender.send(code)),
    }
    fate
}
