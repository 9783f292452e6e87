//! One question to one node.

use bytes::Bytes;
use types::{Code, Fault, NodeId, RegionId};

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
    let mut frames = Frames::default();
    frames.request(node, id, region, question, &body);
    shared.try_send(&mut frames).map_err(|_| Code::NoLeader)?;
    match receiver.await {
        Ok(answer) => answer,
        Err(_) => Err(Code::LeaderChanged.into()),
    }
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
