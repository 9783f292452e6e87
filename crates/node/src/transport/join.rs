//! How a node gets its place in a cluster that is there.

use bytes::Bytes;
use proto::peer as wire;
use proto::peer::peer_client::PeerClient;
use tokio::time::timeout;
use types::{ClusterId, Code, Fault, NodeId};

use super::connect;
use super::hello::{PROTOCOL, TEXT_BYTES, fault, fault_of, refusal};
use super::limits::Limits;

/// How long a member may take to bring the news to the cluster.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(10);
/// Members in an answer; more than any cluster has.
const MEMBERS: usize = 1_024;

/// A node that asks to be let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applicant {
    /// Its data directory's identity; never 0.
    pub identity: u128,
    /// Its name.
    pub name: String,
    /// Where peers reach it: what it was added with.
    pub peer_address: String,
    /// Where clients reach it; may be empty.
    pub client_address: String,
    /// Up to which level it knows what goes through logs.
    pub level: u32,
}

/// What a node that was let in needs to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// Its number.
    pub node: NodeId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The members, with their peer addresses.
    pub members: Vec<(NodeId, String)>,
}

impl Applicant {
    pub(super) fn from_wire(request: wire::JoinRequest) -> Result<Self, Fault> {
        let bad = |what: String| Fault::new(Code::InvalidArgument, what);
        if request.protocol != PROTOCOL {
            let text = format!(
                "{} speaks peer protocol {}, the cluster speaks {PROTOCOL}: run the same version",
                request.name, request.protocol
            );
            return Err(Fault::new(Code::Unsupported, text));
        }
        for text in [&request.name, &request.peer_address, &request.client_address] {
            if text.len() > TEXT_BYTES || text.chars().any(char::is_control) {
                return Err(bad("join: bad name or address".into()));
            }
        }
        let identity = <[u8; 16]>::try_from(&request.identity[..]).map(u128::from_be_bytes);
        let identity = identity.ok().filter(|identity| *identity != 0);
        Ok(Self {
            identity: identity.ok_or_else(|| bad("join: bad identity".into()))?,
            name: request.name,
            peer_address: request.peer_address,
            client_address: request.client_address,
            level: request.level,
        })
    }

    fn to_wire(&self) -> wire::JoinRequest {
        wire::JoinRequest {
            protocol: PROTOCOL,
            identity: Bytes::copy_from_slice(&self.identity.to_be_bytes()),
            name: self.name.clone(),
            peer_address: self.peer_address.clone(),
            client_address: self.client_address.clone(),
            level: self.level,
        }
    }
}

pub(super) fn response(answer: Result<Welcome, Fault>) -> wire::JoinResponse {
    match answer {
        Err(fault) => {
            wire::JoinResponse { refusal: Some(refusal(&fault)), ..wire::JoinResponse::default() }
        }
        Ok(welcome) => {
            let known = |(node, peer_address): (NodeId, String)| wire::KnownNode {
                node: node.get(),
                peer_address,
            };
            wire::JoinResponse {
                refusal: None,
                node: welcome.node.get(),
                cluster: Bytes::copy_from_slice(&welcome.cluster.0.to_be_bytes()),
                members: welcome.members.into_iter().map(known).collect(),
            }
        }
    }
}

/// Asks the member at `address` for a place.
///
/// # Errors
/// What the member says ([`super::Admission::introduce`]), or `Timeout` where it cannot be reached.
pub(crate) async fn ask(
    address: &str,
    applicant: &Applicant,
    tls: Option<&tls::Dial>,
) -> Result<Welcome, Fault> {
    let unreached = |why: String| Fault::new(Code::Timeout, format!("{address}: {why}"));
    let channel = connect::connect(address, &Limits::default(), tls).await?;
    let mut client = PeerClient::new(channel);
    let answer = timeout(ANSWER, client.join(applicant.to_wire()))
        .await
        .map_err(|_| unreached("it does not answer".into()))?
        .map_err(|status| fault_of(&status))?
        .into_inner();
    if let Some(told) = answer.refusal {
        return Err(fault(told));
    }
    let cluster = <[u8; 16]>::try_from(&answer.cluster[..]).map(u128::from_be_bytes);
    let members = answer.members.into_iter();
    let members: Vec<_> =
        members.map(|known| (NodeId(known.node), known.peer_address)).take(MEMBERS).collect();
    match cluster {
        Ok(cluster) if answer.node != 0 && !members.is_empty() => {
            Ok(Welcome { node: NodeId(answer.node), cluster: ClusterId(cluster), members })
        }
        _ => {
            Err(Fault::new(Code::InvalidArgument, format!("{address} answers what makes no sense")))
        }
    }
}
