//! The simulator, simulated: a seed names one run for ever, every scenario does what it is for, and
//! what is broken on purpose is found.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod cut;
mod lies;
mod mutants;
mod scenarios;
mod small;

use sim::{Plan, Report, Scenario, run};

fn plan(seed: u64, scenario: Scenario) -> Plan {
    Plan::of(seed, scenario)
}

fn clean(plan: Plan) -> Report {
    let report = run(plan);
    if let Some(failure) = &report.failure {
        panic!("{plan:?}: {}: {}\n{}", failure.oracle, failure.detail, report.lines.join("\n"));
    }
    report
}
