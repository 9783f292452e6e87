use core::fmt;

use bytes::Bytes;
use prost::Message;
use proto::peer as wire;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};
use types::{ClusterId, Code, Fault, NodeId};

use crate::identity::Identity;

/// The version of the protocol between nodes.
pub const PROTOCOL: u32 = 1;
/// Where a hello travels beside a stream.
const METADATA: &str = "hiraeth-hello-bin";
/// Bytes of a name or an address.
pub(super) const TEXT_BYTES: usize = 512;

/// A node as it introduces itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerHello {
    /// The version of the protocol it speaks.
    pub protocol: u32,
    /// Its cluster, once it knows.
    pub cluster: Option<ClusterId>,
    /// The hash of the initial cluster it was first started with.
    pub bootstrap: u128,
    /// Its number.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its data directory's identity; never 0.
    pub identity: u128,
    /// Where peers reach it, `host:port`.
    pub peer_address: String,
    /// Where clients reach it, `host:port`; may be empty.
    pub client_address: String,
    /// Whether it has data of a cluster that was already formed.
    pub bootstrapped: bool,
    /// Up to which level it knows what goes through logs (ADR 18).
    pub level: u32,
}

impl fmt::Display for PeerHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} ({} at {})", self.name, self.node, self.peer_address)
    }
}

impl PeerHello {
    /// The rule for a member that is known with identity `known` (0: not met yet).
    ///
    /// # Errors
    /// `Corrupt` when the node comes with another one.
    pub fn check_identity(&self, known: u128) -> Result<(), Fault> {
        if known == 0 || known == self.identity {
            return Ok(());
        }
        let detail = format!(
            "{self} was a member with other data, and that is gone: remove it from the cluster \
             and add it again"
        );
        Err(Fault::new(Code::Corrupt, detail))
    }

    pub(super) fn of(
        identity: &Identity,
        (peer_address, client_address): (&str, &str),
        level: u32,
    ) -> Self {
        let cluster = identity.cluster();
        Self {
            protocol: PROTOCOL,
            cluster,
            bootstrap: identity.bootstrap(),
            node: identity.node(),
            name: identity.name().to_owned(),
            identity: identity.identity(),
            peer_address: peer_address.to_owned(),
            client_address: client_address.to_owned(),
            bootstrapped: cluster.is_some(),
            level,
        }
    }

    pub(super) fn to_wire(&self) -> wire::Hello {
        let bytes = |number: u128| Bytes::copy_from_slice(&number.to_be_bytes());
        wire::Hello {
            protocol: self.protocol,
            cluster: self.cluster.map(|cluster| bytes(cluster.0)).unwrap_or_default(),
            bootstrap: bytes(self.bootstrap),
            node: self.node.get(),
            name: self.name.clone(),
            identity: bytes(self.identity),
            peer_address: self.peer_address.clone(),
            client_address: self.client_address.clone(),
            bootstrapped: self.bootstrapped,
            level: self.level,
        }
    }

    pub(super) fn from_wire(hello: Option<wire::Hello>) -> Result<Self, Fault> {
        let bad = |what: &str| Fault::new(Code::InvalidArgument, format!("hello: bad {what}"));
        let hello = hello.ok_or_else(|| bad("message, there is none"))?;
        let number = |bytes: &Bytes, what| {
            <[u8; 16]>::try_from(&bytes[..]).map(u128::from_be_bytes).map_err(|_| bad(what))
        };
        for text in [&hello.name, &hello.peer_address, &hello.client_address] {
            // It goes into logs: no line breaks, no terminal controls.
            if text.len() > TEXT_BYTES || text.chars().any(char::is_control) {
                return Err(bad("name or address"));
            }
        }
        let cluster = if hello.cluster.is_empty() {
            None
        } else {
            Some(ClusterId(number(&hello.cluster, "cluster")?))
        };
        let decoded = Self {
            protocol: hello.protocol,
            cluster,
            bootstrap: number(&hello.bootstrap, "bootstrap")?,
            node: NodeId(hello.node),
            name: hello.name,
            identity: number(&hello.identity, "identity")?,
            peer_address: hello.peer_address,
            client_address: hello.client_address,
            bootstrapped: hello.bootstrapped,
            level: hello.level,
        };
        if decoded.node.get() == 0 || decoded.identity == 0 {
            return Err(bad("node or identity, it is 0"));
        }
        Ok(decoded)
    }

