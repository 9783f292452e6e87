use std::io::Read;

use anyhow::Context;
use serde_json::json;

use super::ask::{Door, escaped};
use super::show;
use crate::cli::output::Format;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a policy.
    Create {
        /// Its name.
        name: String,
        #[command(flatten)]
        rules: Rules,
        /// For people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Give a policy other rules.
    Update {
        /// Its name, or its id.
        name: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// List all policies.
    List,
    /// Show a policy with its rules.
    Read {
        /// Its name, or its id.
        name: String,
    },
    /// Remove a policy; who has it loses its rights.
    Delete {
        /// Its name, or its id.
        name: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Rules {
    /// The rules, in HCL or JSON; @FILE reads them from a file, - from standard input.
    #[arg(long, value_name = "RULES|@FILE|-")]
    rules: String,
}

impl Rules {
    fn read(self) -> anyhow::Result<String> {
        if self.rules == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            return Ok(text);
        }
        match self.rules.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path).with_context(|| path.to_owned()),
            None => Ok(self.rules),
        }
    }
}

pub(super) async fn run(door: &Door, command: Command, format: Format) -> anyhow::Result<()> {
    match command {
        Command::Create { name, rules, description } => {
            let body = json!({ "Name": name, "Description": description, "Rules": rules.read()? });
            show::policy(&door.ask("PUT", "policy", Some(body)).await?, format)
        }
        Command::Update { name, rules } => {
            let mut policy = door.named("policy", &name).await?;
            policy["Rules"] = rules.read()?.into();
            let path = format!("policy/{}", escaped(show::text(&policy, "ID")));
            show::policy(&door.ask("PUT", &path, Some(policy)).await?, format)
        }
        Command::List => show::list(&door.ask("GET", "policies", None).await?, format),
        Command::Read { name } => show::policy(&door.named("policy", &name).await?, format),
        Command::Delete { name } => {
            let policy = door.named("policy", &name).await?;
            let path = format!("policy/{}", escaped(show::text(&policy, "ID")));
            show::done(&door.ask("DELETE", &path, None).await?, format)
        }
    }
}
