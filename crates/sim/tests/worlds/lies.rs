//! Disks that lie: every kind happens, is refused where it counts, and a new node takes the place of who was
//! lost, in worlds with a directory and without.

use sim::{Counts, Scenario};

use crate::{clean, plan};

fn runs(scenario: Scenario, seeds: core::ops::Range<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        counts.add(&clean(plan(seed, scenario)).counts);
    }
    counts
}

#[test]
fn every_lie_of_a_disk_is_found_or_hurts_nobody() {
    let counts = runs(Scenario::SingleGroup, 1_000..1_016);
    let Counts { flips, misdirected, stale_reads, lost_names, lost_disks, stalls, .. } = counts;
    let each = [flips, misdirected, stale_reads, lost_names, lost_disks, stalls];
    assert!(each.into_iter().all(|count| count > 0), "{counts:?}");
    let lies = flips + misdirected + stale_reads + lost_names + lost_disks;
    let ends = counts.refused_starts + counts.harmless_lies;
    assert_eq!(lies, ends, "one of them was neither refused nor harmless: {counts:?}");
    assert!(counts.refused_starts - counts.replaced <= stale_reads, "{counts:?}");
    assert!(counts.replaced > 8 && counts.whole_again > 5, "{counts:?}");
}

#[test]
fn lost_nodes_are_followed_by_new_ones_through_the_directory() {
    for scenario in [Scenario::ManyGroups, Scenario::Split, Scenario::Placement] {
        let counts = runs(scenario, 2_000..2_005);
        assert!(counts.replaced > 1 && counts.whole_again > 0, "{scenario:?}: {counts:?}");
        assert!(counts.conf_changes > 3 * counts.replaced, "{scenario:?}: {counts:?}");
    }
}
