//! A hunter that never catches anything proves nothing: what is broken on purpose must be found.

use std::time::Instant;

use anyhow::bail;
use sim::{Mutant, Plan, Scenario, run};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this one.
    #[arg(long)]
    mutant: Option<String>,
    /// Seeds to try before a mutant counts as missed.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// A few that are found fast, for every change.
    #[arg(long)]
    smoke: bool,
}

/// What `--smoke` shows.
const SMOKE: [&str; 4] =
    ["ack_before_sync", "forget_votes", "read_without_index", "ordered_persists"];

/// What need not be found here, and why.
const EXCUSED: [(&str, &str); 0] = [];

pub(crate) fn hunt(options: &Options) -> anyhow::Result<()> {
    let wanted = |name: &str| match &options.mutant {
        Some(only) => only == name,
        None => !options.smoke || SMOKE.contains(&name),
    };
    let all: Vec<_> = Mutant::all().into_iter().filter(|(name, _)| wanted(name)).collect();
    if all.is_empty() {
        let known: Vec<_> = Mutant::all().into_iter().map(|(name, _)| name).collect();
        bail!("no such mutant; there are {}", known.join(", "));
    }
    let mut missed = Vec::new();
    println!("{:<26} {:<8} found by", "mutant", "seed");
    for (name, mutant) in all {
        let began = Instant::now();
        let found = (1..=options.seeds).find_map(|seed| {
            let scenario = Scenario::of_seed(seed);
            let report = run(Plan { seed, scenario, mutant: Some(mutant), trace: false });
            report.failure.map(|failure| (seed, scenario, failure))
        });
        let seconds = began.elapsed().as_secs_f64();
        match (found, EXCUSED.iter().find(|(excused, _)| *excused == name)) {
            (Some((seed, scenario, failure)), _) => {
                let (oracle, scenario) = (failure.oracle, scenario.name());
                println!("{name:<26} {seed:<8} {oracle} ({scenario}, {seconds:.1} s)");
            }
            (None, Some((_, why))) => println!("{name:<26} {:<8} {why}", "-"),
            (None, None) => {
                println!("{name:<26} {:<8} MISSED in {} seeds", "-", options.seeds);
                missed.push(name);
            }
        }
    }
    if !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    Ok(())
}
