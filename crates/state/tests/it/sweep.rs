//! What is taken to be removed belongs to the compaction that was looked at.

use state::command::Command;
use state::request::PutRequest;
use types::{Garbage as _, RegionId, Revision};

use crate::replica::Replica;

#[test]
fn a_sweep_is_of_the_compaction_that_was_asked_about() {
    let mut replica = Replica::new(RegionId::DEFAULT);
    for _ in 0..10 {
        replica.apply(None, Command::Put(PutRequest { key: "k".into(), ..PutRequest::default() }));
    }
    replica.write();
    let look = |replica: &mut Replica, revision: i64| {
        replica.apply(None, Command::Compact { revision: Revision(revision) });
        replica.write();
        assert!(!replica.machine.scavenge(&replica.engine, usize::MAX).unwrap());
        replica.machine.wants_sweep(true)
    };
    assert_eq!(look(&mut replica, 5), Some(Revision(5)));
    // Another compaction came while somebody looked whether the first is durable.
    assert_eq!(look(&mut replica, 9), Some(Revision(9)));
    assert!(replica.machine.take_sweep(Revision(5)).is_none());
    assert_eq!(replica.machine.scavenged(), Revision(0), "nothing was taken");
    let sweep = replica.machine.take_sweep(Revision(9)).unwrap();
    assert_eq!(sweep.count(), 7);
    assert_eq!(replica.machine.wants_sweep(true), None, "one at a time");
    replica.machine.swept(&sweep);
    assert_eq!(replica.machine.scavenged(), Revision(9));
}
