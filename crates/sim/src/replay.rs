//! One run again, up to a moment: what happened last, and how everything stands.

use anyhow::bail;
use sim::{Cut, Plan, Report, run};

use crate::hunt::{mutant, scenario};

#[derive(clap::Args)]
pub(crate) struct OneRun {
    /// The seed.
    #[arg(long)]
    seed: u64,
    /// The scenario; the seed's own if it is not said.
    #[arg(long, value_parser = scenario)]
    scenario: Option<sim::Scenario>,
    /// What is broken on purpose.
    #[arg(long)]
    mutant: Option<String>,
    /// Simulated seconds that faults go on, as the hunt was told.
    #[arg(long)]
    faults_s: Option<u64>,
    /// Faults to leave out, by number.
    #[arg(long, value_delimiter = ',')]
    without: Vec<u32>,
    /// Microseconds after which faults end.
    #[arg(long)]
    storm: Option<u64>,
    /// Where to stop, in microseconds; just before the failure if it is not said.
    #[arg(long)]
    until: Option<u64>,
    /// Print all that happened, not only the end of it.
    #[arg(long)]
    trace: bool,
}

impl OneRun {
    /// What is broken on purpose, by name.
    pub(crate) fn mutant_name(&self) -> Option<&str> {
        self.mutant.as_deref()
    }

    /// The whole run.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let mut faults = 0;
        for number in &self.without {
            if *number >= 128 {
                bail!(
                    "only the first 128 faults of a run can be left out, and {number} is none of them"
                );
            }
            faults |= 1_u128 << number;
        }
        let cut = Cut { faults, storm_micros: self.storm, stop_micros: None };
        let scenario = self.scenario.unwrap_or_else(|| sim::Scenario::of_seed(self.seed));
        let mutant = self.mutant.as_deref().map(mutant).transpose().map_err(anyhow::Error::msg)?;
        let storm_micros = self.faults_s.map(|seconds| seconds.saturating_mul(1_000_000));
        Ok(Plan { mutant, cut, storm_micros, ..Plan::of(self.seed, scenario) })
    }
}

pub(crate) fn replay(options: &OneRun) -> anyhow::Result<()> {
    let plan = options.plan()?;
    let until = match options.until {
        Some(until) => until,
        None => {
            let whole = run(plan);
            if let Some(failure) = &whole.failure {
                println!("{}: {}", failure.oracle, failure.detail);
            } else {
                println!("this run does not fail: it is shown at its end");
            }
            whole.micros
        }
    };
    let cut = Cut { stop_micros: Some(until), ..plan.cut };
    let report = run(Plan { cut, trace: options.trace, ..plan });
    show(&report);
    Ok(())
}

fn show(report: &Report) {
    println!("what happened last:");
    for line in &report.lines {
        println!("  {line}");
    }
    let (seconds, micros) = (report.micros / 1_000_000, report.micros % 1_000_000);
    println!("how it stands at {seconds}.{micros:06} s:");
    for line in &report.stands {
        println!("  {line}");
    }
}
