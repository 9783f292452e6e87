//! What is written down of how far is committed.

use region::{HostGuards, HostLimits};
use types::Index;

use crate::bed::{Bed, REGION};

/// A follower hears that an entry is committed, and then of another entry: what it knows by then, and what it
/// writes with that one.
fn written_with_the_next_entry(guards: HostGuards) -> (Index, Option<Index>) {
    let mut bed = Bed::led(3, HostLimits { guards, ..HostLimits::default() });
    bed.propose(0, "first", 1);
    bed.tick(4);
    assert_eq!(bed.applied(1), ["first"]);
    let known = bed.nodes[1].host.peer(REGION).unwrap().status().applied;
    bed.nodes[1].hold_writes = true;
    bed.propose(0, "second", 2);
    bed.run();
    let writes = &bed.nodes[1].held_writes;
    let write = writes.iter().find(|write| write.region == REGION && !write.entries.is_empty());
    (known, write.unwrap().hard_state.map(|state| state.commit))
}

/// A change of the peers is in a log only once the one before it is committed. Whoever has both, and
/// restarts, must know that: else it stands for election by the peers of two changes ago, among whom a
/// majority may be that has none of the majority of now (seed 3916 of the simulator's world `placement`).
#[test]
fn no_entry_is_written_without_the_newest_commit_index() {
    let (known, written) = written_with_the_next_entry(HostGuards::default());
    assert!(written >= Some(known), "{written:?}, and {known} was known");
    let unguarded = HostGuards::without("commit_with_entries").unwrap();
    let (known, written) = written_with_the_next_entry(unguarded);
    assert!(written < Some(known), "else this would show nothing");
}
