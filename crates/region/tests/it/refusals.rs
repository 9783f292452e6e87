use bytes::Bytes;
use consensus::Error;
use region::HostLimits;
use types::{Code, NodeId, RegionId};

use crate::bed::{Bed, REGION};

/// A node that was let into the cluster must not speak for replicas that live elsewhere.
#[test]
fn a_message_is_taken_from_the_node_its_sender_lives_on_and_from_no_other() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[0].hold_writes = true;
    bed.propose(0, "a", 1);
    let output = bed.nodes[0].host.poll();
    let (to, append) = output.messages.into_iter().find(|(to, _)| *to == NodeId(2)).unwrap();
    let at = to.get() as usize - 1;
    let before = bed.nodes[at].host.peer(REGION).unwrap().status();
    for wrong in [NodeId(2), NodeId(3), NodeId(9)] {
        let refused = bed.nodes[at].host.step(wrong, append.clone());
        assert!(matches!(refused, Err(Error::Refused { .. })), "{wrong}: {refused:?}");
    }
    assert_eq!(bed.nodes[at].host.peer(REGION).unwrap().status(), before);
    bed.nodes[at].host.step(NodeId(1), append).unwrap();
    assert_ne!(bed.nodes[at].host.peer(REGION).unwrap().status(), before);
}

#[test]
fn regions_that_are_not_here_are_told_apart_from_those_that_are() {
    let mut bed = Bed::led(3, HostLimits::default());
    let host = &mut bed.nodes[0].host;
    host.propose(RegionId(99), Bytes::from_static(b"x"), 1);
    host.read(RegionId(99), 2, false);
    assert_eq!(host.transfer(RegionId(99), NodeId(2)), Err(Code::RegionNotFound));
    assert_eq!(host.transfer(REGION, NodeId(9)), Err(Code::MemberNotFound));
    assert_eq!(bed.nodes[1].host.transfer(REGION, NodeId(3)), Err(Code::NotLeader));
    bed.run();
    assert_eq!(bed.nodes[0].told.failed, [(1, Code::RegionNotFound)]);
    assert_eq!(bed.nodes[0].told.failed_reads, [(2, Code::RegionNotFound)]);
    bed.propose(1, "at a follower", 3);
    bed.run();
    assert_eq!(bed.nodes[1].told.failed, [(3, Code::NotLeader)]);
}
