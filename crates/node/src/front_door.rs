//! What one node's front door asks another's, for who wants to know from any node how each of them is. The
//! node carries bytes; what they mean is the front doors' business, and so is who may ask.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;
use types::{Code, Fault, NodeId, RegionId};

use crate::forward::ask_node;
use crate::frame::Question;
use crate::handle::Handle;
use crate::shared::Shared;

/// How long another node may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer.
const ANSWER_BYTES: usize = 4 << 20;

/// How a front door answers another one.
pub type Answerer = fn(Handle, Bytes) -> Answering;
/// An answer to another front door, under way.
pub type Answering = Pin<Box<dyn Future<Output = Result<Bytes, Fault>> + Send>>;

/// What a node knows of its front door.
#[derive(Default)]
pub(crate) struct FrontDoor {
    answerer: OnceLock<Answerer>,
    closing: watch::Sender<bool>,
    leaving: watch::Sender<bool>,
}

impl FrontDoor {
    /// Whatever goes on and on is to end.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }
}

impl Handle {
    /// Has other nodes' front doors answered by `answerer`; the first one counts.
    pub fn answer_doors(&self, answerer: Answerer) {
        self.shared.door.answerer.get_or_init(|| answerer);
    }

    /// Asks another node's front door, and waits for 3 s at most.
    ///
    /// # Errors
    /// `MemberNotFound`; `NoLeader` if the node is not linked, `Timeout`; what the other one says.
    pub async fn ask_door(&self, node: NodeId, body: Bytes) -> Result<Bytes, Fault> {
        let shared = &self.shared;
        if !shared.directory().nodes.contains_key(&node) {
            return Err(Fault::new(Code::MemberNotFound, format!("there is no node {node}")));
        }
        let asked = ask_node(shared, RegionId::META, node, Question::Door, body);
        let answer = timeout(PATIENCE, asked).await;
        answer.unwrap_or_else(|_| {
            Err(Fault::new(Code::Timeout, format!("node {node} did not answer within 3 s")))
        })
    }

    /// Has whoever runs this node stop it, as its settings allow; [`Self::asked_to_leave`] hears of it.
    ///
    /// # Errors
    /// `Unsupported` without [`crate::NodeConfig::leaves_when_asked`].
    pub fn ask_to_leave(&self) -> Result<(), Fault> {
        if !self.shared.config.leaves_when_asked {
            return Err(Code::Unsupported.into());
        }
        self.shared.door.leaving.send_replace(true);
        Ok(())
    }

    /// Waits until a client that may asks this node to stop.
    pub async fn asked_to_leave(&self) {
        let mut leaving = self.shared.door.leaving.subscribe();
        if leaving.wait_for(|leaving| *leaving).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the node begins to stop, for answers that would go on for as long as it is there.
    pub async fn closing(&self) {
        let mut closing = self.shared.door.closing.subscribe();
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            () = self.shared.ended() => {}
        }
    }
}

/// Another node's front door asks this one's.
pub(crate) async fn answer(shared: &Arc<Shared>, body: Bytes) -> Result<Bytes, Fault> {
    let Some(answerer) = shared.door.answerer.get() else {
        return Err(Fault::new(Code::Unsupported, "nobody answers for this node"));
    };
    let answer = answerer(Handle::new(Arc::clone(shared)), body).await?;
    if answer.len() > ANSWER_BYTES {
        let detail = format!("the answer has {} bytes, more than go between nodes", answer.len());
        return Err(Fault::new(Code::LimitReached, detail));
    }
    Ok(answer)
}
