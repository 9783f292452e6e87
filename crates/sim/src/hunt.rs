//! Running seeds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sim::{Counts, Plan, Report, Scenario, run};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// The scenario; without it the seeds take turns among all of them.
    #[arg(long, value_parser = scenario)]
    scenario: Option<Scenario>,
    /// Simulated seconds that faults go on in each run, if not 18 (16 of `membership`); calm follows.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    faults_s: Option<u64>,
    /// Without the seeds that failed once, which run first otherwise.
    #[arg(long)]
    fresh: bool,
    /// Go on after a seed that fails; all of them are named at the end.
    #[arg(long)]
    keep_going: bool,
    /// Print every line of every trace.
    #[arg(long)]
    trace: bool,
    /// Text, or one JSON object per seed and one for all of them at the end.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Run each seed so many times, and fail if one of its traces is another one than the first.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Break this on purpose.
    #[arg(long, value_parser = mutant)]
    mutant: Option<sim::Mutant>,
}

/// How it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn scenario(name: &str) -> Result<Scenario, String> {
    let known = Scenario::ALL.map(Scenario::name).join(", ");
    Scenario::named(name).ok_or_else(|| format!("one of {known}"))
}

pub(crate) fn mutant(name: &str) -> Result<sim::Mutant, String> {
    sim::Mutant::named(name).ok_or_else(|| "see `sim mutants`".to_owned())
}

/// Seeds that failed once, run before all others: lines `seed scenario commit story`, or `seed@N scenario
/// ...` where faults go on for N seconds.
fn remembered() -> anyhow::Result<Vec<Plan>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sim/seeds.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let (seed, seconds) = match first.split_once('@') {
            Some((seed, seconds)) => (seed, Some(seconds.parse::<u64>().context("seed@seconds")?)),
            None => (first, None),
        };
        let scenario = words.next().and_then(Scenario::named);
        let both = seed.parse().ok().zip(scenario);
        let (seed, scenario) =
            both.with_context(|| format!("a line of sim/seeds.txt: {line:?}"))?;
        let storm_micros = seconds.map(|seconds| seconds * 1_000_000);
        found.push(Plan { storm_micros, ..Plan::of(seed, scenario) });
    }
    Ok(found)
}

/// Everything so far.
struct Tally {
    began: Instant,
    told: Instant,
    runs: u64,
    /// Runs that were made once more, with an equal trace.
    repeated: u64,
    micros: u64,
    counts: Counts,
}

pub(crate) fn hunt(options: &Options) -> anyhow::Result<()> {
    let now = Instant::now();
    let mut tally =
        Tally { began: now, told: now, runs: 0, repeated: 0, micros: 0, counts: Counts::default() };
    let last = options.first_seed.saturating_add(options.seeds);
    let chosen = |seed| options.scenario.unwrap_or_else(|| Scenario::of_seed(seed));
    let usual =
        Plan { mutant: options.mutant, trace: options.trace, ..Plan::of(0, Scenario::Split) };
    let storm_micros = options.faults_s.map(|seconds| seconds * 1_000_000);
    let fresh = (options.first_seed..last).map(|seed| {
        let scenario = chosen(seed);
        Plan { seed, scenario, storm_micros, ..usual }
    });
    // Those of before are stories as long as they were.
    let mut plans = Vec::new();
    if options.seeds > 1 && options.mutant.is_none() && !options.fresh {
        plans.extend(remembered()?);
        plans.retain(|plan| options.scenario.is_none_or(|wanted| wanted == plan.scenario));
    }
    let remembered = plans.into_iter().map(|plan| Plan { trace: options.trace, ..plan });
    let mut failed = Vec::new();
    for plan in remembered.chain(fresh) {
        let report = run(plan);
        tally.take(&report);
        for _ in 1..options.repeat {
            let again = run(plan);
            tally.take(&again);
            same_trace(plan, &report, &again)?;
            tally.repeated += 1;
        }
        show(options, plan, &report);
        if report.failure.is_some() {
            tell_failure(plan, &report);
            failed.push(format!("seed {} of {}", plan.seed, plan.scenario.name()));
            if !options.keep_going {
                break;
            }
        }
        if tally.told.elapsed() > Duration::from_secs(10) {
            tally.told = Instant::now();
            eprintln!("{} runs, {:.0} simulated s per s of CPU", tally.runs, tally.speed());
        }
    }
    tally.print(options.output);
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn same_trace(plan: Plan, one: &Report, other: &Report) -> anyhow::Result<()> {
    if (one.trace_hash, one.trace_lines) != (other.trace_hash, other.trace_lines) {
        let (name, one, other) = (plan.scenario.name(), one.trace_hash, other.trace_hash);
        bail!("seed {} of {name}: traces {one:016x} and {other:016x}", plan.seed);
    }
    Ok(())
}

fn show(options: &Options, plan: Plan, report: &Report) {
    if options.trace {
        for line in &report.lines {
            println!("{line}");
        }
    }
    if options.output == Output::Json {
        println!(
            "{{\"seed\":{},\"scenario\":\"{}\",\"trace_hash\":\"{:016x}\",\"failed\":{},{}}}",
            plan.seed,
            plan.scenario.name(),
            report.trace_hash,
            report.failure.is_some(),
            figures(&report.counts)
        );
    }
}

/// Groups of counts that say how often something went wrong.
fn is_of_faults(group: &str) -> bool {
    matches!(group, "network faults" | "faults of nodes" | "disks that lied")
}

/// The counts as members of a JSON object.
fn figures(counts: &Counts) -> String {
    let all = counts.groups().into_iter().flat_map(|(_, figures)| figures);
    let words: Vec<String> =
        all.map(|(name, value)| format!("\"{}\":{value}", name.replace([' ', '-'], "_"))).collect();
    words.join(",")
}

/// Seconds of CPU this process has used.
#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanos: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanos as f64 / 1e9)
}

