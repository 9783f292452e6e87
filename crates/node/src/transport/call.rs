//! Calls to another node.

use std::error::Error as _;

use proto::peer as wire;
use proto::peer::peer_client::PeerClient;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;
use types::{Code, Fault, NodeId};

use super::connect;
use super::core::Core;
use super::hello::{PeerHello, fault, fault_of, refusal};
use crate::failure::deepest;

/// A connection of its own to `address`.
pub(super) async fn connect(core: &Core, address: &str) -> Result<PeerClient<Channel>, Fault> {
    let limits = &core.limits;
    let dial = core.tls.as_ref().map(|tls| &tls.dial);
    let channel = connect::connect(address, limits, dial).await?;
    Ok(PeerClient::new(channel)
        .max_decoding_message_size(limits.message_bytes())
        .max_encoding_message_size(limits.message_bytes()))
}

/// What a called node answered: who it is, and whether it refuses this one.
pub(super) struct Answered {
    pub(super) hello: PeerHello,
    pub(super) refusal: Option<Fault>,
}

/// Introduces this node; `refused` tells the other one that it is refused.
pub(super) async fn hello(
    core: &Core,
    client: &mut PeerClient<Channel>,
    refused: Option<&Fault>,
) -> Result<Answered, Fault> {
    let request =
        wire::HelloRequest { hello: Some(core.hello().to_wire()), refusal: refused.map(refusal) };
    let response = timeout(core.limits.connect, client.hello(request))
        .await
        .map_err(|_| Fault::new(Code::Timeout, "the handshake timed out"))?
        .map_err(|status| Fault::new(fault_of(&status).code, words(&status)))?
        .into_inner();
    let hello = PeerHello::from_wire(response.hello)?;
    Ok(Answered { hello, refusal: response.refusal.map(fault) })
}

/// Connects to `node` at `address`; answers when both take each other.
pub(super) async fn greet(
    core: &Core,
    node: NodeId,
    address: &str,
) -> Result<(PeerClient<Channel>, PeerHello), Fault> {
    let mut client = connect(core, address).await?;
    let Answered { hello: other, refusal } = hello(core, &mut client, None).await?;
    let judged = core.judge(&other);
    if let Some(fault) = refusal {
        if other.cluster == core.identity.cluster() {
            core.note_refusal(&fault);
        }
        return Err(Fault::new(fault.code, format!("refused by {other}: {fault}")));
    }
    let judged = judged.and_then(|()| {
        if other.node == node {
            return Ok(());
        }
        let detail = format!("{address} is {other}, not node {node}: correct its address");
        Err(Fault::new(Code::InvalidArgument, detail))
    });
    if let Err(fault) = &judged {
        // Both sides' logs shall have it; whether it arrives does not matter to us.
        drop(hello(core, &mut client, Some(fault)).await);
    }
    judged.map(|()| (client, other))
}

/// What a failed call says, with the cause at its bottom.
pub(super) fn words(status: &Status) -> String {
    match status.source() {
        Some(source) => deepest(source),
        None if status.message().is_empty() => format!("{:?}", status.code()),
        None => status.message().to_owned(),
    }
}
