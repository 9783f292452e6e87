//! The commands that talk to running servers.
//!
//! `failure` ends them, `output`, `table`, `json` and `text` show what came of them, and each other
//! module is one command.

mod acl;
mod admin;
mod backup;
mod completions;
mod config;
mod doctor;
mod failure;
mod flight;
mod hold;
mod hot;
mod import;
mod json;
mod keyspace;
mod kv;
mod lease;
mod output;
mod raft;
mod remote;
mod replace;
mod reset;
mod sequence;
mod series;
mod service;
mod size;
mod status;
mod table;
mod text;
mod top;
mod txn;
mod watch;

pub(crate) use failure::{Done, EXIT_CODES, Usage, code, grpc_exit};
pub(crate) use output::{Format, Out, line, out};
pub(crate) use remote::parse_time;
pub(crate) use size::bytes as bytes_text;
pub(crate) use table::Table;

use std::process::ExitCode;

/// What the command line tool can do; each is described where its arguments are.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Kv(kv::Arguments),
    Lease(lease::Arguments),
    Lock(hold::LockArguments),
    Elect(hold::ElectArguments),
    Sequence(sequence::Arguments),
    Keyspace(keyspace::Arguments),
    Service(service::Arguments),
    Config(Box<config::Arguments>),
    Acl(acl::Arguments),
    Status(status::Arguments),
    Top(top::Arguments),
    Raft(raft::Arguments),
    Hot(hot::Arguments),
    Admin(admin::Arguments),
    Restore(backup::RestoreArguments),
    Import(Box<import::Arguments>),
    Flight(flight::Arguments),
    Completions(completions::Arguments),
}

/// Runs a command to its end; `program` is the whole command line, for completions.
pub(crate) fn run(command: Command, program: clap::Command) -> ExitCode {
    let result = match command {
        Command::Kv(arguments) => output::block_on(kv::run(arguments)),
        Command::Lease(arguments) => output::block_on(lease::run(arguments)),
        Command::Lock(arguments) => output::block_on(hold::lock(arguments)),
        Command::Elect(arguments) => output::block_on(hold::elect(arguments)),
        Command::Sequence(arguments) => output::block_on(sequence::run(arguments)),
        Command::Keyspace(arguments) => output::block_on(keyspace::run(arguments)),
        Command::Service(arguments) => output::block_on(service::run(arguments)),
        Command::Config(arguments) => output::block_on(config::run(*arguments)),
        Command::Acl(arguments) => output::block_on(acl::run(arguments)),
        Command::Admin(arguments) => output::block_on(admin::run(arguments)),
        Command::Top(arguments) => output::block_on(top::run(arguments)),
        Command::Raft(arguments) => output::block_on(raft::run(arguments)),
        Command::Hot(arguments) => output::block_on(hot::run(arguments)),
        Command::Status(arguments) => output::block_on(status::run(arguments)),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Import(arguments) => import::run(*arguments),
        Command::Flight(arguments) => flight::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, program),
    };
    failure::code(result)
}
