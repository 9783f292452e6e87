//! `hiraeth service`.

mod audit;
mod drain;
mod list;
mod register;
mod show;
mod watch;

use super::failure::{Done, EXIT_CODES};
use super::output::out;
use super::remote::Remote;

/// Services and their instances.
///
/// JSON: an instance is an object `{namespace, service, id, node, address, port, tags, meta, weight,
/// zone, status}`; `watch` prints an object `{version, instances}` per line.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    /// The namespace of the services.
    #[arg(long, global = true, default_value = "default", value_name = "NAME")]
    namespace: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Register an instance and keep it alive until Ctrl-C, which takes it back.
    Register(register::Arguments),
    /// List services, or the instances of one.
    List(list::Arguments),
    /// Show a service whenever it changes.
    Watch(watch::Arguments),
    /// Take an instance, or all of a node, out of service without forgetting it, or put it back.
    Drain(drain::Arguments),
    /// Show who was pushed what of a service, and when, on every server.
    Audit(audit::Arguments),
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let client = arguments.remote.client()?;
    let (namespace, format) = (arguments.namespace.as_str(), arguments.remote.output);
    let mut out = out();
    match arguments.command {
        Command::Register(command) => register::run(&client, namespace, command).await,
        Command::List(command) => list::run(&client, &mut out, format, namespace, command).await,
        Command::Watch(command) => watch::run(&client, &mut out, format, namespace, command).await,
        Command::Drain(command) => drain::run(&client, namespace, command).await,
        Command::Audit(command) => audit::run(&client, &mut out, format, namespace, command).await,
    }
}
