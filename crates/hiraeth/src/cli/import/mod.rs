//! `hiraeth import`: what other stores keep, taken over.

mod bolt;
mod consul;
mod etcd;

use super::failure::{Done, EXIT_CODES};
use super::output;

/// Take over what another store keeps.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Etcd(Box<etcd::Arguments>),
    Consul(consul::Arguments),
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<Done> {
    match arguments.command {
        Command::Etcd(arguments) => etcd::run(*arguments),
        Command::Consul(arguments) => output::block_on(consul::run(arguments)),
    }
}
