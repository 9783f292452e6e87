//! `hiraeth acl`.

mod ask;
mod login;
mod method;
mod policy;
mod role;
mod rule;
mod show;
mod token;

use std::path::PathBuf;

use super::failure::{Done, EXIT_CODES};
use super::remote::Remote;

/// Consul's ACL: tokens, policies, roles, and how clients log in.
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
    /// Auth methods: who is believed when it says who a client is.
    #[command(subcommand)]
    AuthMethod(method::Command),
    /// Binding rules: what a client is who logs in.
    #[command(subcommand)]
    BindingRule(rule::Command),
    /// Log in by an auth method: get a token.
    Login(login::Login),
    /// Give back a token that was made by a login.
    Logout {
        /// A file with its secret [default: the one of `--acl-token`].
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
}

pub(super) async fn run(mut arguments: Arguments) -> anyhow::Result<Done> {
    if let Command::Logout { token_file: Some(path) } = &arguments.command {
        arguments.remote.acl_token = Some(login::line_of(path)?);
    }
    let door = ask::Door::new(&arguments.remote)?;
    match arguments.command {
        Command::Bootstrap => {
            let made = door.ask("PUT", "bootstrap", None).await?;
            show::token(&made, arguments.remote.output)?;
        }
        Command::Token(command) => token::run(&door, command, arguments.remote.output).await?,
        Command::Policy(command) => policy::run(&door, command, arguments.remote.output).await?,
        Command::Role(command) => role::run(&door, command, arguments.remote.output).await?,
        Command::AuthMethod(command) => {
            method::run(&door, command, arguments.remote.output).await?;
        }
        Command::BindingRule(command) => {
            rule::run(&door, command, arguments.remote.output).await?;
        }
        Command::Login(login) => login::login(&door, login, arguments.remote.output).await?,
        Command::Logout { .. } => {
            show::done(&door.ask("POST", "logout", None).await?, arguments.remote.output)?;
        }
    }
    Ok(Done::Well)
}
