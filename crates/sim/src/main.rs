//! `sim run` hunts; `sim mutants` shows that the hunter sees; `sim shrink` makes what it found small, and
//! `sim replay` shows it.
#![allow(clippy::print_stdout, reason = "a program speaks")]

mod hunt;
mod mutants;
mod replay;
mod shrinking;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Much of a run is small pieces of memory that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "sim", about = "Deterministic simulation of a cluster")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs seeds and stops at the first one that fails.
    Run(hunt::Options),
    /// Breaks a rule on purpose and looks whether it is noticed.
    Mutants(mutants::Options),
    /// Runs a seed up to a moment and shows how every node stands.
    Replay(replay::OneRun),
    /// Looks for the fewest faults with which a seed still fails.
    Shrink(shrinking::Options),
}

fn main() -> ExitCode {
    // A replica that panics is what the oracles look for; they tell about it themselves.
    std::panic::set_hook(Box::new(|_| {}));
    let result = match Arguments::parse().command {
        Command::Run(options) => hunt::hunt(&options),
        Command::Mutants(options) => mutants::hunt(&options),
        Command::Replay(options) => replay::replay(&options),
        Command::Shrink(options) => shrinking::tell(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
