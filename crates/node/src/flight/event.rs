use serde::Serialize;

/// Something that happened. Numbers of nodes and regions are plain; times are in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it; docs/format.md has them all")]
pub enum Event {
    /// The node was started; everything until the next one is of the same process.
    Start {
        version: String,
        name: String,
        node: u64,
        pid: u32,
    },
    /// It is ending, as it was told to.
    Stop {
        reason: String,
    },
    /// It can promise nothing any more and ends.
    Failure {
        reason: String,
    },
    /// A thread panicked.
    Panic {
        thread: String,
        message: String,
        place: String,
    },
    /// A region has another leader, or none (0).
    Leader {
        region: u64,
        leader: u64,
        term: u64,
    },
    /// As [`Self::Leader`] for so many regions that they are told together.
    Leaders {
        regions: u64,
        by_leader: std::collections::BTreeMap<u64, u64>,
        /// Region, its last leader, term, and for how many milliseconds; empty for too many regions.
        last: Vec<(u64, u64, u64, u64)>,
    },
    /// A region's replicas are on other nodes: those that vote, and those that learn.
    Replicas {
        region: u64,
        nodes: Vec<u64>,
        learners: Vec<u64>,
    },
    /// A region's replica here does not serve any more.
    Quarantine {
        region: u64,
        reason: String,
    },
    SnapshotSent {
        region: u64,
        to: u64,
        index: u64,
    },
    SnapshotFailed {
        region: u64,
        to: u64,
        reason: String,
    },
    SnapshotInstalled {
        region: u64,
        index: u64,
    },
    /// The disk has too little room for writes.
    ReadOnly {
        free_bytes: u64,
        reserve_bytes: u64,
    },
    /// And enough again.
    Writable {
        free_bytes: u64,
    },
    /// A sync of the log took so long.
    SlowSync {
        ms: u64,
    },
    /// This node is strained, or not any more: a slow disk, too little processor time, slow links.
    Strain {
        what: String,
        begins: bool,
    },
    /// The link to a node came or went.
    Link {
        node: u64,
        there: bool,
    },
    /// What the regions here can do changed: how many are in which state.
    States {
        by_state: std::collections::BTreeMap<String, u64>,
    },
    /// The clock of the wall was set, by so much, or the machine slept.
    ClockJump {
        by_ms: i64,
    },
    /// The whole process did not run for so long.
    Paused {
        ms: u64,
    },
    /// Records were lost here: the recorder or its disk was behind.
    Dropped {
        records: u64,
    },
}
