use sim::{Cut, Mutant, Plan, SWARMS_FROM, Scenario, run, shrink};

use crate::clean;

#[test]
fn a_failing_seed_is_made_small_and_the_small_one_fails_alike_every_time() {
    let mutant = Mutant::named("ack_before_sync");
    let failing = (1..200).map(|seed| Plan { mutant, ..Plan::of(seed, Scenario::Sleepers) });
    // One that had seen some faults by then: of two there is little to leave out.
    let is_long = |plan: &Plan| {
        let report = run(*plan);
        report.failure.is_some() && report.faults > 12
    };
    let plan = failing.into_iter().find(is_long).unwrap();
    let before = run(plan);
    let small = shrink(plan, 200).unwrap();
    let (faults, oracle) = (small.faults(), before.failure.unwrap().oracle);
    let few = usize::try_from(before.faults).unwrap() / 2;
    assert!((1..=few).contains(&faults.len()), "{faults:?} of {}", before.faults);
    let again = run(small.plan);
    assert_eq!(again.failure.unwrap().oracle, oracle);
    assert_eq!(again.trace_hash, small.report.trace_hash);
    // Stopped just before, it shows how it came to that.
    let cut = Cut { stop_micros: Some(again.micros), ..small.plan.cut };
    let stopped = run(Plan { cut, ..small.plan });
    assert_eq!(stopped.failure, None);
    assert!(stopped.stands.iter().any(|line| line.contains("in term")), "{:?}", stopped.stands);
}

#[test]
fn what_does_not_fail_is_not_made_small() {
    assert!(shrink(Plan::of(1, Scenario::Membership), 10).is_none());
}

#[test]
fn swarms_survive_the_faults_they_have_and_have_others_not() {
    let mut without_kills = 0;
    for seed in SWARMS_FROM..SWARMS_FROM + 8 {
        let counts = clean(Plan::of(seed, Scenario::SingleGroup)).counts;
        assert!(counts.writes > 50, "{counts:?}");
        without_kills += u64::from(counts.kills == 0);
    }
    assert!((1..8).contains(&without_kills), "{without_kills} of 8 without kills");
}
