//! What a replica is told once, when it is made.

use types::{ConfState, HardState, Incarnation, Index, PeerId, RegionId, Term};

use crate::Error;

/// How one replica behaves. Every time is in ticks.
#[derive(Clone, Debug)]
pub struct Config {
    /// The group.
    pub region: RegionId,
    /// This replica of it.
    pub peer: PeerId,
    /// Silence of the leader after which an election starts: between this and twice this.
    pub election_ticks: usize,
    /// For how long a voter stays with a leader whose word binds it; at most `election_ticks`. A leader's
    /// lease is shorter, and nobody else is elected before it ends.
    pub promise_ticks: usize,
    /// Ticks between a leader's heartbeats; less than `election_ticks`.
    pub heartbeat_ticks: usize,
    /// Decides the election timeouts, together with region, peer and term.
    pub seed: u64,
    /// This run of the process. No two runs of the same replica may share it: read contexts are
    /// unique only because of it.
    pub incarnation: Incarnation,
    /// Payload bytes of one append; one entry is always sent, however large.
    pub max_message_bytes: u64,
    /// Appends sent to one peer and not yet acknowledged.
    pub max_inflight_messages: usize,
    /// Payload bytes a leader takes on without their being committed; one proposal always fits.
    /// Not less than `max_message_bytes`.
    pub max_uncommitted_bytes: u64,
    /// Payload bytes of committed entries in one `Ready`; one entry is always handed out.
    pub max_committed_bytes_per_ready: u64,
    /// Bytes of recent entries kept in memory. Entries not yet durable are kept beyond this.
    pub cache_bytes: usize,
    /// Which of the rules hold; all of them, outside tests.
    #[doc(hidden)]
    pub guards: Guards,
}

impl Config {
    /// Sensible bounds for a small cluster, with the given identity.
    #[must_use]
    pub fn new(region: RegionId, peer: PeerId, seed: u64, incarnation: Incarnation) -> Self {
        Self {
            region,
            peer,
            election_ticks: 10,
            promise_ticks: 5,
            heartbeat_ticks: 2,
            seed,
            incarnation,
            max_message_bytes: 1 << 20,
            max_inflight_messages: 256,
            max_uncommitted_bytes: 64 << 20,
            max_committed_bytes_per_ready: 4 << 20,
            cache_bytes: 256 << 10,
            guards: Guards::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::BadConfig(what.to_owned()));
        if self.peer.get() == 0 || self.region.get() == 0 {
            return wrong("region and peer must not be 0");
        }
        if self.heartbeat_ticks == 0 || self.election_ticks <= self.heartbeat_ticks {
            return wrong("election ticks must exceed heartbeat ticks, which must not be 0");
        }
        if self.promise_ticks == 0 || self.promise_ticks > self.election_ticks {
            return wrong("promise ticks must be at most the election ticks, and not be 0");
        }
        if self.election_ticks > 1 << 20 {
            return wrong("election ticks over 2^20");
        }
        if self.max_inflight_messages == 0 || self.max_inflight_messages > 1 << 16 {
            return wrong("in-flight messages must be between 1 and 65536");
        }
        if self.max_uncommitted_bytes < self.max_message_bytes {
            return wrong("one message exceeds the uncommitted bytes");
        }
        Ok(())
    }
}

/// What a replica finds on its disk. The default is a fresh one that waits for a snapshot of its
/// group; [`Start::bootstrap`] makes the first members.
#[derive(Clone, Debug)]
pub struct Start {
    /// The last one written.
    pub hard_state: HardState,
    /// The peers as of `applied`.
    pub conf_state: ConfState,
    /// The first entry that can be read; `last + 1` if none can.
    pub first: Index,
    /// The term at `first - 1`.
    pub prev_term: Term,
    /// The last entry.
    pub last: Index,
    /// Its term.
    pub last_term: Term,
    /// How far the state machine got.
    pub applied: Index,
    /// Whether this replica never ran before, so that it cannot have promised anything. A start
    /// at term 0, or as [`Start::bootstrap`] makes it, is fresh without saying so; a split's child
    /// says so.
    pub fresh: bool,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            hard_state: HardState::default(),
            conf_state: ConfState::default(),
            first: Index(1),
            prev_term: Term(0),
            last: Index(0),
            last_term: Term(0),
            applied: Index(0),
            fresh: true,
        }
    }
}

impl Start {
    /// One of the first members of a new group. To be stored before it runs, like any other state.
    ///
    /// The first configuration is in no entry, so it counts as a snapshot of index 1 and term 1:
    /// whoever joins later cannot be served from the log alone and gets a snapshot, with the
    /// configuration in it. Without that a joiner would replay the changes onto an empty one.
    #[must_use]
    pub fn bootstrap(conf_state: ConfState) -> Self {
        Self {
            hard_state: HardState { term: Term(1), vote: None, commit: Index(1) },
            conf_state,
            first: Index(2),
            prev_term: Term(1),
            last: Index(1),
            last_term: Term(1),
            applied: Index(1),
            fresh: true,
        }
    }

    /// One of the first members of a group that comes out of another one at `at`: the same for all of
    /// them, as if a snapshot of that position had been taken. To be stored before it runs.
    #[must_use]
    pub fn split_off((index, term): (Index, Term), conf_state: ConfState) -> Self {
        Self {
            hard_state: HardState { term, vote: None, commit: index },
            conf_state,
            first: index.next(),
            prev_term: term,
            last: index,
            last_term: term,
            applied: index,
            fresh: true,
        }
    }

