//! Hunts by simulation; the simulator itself is crate `sim`.

use crate::run::{cargo, one_test};

/// What to simulate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Simulated seconds that faults go on in each run.
    #[arg(long)]
    faults_s: Option<u64>,
    /// Only this seed, with `--trace` event by event.
    #[arg(long)]
    seed: Option<u64>,
    /// Print every event.
    #[arg(long)]
    trace: bool,
    /// The scenario; all of them if not given.
    #[arg(long)]
    scenario: Option<String>,
    /// `text`, or `json`: an object per seed and one for all of them.
    #[arg(long)]
    output: Option<String>,
}

/// What the simulator itself is told.
#[derive(clap::Args)]
pub(crate) struct Passed {
    /// Its options: `--seed S --scenario NAME`, and others.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// What to break on purpose.
#[derive(clap::Args)]
pub(crate) struct MutantOptions {
    /// Only this one.
    #[arg(long)]
    mutant: Option<String>,
    /// Seeds to try before a mutant counts as missed.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Only those that are found within seconds.
    #[arg(long)]
    smoke: bool,
}

/// Rules that no seed of the simulator was seen to need, each with the test that is played with the rule
/// and without it, and must fail without.
const TOLD_STEP_BY_STEP: [(&str, &str, &str); 4] = [
    (
        "commit_with_entries",
        "region",
        "commits::no_entry_is_written_without_the_newest_commit_index",
    ),
    (
        "ordered_persists",
        "consensus",
        "rules::pitfall_2_an_older_write_does_not_acknowledge_a_rewritten_tail",
    ),
    (
        "keep_promises",
        "consensus",
        "rules::rule_5_a_voter_keeps_its_promise_to_a_leader_it_was_made_to_forget",
    ),
    (
        "wake_when_node_back",
        "region",
        "sleep::a_group_sleeps_without_a_lost_follower_and_wakes_when_it_is_back",
    ),
];

const SIM: [&str; 7] = ["run", "--quiet", "--profile", "hunt", "--package", "sim", "--"];

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut arguments: Vec<String> = SIM.map(String::from).into();
    arguments.push("run".into());
    match options.seed {
        Some(seed) => {
            arguments.extend(["--first-seed".into(), seed.to_string()]);
            arguments.extend(["--seeds".into(), "1".into()]);
        }
        None => {
            arguments.extend(["--first-seed".into(), options.first_seed.to_string()]);
            arguments.extend(["--seeds".into(), options.seeds.to_string()]);
        }
    }
    if let Some(seconds) = options.faults_s {
        arguments.extend(["--faults-s".into(), seconds.to_string()]);
    }
    if options.trace {
        arguments.push("--trace".into());
    }
    if let Some(output) = &options.output {
        arguments.extend(["--output".into(), output.clone()]);
    }
    if let Some(scenario) = &options.scenario {
        arguments.extend(["--scenario".into(), scenario.clone()]);
    }
    cargo(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(crate) fn pass(command: &str, passed: &Passed) -> anyhow::Result<()> {
    let options = passed.options.iter().map(String::as_str);
    cargo(&SIM.into_iter().chain([command]).chain(options).collect::<Vec<_>>())
}

pub(crate) fn mutants(options: &MutantOptions) -> anyhow::Result<()> {
    let mut arguments: Vec<String> = SIM.map(String::from).into();
    arguments.extend(["mutants".into(), "--seeds".into(), options.seeds.to_string()]);
    if let Some(mutant) = &options.mutant {
        arguments.extend(["--mutant".into(), mutant.clone()]);
    }
    if options.smoke {
        arguments.push("--smoke".into());
    }
    cargo(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    if options.smoke {
        return Ok(());
    }
    for (mutant, package, test) in TOLD_STEP_BY_STEP {
        if options.mutant.as_deref().is_none_or(|only| only == mutant) {
            one_test(package, test)?;
            println!("{mutant:<26} {:<8} its own test: {package} {test}", "-");
        }
    }
    Ok(())
}
