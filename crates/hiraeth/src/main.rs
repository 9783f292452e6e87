//! The `hiraeth` binary: a server, a cluster on one machine to try things, and the tools to use
//! both.

mod bench;
mod cert;
mod cli;
mod cluster;
mod exit;
mod logging;
mod memory;
mod serve;

use clap::{CommandFactory, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A service registry, configuration store, lock service and key-value store: replicated, sharded,
/// linearizable. Without a command it serves.
#[derive(Parser)]
#[command(
    name = "hiraeth",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server.
    #[command(after_help = exit::EXIT_CODES)]
    Serve(Box<serve::Settings>),
    /// Run several servers on this machine, to try fail-over.
    Cluster(cluster::Options),
    Bench(bench::Arguments),
    Cert(cert::Arguments),
    #[command(flatten)]
    Tool(Box<cli::Command>),
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => serve::run(arguments.serve),
        Some(Command::Serve(settings)) => serve::run(*settings),
        Some(Command::Cluster(options)) => cluster::run(&options),
        Some(Command::Cert(arguments)) => cert::run(arguments),
        Some(Command::Bench(arguments)) => return bench::launch(arguments),
        Some(Command::Tool(command)) => return cli::run(*command, Arguments::command()),
    };
    exit::code(result)
}
