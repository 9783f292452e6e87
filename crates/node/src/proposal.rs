//! A command on its way into the log of a region that is led here.

use spans::{Active, Kind, Trace};
use tokio::sync::oneshot;
use types::{Code, Index, NodeId, RegionId};

use crate::desk::Way;
use crate::shard::Shard;

/// Who waits for a proposal.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A request of a client of this node. Success is told by the applier, by the command's tag; this
    /// tells only that the proposal failed.
    Here(oneshot::Sender<Code>),
    /// A request of a client of this node that no task waits for; told as the one above.
    Desk(Way),
    /// A request forwarded by another node; it sees success when it applies the command itself.
    There { node: NodeId, request: u64 },
    /// The same of one that no task waits for there.
    TheirDesk { node: NodeId, region: RegionId, sequence: u64 },
}

/// What goes with a proposal until its entry is applied.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) asked: Asked,
    /// What is told of it where its request is traced.
    pub(crate) work: Option<Box<Work>>,
}

impl From<Asked> for Proposal {
    fn from(asked: Asked) -> Self {
        Self { asked, work: None }
    }
}

/// The leader's work for one command, as its trace shows it. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Work {
    /// Before the whole, so that it ends before that does.
    step: Option<Box<Active>>,
    whole: Box<Active>,
}

impl Work {
    /// It waits for its poller. `kind` says whether a client of this node wants it, or another node.
    pub(crate) fn begin(trace: &Trace, kind: Kind, shard: &Shard) -> Box<Self> {
        let mut whole = trace.begin("propose", kind);
        whole.number("hiraeth.region", shard.record.id.get());
        whole.number("hiraeth.keyspace", shard.record.keyspace.get());
        let step = Some(whole.trace().begin("propose.queue", Kind::Internal));
        Box::new(Self { step, whole })
    }

    /// Its replica has it; now it is written here and on the others.
    pub(crate) fn proposed(&mut self) {
        self.next("propose.log");
    }

    /// A majority has it; now it waits for its turn and is applied.
    pub(crate) fn committed(&mut self, index: Index) {
        self.whole.number("hiraeth.index", index.get());
        self.next("propose.apply");
    }

    /// It was not carried out, or nobody knows.
    pub(crate) fn failed(&mut self, code: Code) {
        self.whole.fail(format!("{code:?}"));
    }

    fn next(&mut self, step: &'static str) {
        self.step = None;
        self.step = Some(self.whole.trace().begin(step, Kind::Internal));
    }
}
