//! What the trace of a request shows of its way to another node.

use spans::{Active, Context, Kind, Trace};
use types::{Fault, NodeId, RegionId};

use crate::shared::Shared;

/// The trace that this task works for; where nothing is traced, nobody looks.
pub(crate) fn current(shared: &Shared) -> Option<Trace> {
    if shared.config.tracer.is_on() { spans::current() } else { None }
}

/// A question or a command that is with another node. Ends when it is dropped.
pub(crate) struct Away {
    span: Box<Active>,
    takes: bool,
}

impl Away {
    pub(crate) fn begin(
        shared: &Shared,
        trace: &Trace,
        what: &'static str,
        (node, region): (NodeId, RegionId),
    ) -> Self {
        let mut span = trace.begin("forward", Kind::Client);
        span.text("rpc.system", "hiraeth.peer");
        span.text("rpc.method", what);
        span.number("hiraeth.node", node.get());
        span.number("hiraeth.region", region.get());
        // An older build would drop the frame.
        let takes = shared.live.liveness.lock().takes_traces(node);
        Self { span, takes }
    }

    /// What the other node is told of it, if it wants to know.
    pub(crate) fn context(&self) -> Option<Context> {
        self.takes.then(|| self.span.trace().context())
    }

    pub(crate) fn failed(&mut self, fault: &Fault) {
        // Without its words: there may be a key in them.
        self.span.fail(format!("{:?}", fault.code));
    }
}
