//! What must pass before anything lands.

use crate::run::{self, cargo, step};
use crate::{chaos, deny, tidy};

/// What all of it is built with, so that it is built once.
const PROFILE: &str = "ci";

/// The first of the simulator's seeds whose worlds have some kinds of faults and not others.
const SWARMS_FROM: &str = "100000";

/// How much of it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out what needs other languages' tools: the suites of foreign clients.
    #[arg(long)]
    no_compat: bool,
    /// Seeds to simulate, of a minute each: so many with all kinds of faults, and as many swarms.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
}

/// Which suites of foreign clients.
#[derive(clap::Args)]
pub(crate) struct CompatOptions {
    /// Leave out the tests that kill servers.
    #[arg(long)]
    no_faults: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    step("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    step("architecture", tidy::run)?;
    step("dependencies", deny::run)?;
    let clippy = ["clippy", "--profile", PROFILE, "--workspace", "--all-targets", "--quiet"];
    step("lints", || cargo(&[&clippy[..], &["--", "-D", "warnings"]].concat()))?;
    let tests = ["test", "--profile", PROFILE, "--workspace", "--quiet"];
    // All of it at once: of a part alone Cargo would build much of what it uses once more, with other
    // features.
    let all = ["build", "--profile", PROFILE, "--workspace", "--all-targets", "--quiet"];
    step("tests and programs, built", || cargo(&all))?;
    step("tests", || cargo(&tests))?;
    let fuzz = run::built(PROFILE, "fuzz");
    step("requests no client should send", || run::run(&fuzz, &["--seconds", "20"]))?;
    let (sim, seeds) = (run::built(PROFILE, "sim"), options.seeds.to_string());
    step("simulation", || {
        let minute = ["run", "--faults-s", "54", "--seeds", &seeds];
        let swarms = ["--fresh", "--first-seed", SWARMS_FROM];
        run::together(&sim, &[minute.to_vec(), [&minute[..], &swarms].concat()])?;
        run::run(&sim, &["run", "--fresh", "--seeds", "20", "--repeat", "2"])?;
        run::run(&sim, &["mutants", "--smoke"])
    })?;
    step("real processes under faults", || {
        let scenarios = ["--scenario", "kill-leader", "--scenario", "partition"];
        chaos::play(PROFILE, &[&scenarios[..], &["--seconds", "60"]].concat())?;
        chaos::play(PROFILE, &["--scenario", "mix", "--seconds", "180"])
    })?;
    if !options.no_compat {
        step("foreign clients", || clients(PROFILE, &CompatOptions { no_faults: false }))?;
    }
    println!("\nall steps passed");
    Ok(())
}

pub(crate) fn compat(options: &CompatOptions) -> anyhow::Result<()> {
    cargo(&["build", "--release", "--package", "hiraeth"])?;
    clients("release", options)
}

/// Of the server as it was built.
fn clients(profile: &str, options: &CompatOptions) -> anyhow::Result<()> {
    let binary = run::built(profile, "hiraeth");
    let mut arguments = vec!["compat/run.py", "--server-binary", &binary];
    if !options.no_faults {
        arguments.push("--faults");
    }
    install_python()?;
    run::run("python3", &arguments)
}

/// The suites are driven by Python; Debian's is taken where there is none.
fn install_python() -> anyhow::Result<()> {
    let there = std::process::Command::new("python3").arg("--version").output();
    if there.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    run::run("apt-get", &["update", "-qq"])?;
    run::run("apt-get", &["install", "-y", "-qq", "python3", "python3-pip"])
}