fn tell_failure(plan: Plan, report: &Report) {
    let Some(failure) = &report.failure else { return };
    println!("FAILED seed {} scenario {}", plan.seed, plan.scenario.name());
    println!("oracle: {}", failure.oracle);
    println!("{}", failure.detail);
    if !plan.trace {
        println!("the last events:");
        for line in &report.lines {
            println!("  {line}");
        }
    }
    let (seed, scenario) = (plan.seed, plan.scenario.name());
    let long = plan.storm_micros.map(|micros| format!(" --faults-s {}", micros / 1_000_000));
    let long = long.unwrap_or_default();
    println!("again: cargo xtask sim --seed {seed} --scenario {scenario}{long} --trace");
}

impl Tally {
    fn take(&mut self, report: &Report) {
        self.runs += 1;
        self.micros += report.micros;
        self.counts.add(&report.counts);
    }

    /// Simulated seconds per second of CPU.
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    fn speed(&self) -> f64 {
        self.micros as f64 / 1e6 / self.cpu().max(1e-3)
    }

    /// How often something happened in an hour of simulated time.
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    fn rate(&self, count: u64) -> f64 {
        count as f64 * 3.6e9 / (self.micros as f64).max(1.0)
    }

    /// The same of each kind of fault, as members of a JSON object.
    fn rates(&self) -> String {
        let groups = self.counts.groups().into_iter().filter(|(group, _)| is_of_faults(group));
        let words = groups.flat_map(|(_, figures)| figures).map(|(name, value)| {
            format!("\"{}\":{:.1}", name.replace([' ', '-'], "_"), self.rate(value))
        });
        words.collect::<Vec<_>>().join(",")
    }

    fn cpu(&self) -> f64 {
        cpu_seconds().unwrap_or_else(|| self.began.elapsed().as_secs_f64())
    }

    fn print(&self, output: Output) {
        let (seconds, cpu) = (self.began.elapsed().as_secs_f64(), self.cpu());
        let (runs, simulated, speed) = (self.runs, self.micros / 1_000_000, self.speed());
        if output == Output::Json {
            println!(
                "{{\"runs\":{runs},\"repeated\":{},\"seconds\":{seconds:.1},\"cpu_seconds\":{cpu:.1},\
                 \"simulated_seconds\":{simulated},\"simulated_per_cpu_second\":{speed:.0},\
                 \"serve_within_timeouts_p99\":{},\"faults_per_simulated_hour\":{{{}}},{}}}",
                self.repeated,
                sim::served_at_p99(&self.counts).map_or("null".to_owned(), |it| it.to_string()),
                self.rates(),
                figures(&self.counts)
            );
            return;
        }
        println!("{runs} runs in {seconds:.1} s, {cpu:.1} s of CPU");
        println!("{simulated} simulated s, {speed:.0} per s of CPU");
        if self.repeated > 0 {
            println!("{} runs repeated, all with equal traces", self.repeated);
        }
        if let Some(timeouts) = sim::served_at_p99(&self.counts) {
            println!(
                "regions serve within {timeouts} election timeouts after the last fault at p99"
            );
        }
        for (group, figures) in self.counts.groups() {
            println!("{group}");
            for (name, value) in figures {
                match is_of_faults(group) {
                    true => println!("  {name:<46} {value:>12} {:>10.0} an hour", self.rate(value)),
                    false => println!("  {name:<46} {value:>12}"),
                }
            }
        }
    }
}
