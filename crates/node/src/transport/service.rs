use std::sync::Arc;

use futures::StreamExt;
use futures::stream::Map;
use proto::peer as wire;
use proto::peer::peer_server::Peer as PeerRpc;
use tonic::{Request, Response, Status, Streaming};
use types::{Code, Fault};

use super::core::Core;
use super::hello::{PeerHello, fault, refusal, status};
use super::join::{self, Applicant};
use super::link;
use super::queue::{Outgoing, Queue};
use super::receive;

/// What other nodes call.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) core: Arc<Core>,
}

#[tonic::async_trait]
impl PeerRpc for Service {
    type LinkStream = Map<Outgoing, fn(wire::Frame) -> Result<wire::Frame, Status>>;

    async fn hello(
        &self,
        request: Request<wire::HelloRequest>,
    ) -> Result<Response<wire::HelloResponse>, Status> {
        let wire::HelloRequest { hello, refusal: refused } = request.into_inner();
        let hello = PeerHello::from_wire(hello).map_err(|fault| status(&fault))?;
        let own = Some(self.core.hello().to_wire());
        if let Some(told) = refused.map(fault) {
            let subject = format!("refused by {hello}");
            self.core.warnings.warn(&subject, &told.to_string());
            self.core.trouble(hello.node, || format!("{subject}: {told}"));
            return Ok(Response::new(wire::HelloResponse { hello: own, refusal: None }));
        }
        let refusal = self.core.judge(&hello).err().map(|fault| refusal(&fault));
        Ok(Response::new(wire::HelloResponse { hello: own, refusal }))
    }

    async fn link(
        &self,
        request: Request<Streaming<wire::Frame>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let hello = PeerHello::detach(request.metadata()).map_err(|fault| status(&fault))?;
        let peer = self.core.judge_peer(&hello).map_err(|fault| status(&fault))?;
        if hello.node > self.core.identity.node() {
            let detail = "the node with the lower number dials";
            return Err(status(&Fault::new(Code::InvalidArgument, detail)));
        }
        let limits = &self.core.limits;
        let queue = Queue::new(limits.queue_frames, limits.queue_bytes);
        let outgoing = Outgoing(queue.clone());
        let driver = self.core.driver().map_err(|fault| status(&fault))?;
        let ticket = peer.ticket();
        let spawned = self.core.spawn(async move {
            tracing::info!("link from {hello} is up");
            let incoming = request.into_inner();
            let why = link::run(&driver, &peer, hello, ticket, queue, incoming).await;
            tracing::info!("link from node {} ended: {why}", peer.node);
            peer.set_trouble(why);
        });
        if !spawned {
            return Err(status(&Code::ShuttingDown.into()));
        }
        let mut response =
            Response::new(outgoing.map(Ok as fn(wire::Frame) -> Result<wire::Frame, Status>));
        self.core.hello().attach(response.metadata_mut());
        Ok(response)
    }

    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::JoinResponse>, Status> {
        let answer = async {
            let applicant = Applicant::from_wire(request.into_inner())?;
            let permit = self.core.joining.try_acquire();
            let _permit = permit.map_err(|_| {
                Fault::new(Code::TooManyRequests, "others are being let in, ask again")
            })?;
            self.core.driver()?.admission.introduce(applicant).await
        };
        Ok(Response::new(join::response(answer.await)))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<wire::SnapshotChunk>>,
    ) -> Result<Response<wire::SnapshotReceipt>, Status> {
        let hello = PeerHello::detach(request.metadata()).map_err(|fault| status(&fault))?;
        let peer = self.core.judge_peer(&hello).map_err(|fault| status(&fault))?;
        let taken = receive::run(&self.core, peer.node, request.into_inner()).await;
        match &taken {
            // It comes again, several times a second while regions move here.
            Err(fault) if fault.code == Code::TooManyRequests => {
                tracing::debug!("snapshot from {hello} was not taken: {fault}");
            }
            Err(fault) => tracing::warn!("snapshot from {hello} was not taken: {fault}"),
            Ok(()) => {}
        }
        let refusal = taken.err().map(|fault| refusal(&fault));
        Ok(Response::new(wire::SnapshotReceipt { refusal }))
    }
}
