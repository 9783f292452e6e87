//! `cargo xtask`: everything about this repository that is not the product.

mod bench;
mod chaos;
mod decoders;
mod deny;
mod fuzz;
mod package;
mod run;
mod sim;
mod test;
mod tidy;
mod upgrade;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks, hunts and measurements of this repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything CI runs, in its order: what the README calls the test command.
    Test(test::Options),
    /// The architecture's rules: which crate may use which, and what pure crates may not touch.
    Tidy,
    /// Licences, sources and duplicates of the dependencies (installs cargo-deny if missing).
    Deny,
    /// Simulated clusters under faults, from seeds.
    Sim(sim::Options),
    /// One seed again up to a moment, with how every node stands then (`--help` after `--`).
    Replay(sim::Passed),
    /// The fewest faults with which a seed still fails.
    Shrink(sim::Passed),
    /// Known-bad variants that the simulation must catch.
    Mutants(sim::MutantOptions),
    /// Real servers in real processes under faults.
    Chaos(chaos::Options),
    /// From an older build to this one, server by server, under load.
    Upgrade(upgrade::Options),
    /// Etcd and ours measured in turn, into docs/performance.md.
    Bench(bench::Options),
    /// Requests no client should send, from seeds.
    Fuzz(fuzz::Options),
    /// Bytes that nobody wrote, for everything that reads any.
    Decoders(decoders::Options),
    /// Real clients against real servers.
    Compat(test::CompatOptions),
    /// A Debian package, made with `dpkg-deb` alone.
    Package(package::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
        Task::Deny => deny::run(),
        Task::Sim(options) => sim::run(&options),
        Task::Replay(options) => sim::pass("replay", &options),
        Task::Shrink(options) => sim::pass("shrink", &options),
        Task::Mutants(options) => sim::mutants(&options),
        Task::Chaos(options) => chaos::run(&options),
        Task::Upgrade(options) => upgrade::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Decoders(options) => decoders::run(&options),
        Task::Compat(options) => test::compat(&options),
        Task::Package(options) => package::run(&options),
    }
}
