use std::io::Read;

use anyhow::Context;
use serde_json::{Value, json};

use super::ask::{Door, escaped};
use super::show;
use crate::cli::output::Format;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make an auth method, or write one anew.
    Create {
        /// Its name.
        name: String,
        /// By what clients prove who they are: jwt or kubernetes.
        #[arg(long = "type", value_name = "TYPE")]
        kind: String,
        #[command(flatten)]
        config: Config,
        /// For people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// For how long a token counts that is made by it, as 90m or 24h [default: for ever].
        #[arg(long, value_name = "TIME")]
        max_token_ttl: Option<String>,
    },
    /// List all auth methods.
    List,
    /// Show an auth method with its configuration.
    Read {
        /// Its name.
        name: String,
    },
    /// Remove an auth method, its rules and all tokens that were made by it.
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Config {
    /// The type's own settings, in JSON; @FILE reads them from a file, - from standard input.
    #[arg(long, value_name = "JSON|@FILE|-")]
    config: String,
}

impl Config {
    fn read(self) -> anyhow::Result<Value> {
        let text = match self.config.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path).with_context(|| path.to_owned())?,
            None if self.config == "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                text
            }
            None => self.config,
        };
        serde_json::from_str(&text).context("--config is no JSON")
    }
}

pub(super) async fn run(door: &Door, command: Command, format: Format) -> anyhow::Result<()> {
    let path = |name: &str| format!("auth-method/{}", escaped(name));
    match command {
        Command::Create { name, kind, config, description, max_token_ttl } => {
            let mut body = json!({
                "Name": name, "Type": kind, "Description": description, "Config": config.read()?,
            });
            if let Some(ttl) = max_token_ttl {
                body["MaxTokenTTL"] = ttl.into();
            }
            show::method(&door.ask("PUT", "auth-method", Some(body)).await?, format)
        }
        Command::List => show::methods(&door.ask("GET", "auth-methods", None).await?, format),
        Command::Read { name } => show::method(&door.ask("GET", &path(&name), None).await?, format),
        Command::Delete { name } => {
            show::done(&door.ask("DELETE", &path(&name), None).await?, format)
        }
    }
}
