//! Liveness on the node's threads: the first poller ticks it and sends the beats, the links' threads
//! bring those of the others.

use std::time::Duration;

use env::Moment;
use state::directory::Phase;
use types::NodeId;

use super::beat::{Beat, Summary};
use super::health::DiskState;
use super::table::Change;
use crate::frame::Frames;
use crate::observe::NodeSight;
use crate::poller::ToPoller;
use crate::shared::Shared;

/// How long the count of regions that are led here, and how far they are behind, may be told.
const TOLD_FOR: Duration = Duration::from_secs(1);

/// One tick. Beats that are due go into `frames`, where the regions' heartbeats join them: one frame
/// for each peer and interval.
pub(crate) fn tick(shared: &Shared, frames: &mut Frames) {
    let now = shared.clock.now();
    // Not while the liveness is locked: readers look there.
    let summary = shared.live.summary.lock().at(now, || summary(shared));
    let mut changes = Vec::new();
    let mut liveness = shared.live.liveness.lock();
    liveness.set_peers(now, others(shared), &mut changes);
    if liveness.tick(now, &mut changes) {
        let summary = of_now(shared, summary);
        for (to, beat) in liveness.beats(now, summary, shared.auth.word()) {
            frames.beat(to, &beat);
        }
    }
    shared.auth.hear(now, liveness.auth_told(now));
    tell(shared, &changes);
}

/// A beat came from another node.
pub(crate) fn heard(shared: &Shared, from: NodeId, beat: &Beat) {
    let mut changes = Vec::new();
    let mut liveness = shared.live.liveness.lock();
    let now = shared.clock.now();
    liveness.heard(now, from, beat, &mut changes);
    shared.auth.hear(now, liveness.auth_told(now));
    tell(shared, &changes);
}

/// Another node says what it knows of users and rights.
pub(crate) fn heard_known(shared: &Shared, from: NodeId, auth: u64) {
    let mut liveness = shared.live.liveness.lock();
    liveness.knows(from, auth);
    let now = shared.clock.now();
    shared.auth.hear(now, liveness.auth_told(now));
}

/// How many of the members that there are now know a change of users and rights, and how many of them
/// there are, this node left out.
pub(crate) fn auth_known(shared: &Shared, change: u64) -> (usize, usize) {
    let mut changes = Vec::new();
    let mut liveness = shared.live.liveness.lock();
    // Members that came since the last tick count, too.
    liveness.set_peers(shared.clock.now(), others(shared), &mut changes);
    tell(shared, &changes);
    liveness.auth_known(change)
}

/// Users or rights have changed here: whoever waits for every node to know is told at once. No beat
/// is sent for it, since a beat also says that no region has anything to say.
pub(crate) fn tell_known(shared: &Shared) {
    let auth = shared.auth.word();
    if auth == 0 {
        return;
    }
    let mut frames = Frames::default();
    for node in others(shared) {
        frames.known(node, auth);
    }
    shared.send(&mut frames);
}

/// The link to another node broke.
pub(crate) fn link_down(shared: &Shared, node: NodeId) {
    let mut changes = Vec::new();
    let mut liveness = shared.live.liveness.lock();
    liveness.link_down(shared.clock.now(), node, &mut changes);
    tell(shared, &changes);
}

/// Called with the liveness locked, so that changes are told in the order they happened.
fn tell(shared: &Shared, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Lost(node, why) => tracing::warn!(%node, why, "a node is lost from sight"),
            Change::Back(node) => tracing::info!(%node, "a node is heard again"),
            Change::Joined(node) => tracing::debug!(%node, "a node is looked for"),
        }
        let (node, is_alive) = match change {
            Change::Lost(node, _) => (*node, false),
            Change::Back(node) | Change::Joined(node) => (*node, true),
        };
        shared.live.observatory.node(NodeSight { node, is_alive });
        for poller in &shared.pollers {
            poller.push(if is_alive { ToPoller::NodeBack(node) } else { ToPoller::NodeLost(node) });
        }
        if is_alive {
            shared.live.heard.notify_waiters();
        }
    }
}

/// The other nodes of the cluster, as far as they are known.
fn others(shared: &Shared) -> Vec<NodeId> {
    let directory = shared.directory();
    let own = shared.node();
    if directory.nodes.is_empty() {
        let first = shared.first_peers().into_iter().map(|(node, _)| node);
        return first.filter(|node| *node != own).collect();
    }
    let there = directory.nodes.values().filter(|node| node.phase != Phase::Joining);
    there.map(|node| node.id).filter(|node| *node != own).collect()
}

/// What took a look at every region, for as long as that may be told.
#[derive(Default)]
pub(crate) struct Told(Option<(Moment, Summary)>);

impl Told {
    fn at(&mut self, now: Moment, look: impl FnOnce() -> Summary) -> Summary {
        match self.0 {
            Some((at, known)) if now.since(at) < TOLD_FOR => known,
            _ => self.0.insert((now, look())).1,
        }
    }
}

/// What others have to hear at once is as it is now.
fn of_now(shared: &Shared, summary: Summary) -> Summary {
    let room = shared.space.room();
    Summary {
        disk: DiskState::of(room),
        read_only: room.read_only,
        stopping: shared.live.health.is_stopping(),
        traces: shared.config.tracer.is_on(),
        strain: shared.gauge.strain(),
        ..summary
    }
}

/// This node in a few words.
pub(crate) fn summary(shared: &Shared) -> Summary {
    let shards = shared.shards();
    let regions = shards.len() as u64;
    let mut summary = of_now(shared, Summary { regions, ..Summary::default() });
    for shard in shards.values() {
        summary.led += u64::from(shard.leadership().here);
        summary.lag = summary.lag.max(shard.lag());
    }
    summary
}
