//! Splitting a region in two: a change of who owns which keys, and nothing else.

use bytes::Bytes;
use types::{Code, ConfState, Epoch, Fault, KeyRange, KeyspaceId, PeerId, RegionId, Revision};

use super::{Shape, Sharded};
use crate::Machine;
use crate::applied::Applied;
use crate::machine::Kind;
use crate::response::Response;

/// A region was split.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    /// The keyspace of both.
    pub keyspace: KeyspaceId,
    /// The region that took the keys from `at` on.
    pub child: RegionId,
    /// What the child owns.
    pub range: KeyRange,
    /// The epoch of both from here on, but for the replicas' part of it.
    pub version: u64,
    /// The revision the parent was at, and the child goes on from.
    pub revision: Revision,
}

/// What the command says.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) at: &'a Bytes,
    pub(crate) child: RegionId,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
}

/// A new region's replicas live where those of `parent` do. Numbers are unique within a region, and this
/// one had no replicas before.
fn replicas_of(parent: &ConfState) -> ConfState {
    let on = |peers: &[PeerId]| peers.iter().map(|peer| PeerId::on(peer.node(), 0)).collect();
    let conf = ConfState {
        voters: on(&parent.voters),
        learners: on(&parent.learners),
        ..ConfState::default()
    };
    conf.sorted()
}

impl Machine {
    /// Gives the keys from `at` on to a new region, whose machine [`Self::take_child`] answers. Everything
    /// of it follows from the log, but for its records: whoever applies the log has them written, or not if
    /// the region is here already.
    pub(crate) fn split(&mut self, order: Order<'_>) -> Result<(Response, Split), Fault> {
        let applied = self.applied.clone();
        let Kind::Sharded(own) = &mut self.kind else {
            return Err(Fault::new(Code::Unsupported, "this keyspace is not sharded"));
        };
        let Some(shape) = &mut own.shape else { return Err(Code::RegionNotFound.into()) };
        if !shape.range.contains(order.at) || *order.at == shape.range.start {
            return Err(Fault::new(Code::InvalidArgument, "the key lies not inside of the region"));
        }
        let peers = &applied.conf_state;
        if !peers.voters_outgoing.is_empty() || !peers.learners_next.is_empty() {
            // The new region would be in the middle of the change, too.
            let detail = "the region's replicas are changing; the split waits for that";
            return Err(Fault::new(Code::TooManyRequests, detail));
        }
        // A copy: what comes out of the log is part of a whole frame.
        let at = Bytes::copy_from_slice(order.at);
        let range = KeyRange { start: at.clone(), end: shape.range.end.take() };
        shape.range.end = Some(at);
        let (keys, bytes) = (order.keys.min(shape.keys), order.bytes.min(shape.bytes));
        (shape.keys, shape.bytes) = (shape.keys - keys, shape.bytes - bytes);
        let version = applied.epoch.version + 1;
        let (keyspace, revision) = (shape.keyspace, own.revision);
        let born = Shape { keyspace, range: range.clone(), born: applied.index, keys, bytes };
        let child = Self::born(
            order.child,
            Applied {
                conf_state: replicas_of(peers),
                epoch: Epoch { version, conf_ver: 1 },
                ..applied
            },
            Sharded::new(Some(born), revision),
            self.sessions.for_child(),
        );
        own.child = Some(Box::new(child));
        self.applied.epoch.version = version;
        Ok((Response::Done, Split { keyspace, child: order.child, range, version, revision }))
    }

    /// The machine of the region that the last split made: to be finished into the same batch, if the
    /// region is not here yet.
    pub fn take_child(&mut self) -> Option<Box<Self>> {
        match &mut self.kind {
            Kind::Sharded(own) => own.child.take(),
            _ => None,
        }
    }

    /// What the region owns, where it is one of a sharded keyspace and has a state.
    #[must_use]
    pub fn shape(&self) -> Option<&Shape> {
        match &self.kind {
            Kind::Sharded(own) => own.shape.as_ref(),
            _ => None,
        }
    }

    /// Whether the region is one of a sharded keyspace.
    #[must_use]
    pub fn is_sharded(&self) -> bool {
        matches!(self.kind, Kind::Sharded(_))
    }

    /// Has commands carried out whosever their keys are, for a test that shows that this is noticed.
    #[doc(hidden)]
    pub fn trust_routes(&mut self) {
        if let Kind::Sharded(own) = &mut self.kind {
            own.checked = false;
        }
    }
}
