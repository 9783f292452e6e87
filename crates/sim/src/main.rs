//! `sim run` hunts; `sim mutants` shows that the hunter sees.
#![allow(clippy::print_stdout, reason = "a program speaks")]

mod hunt;
mod mutants;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

fn main() -> ExitCode {
    // A replica that panics is what the oracles look for; they tell about it themselves.
    std::panic::set_hook(Box::new(|_| {}));
    let result = match Arguments::parse().command {
        Command::Run(options) => hunt::hunt(&options),
        Command::Mutants(options) => mutants::hunt(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
