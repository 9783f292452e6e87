//! `hiraeth acl`.

mod ask;
mod policy;
mod role;
mod show;
mod token;

use super::failure::{Done, EXIT_CODES};
use super::remote::Remote;

/// Consul's ACL: tokens, policies and roles.
///
/// Who asks is said by `--acl-token` or `HIRAETH_ACL_TOKEN`. JSON is what Consul's API answers. A token's
/// secret is shown when it is made, and never again.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make the first token, which may do everything; once.
    Bootstrap,
    /// Tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Policies, which have rules.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Roles, which have policies.
    #[command(subcommand)]
    Role(role::Command),
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let door = ask::Door::new(&arguments.remote)?;
    match arguments.command {
        Command::Bootstrap => {
            let made = door.ask("PUT", "bootstrap", None).await?;
            show::token(&made, arguments.remote.output)?;
        }
        Command::Token(command) => token::run(&door, command, arguments.remote.output).await?,
        Command::Policy(command) => policy::run(&door, command, arguments.remote.output).await?,
        Command::Role(command) => role::run(&door, command, arguments.remote.output).await?,
    }
    Ok(Done::Well)
}