    /// Puts the hello beside a stream.
    pub(super) fn attach(&self, metadata: &mut MetadataMap) {
        let value = MetadataValue::from_bytes(&self.to_wire().encode_to_vec());
        metadata.insert_bin(METADATA, value);
    }

    /// Takes the hello from beside a stream.
    pub(super) fn detach(metadata: &MetadataMap) -> Result<Self, Fault> {
        let bad = |detail: String| Fault::new(Code::InvalidArgument, detail);
        let value = metadata.get_bin(METADATA).ok_or_else(|| bad("no hello".into()))?;
        let bytes = value.to_bytes().map_err(|error| bad(format!("hello: {error}")))?;
        let hello = wire::Hello::decode(bytes).map_err(|error| bad(format!("hello: {error}")))?;
        Self::from_wire(Some(hello))
    }
}

pub(super) fn refusal(fault: &Fault) -> wire::Refusal {
    wire::Refusal { code: fault.code as u32, detail: fault.to_string() }
}

pub(super) fn fault(refusal: wire::Refusal) -> Fault {
    let code = u8::try_from(refusal.code).ok().and_then(Code::from_u8).unwrap_or(Code::Internal);
    Fault::new(code, refusal.detail)
}

/// A refused stream; the fault travels whole in the details.
pub(super) fn status(fault: &Fault) -> Status {
    let details = Bytes::from(refusal(fault).encode_to_vec());
    Status::with_details(tonic::Code::FailedPrecondition, fault.to_string(), details)
}

/// The fault in a status: what [`status`] put there, or that the call failed.
pub(super) fn fault_of(status: &Status) -> Fault {
    match wire::Refusal::decode(status.details()) {
        Ok(told) if told.code != 0 => fault(told),
        _ => Fault::new(Code::Timeout, status.message()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{PROTOCOL, PeerHello, fault_of, status, wire};
    use tonic::metadata::MetadataMap;
    use types::{ClusterId, Code, Fault, NodeId};

    pub(in super::super) fn hello(node: u64, cluster: Option<u128>) -> PeerHello {
        PeerHello {
            protocol: PROTOCOL,
            cluster: cluster.map(ClusterId),
            bootstrap: 7,
            node: NodeId(node),
            name: format!("n{node}"),
            identity: 100 + u128::from(node),
            peer_address: format!("127.0.0.1:{node}"),
            client_address: String::new(),
            bootstrapped: cluster.is_some(),
            level: 2,
        }
    }

    #[test]
    fn a_hello_beside_a_stream_comes_back() {
        for sent in [hello(3, None), hello(4, Some(9))] {
            let mut metadata = MetadataMap::new();
            sent.attach(&mut metadata);
            assert_eq!(PeerHello::detach(&metadata), Ok(sent));
        }
        assert!(PeerHello::detach(&MetadataMap::new()).is_err());
    }

    /// Of a build from before levels, which is not taken for one that knows the first.
    #[test]
    fn a_hello_without_a_level_has_none() {
        let old = wire::Hello { level: 0, ..hello(3, Some(9)).to_wire() };
        assert_eq!(PeerHello::from_wire(Some(old)).unwrap().level, 0);
    }

    #[test]
    fn hellos_that_no_node_sends_are_refused() {
        let good = hello(3, Some(9)).to_wire();
        let mut no_node = good.clone();
        no_node.node = 0;
        let mut short = good.clone();
        short.identity.truncate(15);
        let mut long = good.clone();
        long.name = "x".repeat(513);
        let mut control = good;
        control.name = "a\nWARN forged".into();
        for bad in [Some(no_node), Some(short), Some(long), Some(control), None] {
            assert_eq!(PeerHello::from_wire(bad).unwrap_err().code, Code::InvalidArgument);
        }
    }

    #[test]
    fn a_refusal_crosses_as_a_status() {
        let told = Fault::new(Code::ClusterMismatch, "other cluster");
        assert_eq!(fault_of(&status(&told)), told);
        assert_eq!(fault_of(&tonic::Status::unavailable("gone")).code, Code::Timeout);
    }
}
