//! Real servers in real processes under faults, real clients that write through all of them, and what
//! must hold afterwards. The chapter is `docs/architecture/chaos.md`; `cargo xtask chaos` runs it.

mod bad_input;
mod ledger;
mod life;
mod neighbours;
mod nemesis;
mod options;
mod place;
mod progress;
mod random;
mod report;
mod scenario;
mod servers;
mod trial;
mod verify;
mod work;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = options::Options::parse();
    let ran = place::Setting::choose(&options).and_then(|choice| match choice {
        place::Choice::Here(setting) => scenario::run_all(&options, &setting),
        place::Choice::Supervise => place::supervise(options.most_servers()),
    });
    ran.unwrap_or_else(|error| {
        eprintln!("chaos: {error:#}");
        ExitCode::FAILURE
    })
}
