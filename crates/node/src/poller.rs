//! The thread that runs the consensus of its share of the regions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::{MessageKind, SnapshotMeta, Status};
use env::Moment;
use region::{GroupStats, Host, Output, RegionMessage, Sleep, Step};
use state::directory::Part;
use tokio::sync::oneshot;
use types::{Code, ConfState, Index, NodeId, PeerId, RegionId, Term};

use crate::applier::ToApplier;
use crate::desk::News;
use crate::flight::Event;
use crate::frame::{Frames, HELD_BYTES, RaftItem, lane_of, lane_of_sleep};
use crate::liveness;
use crate::mailbox::is_too_much;
use crate::proposal::{Asked, Proposal};
use crate::region_watch::{self, RegionWatch};
use crate::shared::{NewPeer, Shared};
use crate::snapshots;
use crate::snapshots::Installing;
use crate::traffic::Lane;
use crate::waiter::ReadReply;
use crate::writer::ToWriter;

/// What a poller is told.
pub(crate) enum ToPoller {
    /// Starts a replica; with `true`, an election at once: nobody else is going to stand.
    Create(NewPeer, bool),
    /// A Raft message; its bytes were counted in.
    Message(NodeId, RaftItem),
    Propose {
        region: RegionId,
        data: Bytes,
        proposal: Proposal,
    },
    Read {
        region: RegionId,
        reply: ReadReply,
        /// Whether a lease is to come of it.
        lease: bool,
    },
    Persisted(Vec<(RegionId, u64)>),
    Applied(Vec<(RegionId, Index)>),
    SnapshotReady(RegionId, SnapshotMeta),
    SnapshotSent {
        region: RegionId,
        to: PeerId,
        ok: bool,
    },
    Compact {
        region: RegionId,
        to: Index,
        term: Term,
    },
    Transfer {
        region: RegionId,
        to: NodeId,
        reply: oneshot::Sender<Result<(), Code>>,
    },
    /// A step from the replicas the region has towards those it is to have, if it is led here.
    Reconcile {
        region: RegionId,
        from: ConfState,
        wanted: Arc<BTreeMap<NodeId, Part>>,
        /// What numbers new replicas, where their nodes may have had one before.
        generation: u32,
    },
    /// What operators want to know of one region, or of all.
    Stats {
        region: Option<RegionId>,
        reply: oneshot::Sender<Vec<GroupStats>>,
    },
    Status {
        region: RegionId,
        reply: oneshot::Sender<Option<Status>>,
    },
    /// Whether replicas that its last change left out may go.
    IsMembershipKnown {
        region: RegionId,
        reply: oneshot::Sender<bool>,
    },
    /// A round of reads for the renewal of a lease, counted as one.
    Renew {
        region: RegionId,
        reply: ReadReply,
    },
    /// A word about sleep from a replica on another node.
    Sleep(NodeId, Sleep),
    /// Somebody waits for a leader that does not answer: a replica that sleeps is to look for one.
    Wake(RegionId),
    LinkDown(NodeId),
    /// A node was not heard for an election timeout, its link broke, or it was started anew.
    NodeLost(NodeId),
    /// It is heard again.
    NodeBack(NodeId),
    /// The region leaves this node; told when nothing of its replica is under way any more.
    Remove {
        region: RegionId,
        done: oneshot::Sender<()>,
    },
    /// A region of a sharded keyspace has this version: commands by older maps are refused.
    Reshaped(RegionId, u64),
    /// Another node should lead a region that is led here, if it can at once.
    HandOver {
        region: RegionId,
        to: NodeId,
    },
    /// Sets a region aside.
    Quarantine(RegionId, String),
    Stop,
}

