use sim::{Mutant, Plan, Scenario, run};

/// The oracle that finds the mutant, within a few seeds.
fn found(name: &str, scenario: Scenario) -> &'static str {
    found_within(40, name, scenario)
}

fn found_within(seeds: u64, name: &str, scenario: Scenario) -> &'static str {
    let mutant = Mutant::named(name);
    assert!(mutant.is_some(), "no mutant {name}");
    let failure = (1..=seeds).find_map(|seed| {
        run(Plan { mutant, ..Plan::of(seed, scenario) }).failure.map(|failure| failure.oracle)
    });
    failure.unwrap_or_else(|| panic!("{name} was not found"))
}

#[test]
fn what_is_broken_on_purpose_is_found_by_the_oracle_that_is_there_for_it() {
    let _quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    assert_eq!(found("forget_votes", Scenario::SingleGroup), "durable promise");
    assert_eq!(found("cut_at_damage", Scenario::SingleGroup), "recovery");
    assert_eq!(found("start_without_data", Scenario::SingleGroup), "recovery");
    assert_eq!(found("read_without_index", Scenario::SingleGroup), "real time");
    assert_eq!(found("forget_sessions", Scenario::SingleGroup), "exactly once");
    assert_eq!(found("cut_before_persist", Scenario::SingleGroup), "restart");
    assert_eq!(found("sweep_before_durable", Scenario::SingleGroup), "state machine safety");
    assert_eq!(found("unique_reads", Scenario::SingleGroup), "liveness");
    assert_eq!(found("durable_conf_changes", Scenario::Membership), "durable changes");
    assert_eq!(found("vote_before_appends", Scenario::Membership), "durable promises");
    assert_eq!(found("lease_from_answer", Scenario::Membership), "lease safety");
    assert_eq!(found_within(60, "keep_promises", Scenario::Membership), "lease safety");
    assert_eq!(found("forget_beats", Scenario::Registry), "no live instance is lost");
    assert_eq!(found("grant_anyway", Scenario::Registry), "one holder at a time");
    assert_eq!(found("expire_where_led", Scenario::Registry), "state machine safety");
    assert_eq!(found("hold_for_ever", Scenario::Registry), "nobody dead is kept");
    assert_eq!(found("listen_late", Scenario::Registry), "wake-ups");
    assert_eq!(found("forget_indexes", Scenario::Registry), "answers and their index");
    assert_eq!(found("routes_unchecked", Scenario::Split), "real time");
    assert_eq!(found("ground_unchecked", Scenario::Split), "state machine safety");
    // A power cut then takes away what was promised: many oracles may see it first, any of them.
    assert_ne!(found("ack_before_sync", Scenario::Snapshots), "liveness");
}
