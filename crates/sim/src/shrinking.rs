//! Makes a failing seed small, and tells its story.

use anyhow::bail;
use sim::{Plan, Small, run, shrink};

use crate::replay;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    run: replay::OneRun,
    /// Runs to spend at most.
    #[arg(long, default_value_t = 500)]
    runs: u32,
}

/// Lines of the trace that tell the story; the others are steps of nodes that are well.
const TOLD: [&str; 14] = [
    "is now",
    "killed",
    "power cut",
    "cut off from",
    "does not hear",
    "starts",
    "stopped serving",
    "split",
    "installs",
    "leaves",
    "is to lead",
    "calm",
    "has no space",
    "pauses",
];

pub(crate) fn tell(options: &Options) -> anyhow::Result<()> {
    let plan = options.run.plan()?;
    let before = run(plan);
    let Some(small) = shrink(plan, options.runs) else {
        bail!("seed {} of {} does not fail", plan.seed, plan.scenario.name());
    };
    let (left, report) = (small.faults().len(), &small.report);
    println!(
        "faults {} -> {left}, {} -> {} ms, {} -> {} lines, by {} runs",
        before.faults,
        before.micros / 1_000,
        report.micros / 1_000,
        before.trace_lines,
        report.trace_lines,
        small.runs,
    );
    if let Some(failure) = &report.failure {
        println!("{}: {}", failure.oracle, failure.detail);
    }
    let whole = run(Plan { trace: true, ..small.plan });
    for line in whole.lines.iter().filter(|line| TOLD.iter().any(|told| line.contains(told))) {
        println!("  {line}");
    }
    println!("again: {}", command(&small, options.run.mutant_name()));
    Ok(())
}

/// What shows the run again.
fn command(small: &Small, mutant: Option<&str>) -> String {
    let plan = &small.plan;
    let (seed, scenario) = (plan.seed, plan.scenario.name());
    let mut words = format!("cargo xtask replay -- --seed {seed} --scenario {scenario}");
    if let Some(mutant) = mutant {
        words.push_str(&format!(" --mutant {mutant}"));
    }
    if let Some(micros) = plan.storm_micros {
        words.push_str(&format!(" --faults-s {}", micros / 1_000_000));
    }
    let without = (0..128).filter(|number| plan.cut.leaves_out(*number));
    let without: Vec<_> = without.map(|number: u32| number.to_string()).collect();
    if !without.is_empty() {
        words.push_str(&format!(" --without {}", without.join(",")));
    }
    if let Some(storm) = plan.cut.storm_micros {
        words.push_str(&format!(" --storm {storm}"));
    }
    words
}
