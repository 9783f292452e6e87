//! Real servers in real processes under faults, real clients that write through all of them, and what
//! must hold afterwards. The chapter is `docs/architecture/chaos.md`; `cargo xtask chaos` runs it.

mod bad_input;
mod ledger;
mod nemesis;
mod options;
mod place;
mod random;
mod report;
mod scenario;
mod servers;
mod trial;
mod verify;
mod work;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    let options = options::Options::parse();
    match place::Setting::choose(&options)? {
        place::Choice::Here(setting) => scenario::run_all(&options, &setting),
        place::Choice::Supervise => place::supervise(),
    }
}