impl ToPoller {
    /// Whether it overtakes what is not: a mailbox full of commands and entries must not keep a
    /// leader from being heard, a renewal from counting, or a finished write from being known.
    pub(crate) fn is_urgent(&self) -> bool {
        match self {
            Self::Message(_, item) => lane_of(item.message.message.kind()) == Lane::Urgent,
            Self::Sleep(_, word) => lane_of_sleep(word.kind) == Lane::Urgent,
            Self::Renew { .. }
            | Self::Persisted(_)
            | Self::Applied(_)
            | Self::LinkDown(_)
            | Self::NodeLost(_)
            | Self::NodeBack(_) => true,
            _ => false,
        }
    }
}

/// Items that are not urgent and are handled before the poller looks for urgent ones again.
const SLICE: usize = 1_024;

type NodeHost = Host<Proposal, ReadReply>;

/// Runs until told to stop.
pub(crate) fn run(shared: &Arc<Shared>, slot: usize) {
    let mut host = NodeHost::new(shared.config.host_limits());
    let mailbox = &shared.pollers[slot];
    let tick = shared.config.tick;
    let mut next_tick = shared.clock.now().after(tick);
    let (mut urgent, mut others) = (Vec::new(), VecDeque::new());
    let mut watch = RegionWatch::new(slot, shared.pollers.len());
    let mut frames = Frames::default();
    loop {
        let patience = match others.len() {
            0 => next_tick.since(shared.clock.now()),
            _ => Duration::ZERO,
        };
        let open = mailbox.take_lanes(&mut urgent, &mut others, Some(patience));
        host.now(shared.clock.now().0);
        let mut stop = !open;
        if is_too_much(others.capacity(), others.len()) {
            others.shrink_to(SLICE);
        }
        let slice = others.len().min(SLICE);
        for item in urgent.drain(..).chain(others.drain(..slice)) {
            stop |= handle(shared, &mut host, &mut watch, item);
        }
        if stop {
            // What is committed is still applied and answered; the rest is told that it is over.
            dispatch(shared, host.poll(), &mut frames);
            host.close(Code::ShuttingDown);
            dispatch_failures(shared, host.poll(), &mut frames);
            mailbox.abandon();
            return;
        }
        let now = shared.clock.now();
        if now >= next_tick {
            let late = now.since(next_tick);
            shared.gauge.ticked(now, late);
            shared.meters.lateness.add(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
            next_tick = next_after(shared, next_tick, tick);
            host.tick();
            shared.meters.awake(slot, host.awake());
            watch.tick(shared);
            if slot == 0 {
                liveness::tick(shared, &mut frames);
            }
        }
        let output = host.poll();
        for region in &output.transfers {
            transfer_begun(shared, &mut watch, *region);
        }
        dispatch(shared, output, &mut frames);
    }
}

fn next_after(shared: &Shared, due: Moment, tick: Duration) -> Moment {
    let now = shared.clock.now();
    // A thread that was kept from running does not make up for it: time that nobody could act in
    // must not look like a leader's silence.
    let next = due.after(tick);
    if next < now { now.after(tick) } else { next }
}

/// Carries out one order; answers whether it was the last.
fn handle(
    shared: &Arc<Shared>,
    host: &mut NodeHost,
    watch: &mut RegionWatch,
    item: ToPoller,
) -> bool {
    match item {
        ToPoller::Create(start, campaign) => {
            let region = start.region;
            if let Err(error) = host.create(*start) {
                tracing::error!(%region, %error, "a replica could not start");
            } else if campaign {
                host.campaign(region);
            }
        }
        ToPoller::Message(from, RaftItem { message, bytes, is_current }) => {
            shared.taken_raft(lane_of(message.message.kind()), bytes);
            let region = message.region;
            note_contact(shared, from, &message, is_current);
            if let Err(error) = host.step(from, message) {
                tracing::debug!(%region, %from, %error, "a Raft message was not taken");
            }
        }
        ToPoller::Propose { region, data, mut proposal } => {
            shared.admitted_bytes(data.len());
            if let Some(work) = &mut proposal.work {
                work.proposed();
            }
            host.propose(region, data, proposal);
        }
        ToPoller::Read { region, reply, lease } => {
            shared.admitted(1);
            host.read(region, reply, lease);
        }
        ToPoller::Persisted(done) => {
            for (region, number) in done {
                host.persisted(region, number);
            }
        }
        ToPoller::Applied(done) => {
            for (region, index) in done {
                host.applied(region, index);
            }
        }
        ToPoller::SnapshotReady(region, meta) => host.provide_snapshot(region, meta),
        ToPoller::SnapshotSent { region, to, ok } => host.snapshot_sent(region, to, ok),
        ToPoller::Compact { region, to, term } => host.compact(region, to, term),
        ToPoller::Transfer { region, to, reply } => {
            let begun = host.transfer(region, to);
            if begun.is_ok() {
                transfer_begun(shared, watch, region);
            }
            let _ = reply.send(begun);
        }
        ToPoller::HandOver { region, to } => host.hand_over(region, to),
        ToPoller::Reconcile { region, from, wanted, generation } => {
            match host.reconcile(region, &from, &wanted, generation) {
                None => {}
                Some(Step::Transfer(_)) => transfer_begun(shared, watch, region),
                Some(Step::Change(change)) => {
                    tracing::debug!(%region, ?change, "a region's replicas are to change");
                }
            }
        }
        ToPoller::Stats { region, reply } => {
            let wanted = host.regions().filter(|it| region.is_none_or(|region| region == *it));
            drop(reply.send(wanted.filter_map(|it| host.group_stats(it)).collect()));
        }
        ToPoller::Status { region, reply } => {
            drop(reply.send(host.peer(region).map(region::Peer::status)));
        }
        ToPoller::IsMembershipKnown { region, reply } => {
            let _ = reply.send(host.is_membership_known(region));
        }
        ToPoller::Renew { region, reply } => {
            shared.renewed();
            host.read(region, reply, true);
        }
        ToPoller::LinkDown(node) => host.unreachable(node),
        ToPoller::Sleep(from, word) => {
            shared.taken_raft(lane_of_sleep(word.kind), HELD_BYTES);
            host.sleep(from, word);
        }
        ToPoller::Wake(region) => host.wake(region),
        ToPoller::NodeLost(node) => {
            host.node_lost(node);
            watch.look_at_all(shared);
        }
        ToPoller::NodeBack(node) => {
            host.node_back(node);
            watch.look_at_all(shared);
        }
        ToPoller::Remove { region, done } => {
            host.remove(region);
            // Nobody waits any more where the node ends.
            let _ = done.send(());
        }
        ToPoller::Reshaped(region, version) => host.reshaped(region, version),
        ToPoller::Quarantine(region, reason) => host.quarantine(region, reason),
        ToPoller::Stop => return true,
    }
    false
}

fn transfer_begun(shared: &Shared, watch: &mut RegionWatch, region: RegionId) {
    let Some(shard) = shared.shard(region) else { return };
    let (term, now) = (shard.leadership().term, shared.clock.now());
    watch.transfer(shared, region, shared.live.transfer_begun(region, term, now));
}

/// A leader that speaks, and whoever answers one, tells how fresh this replica's copy is. A message
/// of another term than the one already known says nothing yet.
fn note_contact(shared: &Shared, from: NodeId, message: &RegionMessage, is_current: bool) {
    let Some(shard) = shared.shard(message.region) else { return };
    let leadership = shard.leadership();
    if message.message.term() != leadership.term {
        return;
    }
    if let Some(committed) = message.message.committed() {
        // Whoever is behind hears heartbeats, too, and they do not say how far.
        if leadership.leader == Some(from) && is_current {
            shard.note_contact(shared.clock.now(), committed);
        }
    } else if leadership.here && message.message.kind().answers_leader() {
        shard.note_follower(shared.clock.now(), from);
    }
}

/// Whether what a heartbeat says to be committed is all that is.
fn is_current(shared: &Shared, message: &RegionMessage) -> bool {
    message.message.kind() != MessageKind::Heartbeat
        || shared.shard(message.region).is_some_and(|shard| {
            message.message.committed().is_some_and(|told| told >= shard.committed())
        })
}

fn dispatch(shared: &Arc<Shared>, mut output: Output<Proposal, ReadReply>, frames: &mut Frames) {
    for (region, term, why) in output.forfeited.drain(..) {
        if let Some(shard) = shared.shard(region) {
            shard.lease_forfeited(term, why);
        }
    }
    for role in &output.roles {
        if let Some(shard) = shared.shard(role.region) {
            crate::leadership::changed(shared, &shard, role);
        }
    }
    for (region, index) in output.commits.drain(..) {
        if let Some(shard) = shared.shard(region) {
            shard.note_commit(index);
        }
    }
    for (to, message) in output.messages.drain(..) {
        if message.message.is_snapshot() {
            snapshots::send(shared, to, message);
        } else {
            let is_current = is_current(shared, &message);
            frames.raft(to, &message, is_current);
        }
    }
    for (to, word) in output.sleep.drain(..) {
        frames.sleep(to, &word);
    }
    shared.send(frames);
    for (region, sleeps) in output.rest.drain(..) {
        if let Some(shard) = shared.shard(region) {
            shard.set_asleep(sleeps);
        }
    }
    if !output.writes.is_empty() {
        shared.writer.extend(output.writes.drain(..).map(ToWriter::Write));
    }
    for install in output.installs.drain(..) {
        let region = install.region;
        let install = ToApplier::Install(install, Installing::new(&shared.installs));
        shared.writer.push(ToWriter::ThenApply(region, install));
    }
    for mut committed in output.committed.drain(..) {
        if shared.config.tracer.is_on() {
            for (index, proposal) in &mut committed.waiting {
                if let Some(work) = &mut proposal.work {
                    work.committed(*index);
                }
            }
        }
        // Never ahead of an install: entries after a snapshot are handed out only once they are
        // durable, and the writer passes the install on before it says so.
        shared.applier(committed.region).push(ToApplier::Committed(committed));
    }
    for region in output.snapshots_wanted.drain(..) {
        shared.applier(region).push(ToApplier::Export);
    }
    // After what was committed: a lease says that all of it is known here.
    for (region, term, began) in output.confirmed.drain(..) {
        if let Some(shard) = shared.shard(region) {
            shard.lease_confirmed(term, began);
        }
    }
    for (region, index, reply) in output.reads.drain(..) {
        match shared.shard(region) {
            Some(shard) => shard.when_applied(index, reply),
            None => reply.send(Err(Code::RegionNotFound)),
        }
    }
    for (region, reason) in &output.quarantined {
        tracing::error!(%region, %reason, "a region was quarantined: it does not serve on this node, \
            the other nodes go on with it; restart the node, and report this if it happens again");
        shared.meters.quarantined.add(1);
        let event = Event::Quarantine { region: region.get(), reason: reason.clone() };
        shared.flight.note(event);
        if let Some(shard) = shared.shard(*region) {
            shard.set_broken(reason.clone());
            region_watch::look(shared, *region);
        }
        shared.hub.close_region(*region, &types::Fault::new(Code::Corrupt, reason.clone()));
    }
    dispatch_failures(shared, output, frames);
}

fn dispatch_failures(
    shared: &Arc<Shared>,
    mut output: Output<Proposal, ReadReply>,
    frames: &mut Frames,
) {
    for (mut proposal, code) in output.failed_proposals.drain(..) {
        if let Some(work) = &mut proposal.work {
            work.failed(code);
        }
        match proposal.asked {
            Asked::Here(reply) => {
                let _ = reply.send(code);
            }
            Asked::Desk(way) => way.desk.tell(way.ticket, News::Stuck(code.into())),
            Asked::There { node, request } => frames.reply(node, request, Err(&code.into())),
            Asked::TheirDesk { node, region, sequence } => {
                frames.refused(node, region, sequence, &code.into());
            }
        }
    }
    for (reply, code) in output.failed_reads.drain(..) {
        reply.send(Err(code));
    }
    shared.send(frames);
}
