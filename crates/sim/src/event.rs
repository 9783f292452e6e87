//! Everything that can happen at a moment of simulated time.

use bytes::Bytes;
use state::request::RangeRequest;
use state::response::{Outcome, RangeResponse};
use types::{Code, LeaseId, NodeId, RegionId, Revision};

use crate::nemesis::Fault;
use crate::registry::{Said, Told, Word};
use crate::roster::Roster;

/// Something due. `life` is the run of a node's process that it belongs to; it is dropped when that
/// run is over.
#[derive(Debug)]
pub(crate) enum Event {
    Tick {
        node: usize,
        life: u64,
    },
    Poll {
        node: usize,
        life: u64,
    },
    SyncDone {
        node: usize,
        life: u64,
    },
    Apply {
        node: usize,
        life: u64,
    },
    /// The janitor's rounds.
    CutLogs {
        node: usize,
        life: u64,
    },
    ExpireLeases {
        node: usize,
        life: u64,
    },
    Deliver {
        from: NodeId,
        to: NodeId,
        packet: Packet,
    },
    /// The next chunk of a snapshot on its way arrives.
    Chunk {
        transfer: u64,
    },
    Request {
        node: usize,
        request: Request,
    },
    Answer {
        client: usize,
        attempt: u64,
        result: Result<Answer, Code>,
    },
    /// A client's alarm.
    Client {
        client: usize,
        alarm: u64,
    },
    /// The next fault is drawn.
    Nemesis,
    /// A fault ends.
    Heal(Fault),
    /// The next fault of a disk is drawn.
    Atlas,
    /// A disk that was chosen lies from here on.
    Lie {
        node: usize,
        life: u64,
    },
    /// Whoever runs the cluster gives up a node, and puts a new one in its place.
    Replace {
        node: usize,
        life: u64,
    },
    /// A process dies, and again some more times.
    Bounce {
        node: usize,
        left: u64,
    },
    /// The node that leads most ends for a while, while all is quiet.
    LastKill,
    /// A watcher looks what there is.
    Watch {
        watcher: usize,
    },
    /// Somebody who waits for another answer of a registry looks whether there is one.
    Wait {
        waiter: usize,
    },
    Restart {
        node: usize,
        life: u64,
    },
    /// The connection from another node broke, and this one knows.
    Broken {
        node: usize,
        from: NodeId,
    },
    /// Faults stop.
    Calm,
    /// Looks which regions serve again.
    Serving,
    /// Clients stop asking and the last questions are put.
    Probe,
    /// Looks whether all is quiet.
    Settled,
}

impl Event {
    /// The node whose process must run for this to happen.
    pub(crate) fn node(&self, roster: &Roster) -> Option<usize> {
        match self {
            Self::Tick { node, .. }
            | Self::Poll { node, .. }
            | Self::SyncDone { node, .. }
            | Self::Apply { node, .. }
            | Self::CutLogs { node, .. }
            | Self::ExpireLeases { node, .. }
            | Self::Broken { node, .. }
            | Self::Request { node, .. } => Some(*node),
            Self::Deliver { to, .. } => Some(roster.seat(*to)),
            _ => None,
        }
    }
}

/// What one node sends another. `asker` is the run of the process that asks: for an oracle, the real
/// ones do not say it.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Raft {
        region: RegionId,
        bytes: Bytes,
    },
    Propose {
        asker: u64,
        request: u64,
        region: RegionId,
        data: Bytes,
    },
    Renew {
        asker: u64,
        request: u64,
        region: RegionId,
        lease: LeaseId,
    },
    /// What a client asks of a region that has no replica where it asked.
    Far {
        asker: u64,
        request: u64,
        region: RegionId,
        body: Body,
    },
    /// A read at the leader, by its lease if it has one.
    Read {
        asker: u64,
        request: u64,
        region: RegionId,
        range: RangeRequest,
    },
    /// A word to the leader's clock of a registry.
    Word {
        asker: u64,
        request: u64,
        region: RegionId,
        word: Word,
    },
    Beat {
        incarnation: u64,
    },
    Sleep(region::Sleep),
    Reply {
        asker: u64,
        request: u64,
        result: Result<Answer, Code>,
    },
}

/// What a client asks a node.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) client: usize,
    pub(crate) attempt: u64,
    pub(crate) region: RegionId,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A command, with the number it carries: client and sequence.
    Write {
        data: Bytes,
        tag: (u64, u64),
    },
    Read(RangeRequest),
    /// Read where the leader is, by its lease.
    LeaseRead(RangeRequest),
    Renew(LeaseId),
    Say(Said),
}

/// What a client is told.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Written(Outcome),
    Found {
        revision: Revision,
        response: RangeResponse,
    },
    /// Seconds a renewed lease lives; 0 for an unknown one.
    Renewed(i64),
    /// What the leader's clock says, and since when that node has seen every entry applied.
    Told(Told, u64),
}

/// Who waits for a proposal or a question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Client {
        client: usize,
        attempt: u64,
    },
    Node {
        node: NodeId,
        asker: u64,
        request: u64,
    },
    /// The janitor, for leases it wants ended.
    Expiry {
        region: RegionId,
        expiry: u64,
    },
    Nobody,
}

/// Who waits for a read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) asked: Asked,
    pub(crate) wants: Wants,
}

/// What is to be done once a read may be served.
#[derive(Clone, Debug)]
pub(crate) enum Wants {
    Range(RangeRequest),
    Renew(LeaseId),
    /// To find what a client speaks of.
    Find(Said),
    /// Once all that is known to be committed is applied.
    Hear(Word),
    /// Once a quorum told how far a leader must be, too.
    HearSurely(Word),
}
