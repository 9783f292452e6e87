use sim::{Counts, Plan, Scenario, run};

use crate::{clean, plan};

fn runs(scenario: Scenario, seeds: core::ops::Range<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        counts.add(&clean(plan(seed, scenario)).counts);
    }
    counts
}

/// What no world may do without.
fn expect_storm(counts: &Counts) {
    let Counts { elections, kills, power_cuts, partitions, one_way_partitions, .. } = *counts;
    assert!(elections > 4 && kills > 0 && power_cuts > 0, "{counts:?}");
    assert!(partitions > 0 && one_way_partitions > 0, "{counts:?}");
    assert!(counts.packets_dropped > 0 && counts.packets_doubled > 0, "{counts:?}");
    assert!(counts.batches_lost > 0 && counts.answers_lost > 0, "{counts:?}");
    assert!(counts.writes > 500 && counts.reads > 200 && counts.retries > 20, "{counts:?}");
    assert!(counts.histories > 4 && counts.undecided == 0, "{counts:?}");
}

#[test]
fn the_same_seed_twice_gives_equal_traces_byte_for_byte() {
    for scenario in Scenario::ALL {
        let traced = Plan { trace: true, ..plan(7, scenario) };
        let (first, second) = (run(traced), run(traced));
        assert!(first.lines.len() > 5_000, "{scenario:?}: {} lines", first.lines.len());
        assert_eq!(first.lines, second.lines, "{scenario:?}");
        assert_eq!(first.trace_hash, second.trace_hash);
        assert_eq!(first.trace_hash, run(plan(7, scenario)).trace_hash, "keeping it changed it");
        assert_ne!(first.trace_hash, run(plan(8, scenario)).trace_hash, "the seed decides nothing");
    }
}

#[test]
fn one_group_survives_its_storms() {
    let counts = runs(Scenario::SingleGroup, 1..8);
    expect_storm(&counts);
    assert!(counts.watch_events > 5_000 && counts.watches > 100, "{counts:?}");
    assert!(
        counts.full_disks + counts.read_only_disks > 0 && counts.stops_for_disk > 0,
        "{counts:?}"
    );
    assert!(counts.misrouted > 50 && counts.lease_reads > 500, "{counts:?}");
    assert!(counts.leases_expired > 0 && counts.failed_syncs > 0, "{counts:?}");
}

#[test]
fn regions_that_come_to_be_in_a_storm_survive_it() {
    let counts = runs(Scenario::ManyGroups, 1..5);
    expect_storm(&counts);
    assert!(counts.elections > 20, "four keyspaces elect, each for itself: {counts:?}");
}

#[test]
fn followers_that_fall_behind_a_short_log_get_snapshots() {
    let counts = runs(Scenario::Snapshots, 1..6);
    expect_storm(&counts);
    assert!(counts.log_cuts > 50 && counts.snapshots_installed > 3, "{counts:?}");
    assert!(counts.snapshots_broken > 0 && counts.chunks_corrupted > 0, "{counts:?}");
    assert!(counts.watches_compacted > 0, "{counts:?}");
}

#[test]
fn groups_that_sleep_wake_for_whoever_wants_something() {
    let counts = runs(Scenario::Sleepers, 1..6);
    assert!(counts.sleeps > 100 && counts.wakes > 300 && counts.asleep_ticks > 2_000, "{counts:?}");
    assert!(counts.writes > 300 && counts.lease_reads > 8, "{counts:?}");
}

#[test]
fn a_registry_survives_its_storms() {
    let counts = runs(Scenario::Registry, 1..8);
    let Counts { losses, removals, sessions_ended, passed_over, held_back, .. } = counts;
    assert!(losses > 50 && removals > 20 && sessions_ended > 20 && held_back > 20, "{counts:?}");
    assert!(
        counts.beats > 2_000 && counts.mends > 20 && counts.session_renewals > 300,
        "{counts:?}"
    );
    assert!(counts.locks > 100 && counts.locks_delayed > 30, "{counts:?}");
    assert!(counts.waits_answered > 400 && passed_over + counts.stood_still > 0, "{counts:?}");
}

#[test]
fn regions_that_split_in_a_storm_lose_and_repeat_nothing() {
    let counts = runs(Scenario::Split, 1..7);
    expect_storm(&counts);
    assert!(counts.splits > 80 && counts.snapshots_installed > 20, "{counts:?}");
    assert!(counts.log_cuts > 50 && counts.swaps > 2_000, "{counts:?}");
}

#[test]
fn regions_that_move_in_a_storm_lose_and_repeat_nothing() {
    let counts = runs(Scenario::Placement, 1..30);
    expect_storm(&counts);
    assert!(counts.conf_changes > 450 && counts.joint_changes > 150, "{counts:?}");
    assert!(counts.regions_left > 150 && counts.farewells_again > 0, "{counts:?}");
    assert!(counts.splits > 90 && counts.snapshots_installed > 150, "{counts:?}");
    assert!(counts.far > 3_000, "{counts:?}");
}

#[test]
fn a_group_whose_peers_change_all_the_time_survives_its_storms() {
    let counts = runs(Scenario::Membership, 1..40);
    let Counts { elections, conf_changes, kills, power_cuts, bridges, rings, .. } = counts;
    assert!(elections > 200 && conf_changes > 400 && kills > 0 && power_cuts > 0, "{counts:?}");
    assert!(bridges > 0 && rings > 0 && counts.transfers > 20, "{counts:?}");
    assert!(counts.snapshots_installed > 40 && counts.log_cuts > 400, "{counts:?}");
    assert!(counts.writes > 10_000 && counts.reads > 5_000, "{counts:?}");
    assert!(counts.lease_reads > 2_000, "{counts:?}");
}
