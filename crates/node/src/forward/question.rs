//! One question to one node.

use bytes::Bytes;
use types::{Code, Fault, NodeId, RegionId};

use super::traced::{Away, current};
use crate::frame::{Frames, Question};
use crate::shared::Shared;

/// Puts a question to a region's leader on a node and waits for its answer.
pub(crate) async fn ask(
    shared: &Shared,
    region: RegionId,
    node: NodeId,
    question: Question,
    body: Bytes,
) -> Result<Bytes, Fault> {
    ask_node(shared, region, node, question, body).await.map_err(of_another_node)
}

/// Puts a question to a node and waits for its answer, which may be what is wrong with that node.
pub(crate) async fn ask_node(
    shared: &Shared,
    region: RegionId,
    node: NodeId,
    question: Question,
    body: Bytes,
) -> Result<Bytes, Fault> {
    struct Forget<'a>(&'a Shared, u64);
    impl Drop for Forget<'_> {
        fn drop(&mut self) {
            self.0.forget(self.1);
        }
    }
    let (id, receiver) = shared.ask(node)?;
    let _forget = Forget(shared, id);
    let trace = current(shared).filter(|_| !question.is_renewal());
    let mut away = trace.map(|trace| Away::begin(shared, &trace, question.name(), (node, region)));
    let mut frames = Frames::default();
    let context = away.as_ref().and_then(Away::context);
    frames.request((node, id), region, question, &body, context);
    let answer = match shared.try_send(&mut frames) {
        Ok(()) => receiver.await.unwrap_or_else(|_| Err(Code::LeaderChanged.into())),
        Err(_) => Err(Code::NoLeader.into()),
    };
    if let (Some(away), Err(fault)) = (&mut away, &answer) {
        away.failed(fault);
    }
    answer
}

/// What another node's trouble is to this one's clients: somebody else will lead.
pub(crate) fn of_another_node(fault: Fault) -> Fault {
    match fault.code {
        Code::ShuttingDown | Code::Corrupt => Code::LeaderChanged.into(),
        Code::RegionNotFound => Code::NoLeader.into(),
        _ => fault,
    }
}

pub(crate) fn malformed() -> Fault {
    Fault::new(Code::Internal, "a message between nodes that makes no sense")
}
