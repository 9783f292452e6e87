use futures::FutureExt;
use futures::future::BoxFuture;
use types::{Code, Fault};

use super::hello::PeerHello;
use super::join::{Applicant, Welcome};

/// What this node knows about the members beyond a handshake's own rules; asked at every handshake,
/// from many threads, and more than once per link. It must not block.
pub trait Admission: Send + Sync {
    /// Whether the node that introduces itself may talk to this one.
    ///
    /// # Errors
    /// `Corrupt` when the member is known with another identity ([`PeerHello::check_identity`]):
    /// its data is gone. `MemberNotFound` when it is not a member. Any other code keeps it off too.
    fn admit(&self, hello: &PeerHello) -> Result<(), Fault>;

    /// A node that was added asks for its place.
    ///
    /// # Errors
    /// `MemberNotFound` when it was not added (yet); `ClusterMismatch` when somebody else came in its
    /// place. Any other code means that it may ask again.
    fn introduce(&self, applicant: Applicant) -> BoxFuture<'static, Result<Welcome, Fault>> {
        let text = format!("{} cannot be let in here", applicant.name);
        async move { Err(Fault::new(Code::Unsupported, text)) }.boxed()
    }

    /// A member of this node's own cluster says that it was removed for good.
    fn dismissed(&self, _why: &Fault) {}
}

/// The rules that need no knowledge of the members: whether `own` and `other` can be of one cluster.
pub(super) fn compatible(own: &PeerHello, other: &PeerHello) -> Result<(), Fault> {
    if other.protocol != own.protocol {
        let detail = format!(
            "{other} speaks peer protocol {}, {own} speaks {}: run the same version on both",
            other.protocol, own.protocol
        );
        return Err(Fault::new(Code::Unsupported, detail));
    }
    match (own.cluster, other.cluster) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            let detail = format!(
                "{other} belongs to cluster {theirs}, {own} to cluster {ours}: one of them has \
                 the wrong peer addresses or data directory"
            );
            return Err(Fault::new(Code::ClusterMismatch, detail));
        }
        (Some(_), Some(_)) => {}
        _ if own.bootstrap != other.bootstrap => {
            let detail = format!(
                "{other} and {own} were started with different initial clusters: give both the \
                 same --initial-cluster"
            );
            return Err(Fault::new(Code::ClusterMismatch, detail));
        }
        _ => {}
    }
    if own.node == other.node {
        let detail = if own.identity == other.identity {
            format!("{} leads back to {own} itself: correct the peers' addresses", own.peer_address)
        } else {
            format!("{other} has the number of {own}: give every node a name of its own")
        };
        return Err(Fault::new(Code::InvalidArgument, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::hello::tests::hello;
    use super::compatible;
    use types::{ClusterId, Code};

    #[test]
    fn only_nodes_that_can_be_of_one_cluster_are_compatible() {
        let own = hello(1, Some(5));
        let code = |other| compatible(&own, &other).err().map(|fault| fault.code);
        assert_eq!(code(hello(2, Some(5))), None);
        assert_eq!(code(hello(2, Some(6))), Some(Code::ClusterMismatch));

        // The initial cluster matters only until both know the cluster.
        let mut elsewhere = hello(2, Some(5));
        elsewhere.bootstrap += 1;
        assert_eq!(code(elsewhere.clone()), None);
        elsewhere.cluster = None;
        assert_eq!(code(elsewhere), Some(Code::ClusterMismatch));
        assert_eq!(code(hello(2, None)), None);

        let mut newer = hello(2, Some(5));
        newer.protocol += 1;
        assert_eq!(code(newer), Some(Code::Unsupported));
        let mut twin = hello(1, Some(5));
        twin.identity += 1;
        assert_eq!(code(twin), Some(Code::InvalidArgument));
        assert_eq!(own.cluster, Some(ClusterId(5)));
    }
}