    /// Nobody leads term 1, so whoever is still in it has heard of no leader and given no vote.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh || (self.hard_state.term <= Term(1) && self.last <= Index(1))
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::BadStart(format!("{what}: {self:?}")));
        if self.first.get() == 0 {
            return wrong("the first entry is 1");
        }
        let before = self.first.get() - 1;
        if self.last.get() < before {
            return wrong("the log ends before it begins");
        }
        if self.last.get() == before && self.last_term != self.prev_term {
            return wrong("two terms for the end of an empty log");
        }
        if self.last_term < self.prev_term {
            return wrong("terms go backwards");
        }
        if (before == 0) != (self.prev_term == Term(0)) {
            return wrong("exactly the beginning of the log has term 0");
        }
        if self.hard_state.term < self.last_term {
            return wrong("an entry of a term not yet reached");
        }
        if self.applied.get() < before || self.applied > self.last {
            return wrong("applied is outside the log");
        }
        if self.hard_state.commit > self.last {
            return wrong("committed entries are missing");
        }
        if self.applied == Index(0) && self.conf_state != ConfState::default() {
            return wrong("peers at index 0, use Start::bootstrap");
        }
        if self.last.get().max(self.hard_state.term.get()) >= crate::message::MAX_NUMBER {
            return wrong("a number out of bounds");
        }
        crate::check_conf_state(&self.conf_state).map_err(|why| Error::BadStart(why.to_owned()))
    }
}

/// The rules around the library, each of which a test or the simulator can switch off to see that
/// it would be caught. All are on by default.
#[doc(hidden)]
#[allow(clippy::struct_excessive_bools, reason = "a set of independent switches is what it is")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guards {
    /// Rule 1: appends are never glued together.
    pub single_appends: bool,
    /// Rule 2: election timeouts come from the seed.
    pub seeded_timeouts: bool,
    /// Rule 3: a leader does not propose its own removal.
    pub transfer_before_removal: bool,
    /// Rule 3: a leader whose removal is applied steps down at once.
    pub step_down_when_removed: bool,
    /// Rule 4: read contexts are unique.
    pub unique_reads: bool,
    /// Rule 4: reads end, at the latest when their time is up.
    pub bounded_reads: bool,
    /// Rule 5: a read is confirmed by a quorum, never by a clock.
    pub quorum_reads: bool,
    /// Rule 5: a restarted voter refuses votes for as long as it may have promised to.
    pub settle_after_restart: bool,
    /// Rule 5: a voter that was bound by its leader refuses votes for as long, whatever it hears in
    /// between.
    pub keep_promises: bool,
    /// Rule 6: at a start, what is applied is committed.
    pub commit_covers_applied: bool,
    /// Rule 7: inbound messages are validated.
    pub validate_messages: bool,
    /// Pitfall 1: a leader whose own vote is not durable yet keeps its messages back.
    pub vote_before_appends: bool,
    /// Pitfall 2: an older write never acknowledges a tail that was rewritten since.
    pub ordered_persists: bool,
    /// Pitfall 5: a change of the peers takes effect only when its commit is durable.
    pub durable_conf_changes: bool,
    /// No election while the log is not durable or a snapshot is being installed.
    pub settle_before_campaign: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            single_appends: true,
            seeded_timeouts: true,
            transfer_before_removal: true,
            step_down_when_removed: true,
            unique_reads: true,
            bounded_reads: true,
            quorum_reads: true,
            settle_after_restart: true,
            keep_promises: true,
            commit_covers_applied: true,
            validate_messages: true,
            vote_before_appends: true,
            ordered_persists: true,
            durable_conf_changes: true,
            settle_before_campaign: true,
        }
    }
}

impl Guards {
    /// The name of every switch.
    pub const NAMES: [&str; 15] = [
        "single_appends",
        "seeded_timeouts",
        "transfer_before_removal",
        "step_down_when_removed",
        "unique_reads",
        "bounded_reads",
        "quorum_reads",
        "settle_after_restart",
        "keep_promises",
        "commit_covers_applied",
        "validate_messages",
        "vote_before_appends",
        "ordered_persists",
        "durable_conf_changes",
        "settle_before_campaign",
    ];

    /// All rules but the named one; `None` for an unknown name.
    #[must_use]
    pub fn without(name: &str) -> Option<Self> {
        let mut guards = Self::default();
        let switch = match name {
            "single_appends" => &mut guards.single_appends,
            "seeded_timeouts" => &mut guards.seeded_timeouts,
            "transfer_before_removal" => &mut guards.transfer_before_removal,
            "step_down_when_removed" => &mut guards.step_down_when_removed,
            "unique_reads" => &mut guards.unique_reads,
            "bounded_reads" => &mut guards.bounded_reads,
            "quorum_reads" => &mut guards.quorum_reads,
            "settle_after_restart" => &mut guards.settle_after_restart,
            "keep_promises" => &mut guards.keep_promises,
            "commit_covers_applied" => &mut guards.commit_covers_applied,
            "validate_messages" => &mut guards.validate_messages,
            "vote_before_appends" => &mut guards.vote_before_appends,
            "ordered_persists" => &mut guards.ordered_persists,
            "durable_conf_changes" => &mut guards.durable_conf_changes,
            "settle_before_campaign" => &mut guards.settle_before_campaign,
            _ => return None,
        };
        *switch = false;
        Some(guards)
    }
}
