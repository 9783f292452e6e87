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
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// A few that are found fast, for every change.
    #[arg(long)]
    smoke: bool,
}

/// What `--smoke` shows: each is found in seconds.
const SMOKE: [&str; 18] = [
    "ack_before_sync",
    "forget_votes",
    "read_without_index",
    "cut_before_persist",
    "commit_covers_applied",
    "unique_reads",
    "durable_conf_changes",
    "epoch_unchecked",
    "routes_unchecked",
    "forget_jump",
    "retry_sync",
    "cut_at_damage",
    "start_without_data",
    "forget_beats",
    "grant_anyway",
    "hold_for_ever",
    "listen_late",
    "forget_indexes",
];

/// What no world shows, and why. The crates whose rules these are have a test for each.
const EXCUSED: [(&str, &str); 3] = [
    (
        "ordered_persists",
        "no honest leader brings back a tail that another overwrote before it hears of that, and the \
         answer that would tell it waits for the same disk",
    ),
    (
        "commit_with_entries",
        "two changes of the peers, a crash of one who knows of both and not that the first is committed, and \
         a partition along that line: one seed of about four thousand of `placement` (3916 before the mend)",
    ),
    (
        "wake_when_node_back",
        "saves time only: who is back asks for votes, and that wakes the group; learners, who do not \
         ask, live in no world of whole nodes yet",
    ),
];

/// The first thing wrong with a run of a mutant. Where the oracles have nothing to say, a second run
/// must at least be the same.
fn examine(plan: Plan) -> Option<&'static str> {
    let first = run(plan);
    if let Some(failure) = first.failure {
        return Some(failure.oracle);
    }
    let is_random = plan.mutant == Some(Mutant::Guard("seeded_timeouts"));
    (is_random && run(plan).trace_hash != first.trace_hash).then_some("same seed, same trace")
}

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
        let excuse = EXCUSED.iter().find(|(excused, _)| *excused == name);
        let seeds = if excuse.is_some() { options.seeds.min(60) } else { options.seeds };
        let found = (1..=seeds).find_map(|seed| {
            let scenario = mutant.world().unwrap_or(Scenario::of_seed(seed));
            let plan = Plan { mutant: Some(mutant), ..Plan::of(seed, scenario) };
            examine(plan).map(|oracle| (seed, scenario, oracle))
        });
        let seconds = began.elapsed().as_secs_f64();
        match (found, excuse) {
            (Some((seed, scenario, oracle)), _) => {
                let scenario = scenario.name();
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
