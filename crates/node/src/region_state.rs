//! What a region can do now, as this node sees it (feature C6).

use std::fmt;
use std::time::Duration;

use types::{Code, Fault, NodeId, RegionId};

use crate::liveness::Liveness;
use crate::shard::Shard;
use crate::shared::Shared;

/// A region's state in one word, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StateKind {
    /// It has a leader and takes reads and writes.
    Active,
    /// Leadership is being handed over: writes wait for the next leader.
    Transferring,
    /// It reads, and takes only writes that free space: the leader's disk is nearly full.
    ReadOnly,
    /// No leader is known; enough nodes are heard to elect one.
    Electing,
    /// So few of its nodes are heard that nothing can be written or confirmed; stale reads go on.
    NoQuorum,
    /// This node's replica is set aside; the others may go on.
    Broken,
}

impl StateKind {
    /// The word for it, as in `status` and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Transferring => "transferring",
            Self::ReadOnly => "read-only",
            Self::Electing => "electing",
            Self::NoQuorum => "no-quorum",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A region's state with what a person needs to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionState {
    /// The state.
    pub kind: StateKind,
    /// Why, for people; empty for `Active`.
    pub detail: String,
}

impl Shared {
    /// The state of a region with a replica here. Loss of its quorum is known an election timeout and
    /// one interval of beats after it happened, at the latest.
    pub(crate) fn region_state(&self, region: RegionId) -> Option<RegionState> {
        let shard = self.shard(region)?;
        let kind = self.state_kind(&self.live.liveness.lock(), &shard);
        let leader = || shard.leadership().leader.map(|node| self.name_of(node));
        let detail = match kind {
            StateKind::Active => String::new(),
            StateKind::Transferring => "leadership is being handed over".to_owned(),
            StateKind::ReadOnly => format!(
                "the disk of {} is nearly full: it takes deletes and compactions only",
                leader().unwrap_or_default()
            ),
            StateKind::Electing => "no leader is known yet".to_owned(),
            StateKind::NoQuorum => self.no_quorum(&shard),
            StateKind::Broken => shard.broken().err().map(|it| it.detail).unwrap_or_default(),
        };
        Some(RegionState { kind, detail })
    }

    pub(crate) fn state_kind(&self, liveness: &Liveness, shard: &Shard) -> StateKind {
        if shard.broken().is_err() {
            return StateKind::Broken;
        }
        let group = shard.group();
        let (voters, own) = (&group.voters, self.node());
        if voters.is_empty() {
            // It waits for its first snapshot, and knows of nobody.
            return StateKind::Electing;
        }
        let heard = voters.iter().filter(|node| **node == own || liveness.is_alive(**node));
        if heard.count() <= voters.len() / 2 {
            return StateKind::NoQuorum;
        }
        let leadership = shard.leadership();
        let Some(leader) = leadership.leader else { return StateKind::Electing };
        let read_only = match leadership.here {
            true => self.space.is_read_only(),
            false => liveness.is_read_only(leader),
        };
        if read_only {
            StateKind::ReadOnly
        } else if self.live.is_transferring(shard.record.id, leadership.term, self.clock.now()) {
            StateKind::Transferring
        } else {
            StateKind::Active
        }
    }

    /// What to tell clients of a region of whose quorum nothing was heard for one and a half election
    /// timeouts: what they wait for will not happen soon here, and whoever else is heard has another leader
    /// by then. `None` while there is hope; then it costs little to ask.
    pub(crate) fn quorum_lost(&self, shard: &Shard) -> Option<Fault> {
        let is_lost = self.quorum_lost_in(shard).is_zero();
        is_lost.then(|| Fault::new(Code::NoLeader, self.no_quorum(shard)))
    }

    /// After how long [`Shared::quorum_lost`] will be so if nobody is heard until then.
    pub(crate) fn quorum_lost_in(&self, shard: &Shard) -> Duration {
        let patience = self.config.election_timeout() * 3 / 2;
        let group = shard.group();
        let now = self.clock.now();
        let mut silent: Vec<Duration> = {
            let liveness = self.live.liveness.lock();
            let others = group.voters.iter().filter(|node| **node != self.node());
            others.map(|node| liveness.silent_for(now, *node)).collect()
        };
        silent.sort_unstable_by(|one, other| other.cmp(one));
        // So many may be lost without harm; the first that is one too many ends it.
        let spare = group.voters.len().div_ceil(2).saturating_sub(1);
        patience.saturating_sub(silent.get(spare).copied().unwrap_or_default())
    }

    /// Who of a region's nodes is not heard, in words.
    fn no_quorum(&self, shard: &Shard) -> String {
        let group = shard.group();
        let (voters, own) = (&group.voters, self.node());
        let mut lost: Vec<(NodeId, Duration)> = {
            let liveness = self.live.liveness.lock();
            let now = self.clock.now();
            let others = voters.iter().copied().filter(|node| *node != own);
            let lost = others.filter(|node| liveness.lost_for(now, *node).is_some());
            lost.map(|node| (node, liveness.silent_for(now, node))).collect()
        };
        lost.sort_by_key(|(node, _)| *node);
        let silent = lost
            .iter()
            .map(|(node, silent)| format!("{} for {}", self.name_of(*node), seconds(*silent)));
        let silent: Vec<String> = silent.collect();
        let heard = voters.len() - lost.len();
        let be = if heard == 1 { "is" } else { "are" };
        format!(
            "no quorum: {heard} of {} nodes {be} heard (silent: {})",
            voters.len(),
            silent.join(", ")
        )
    }

    fn name_of(&self, node: NodeId) -> String {
        let name = self.with_directory(|it| it.nodes.get(&node).map(|record| record.name.clone()));
        name.unwrap_or_else(|| format!("node {node}"))
    }
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} s", time.as_secs())
    }
}
