use serde_json::json;

use super::ask::{Door, escaped};
use super::login::pairs;
use super::show;
use crate::cli::output::Format;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a binding rule: what somebody is who logs in.
    Create {
        /// The auth method, by its name.
        #[arg(long, value_name = "NAME")]
        method: String,
        /// What it makes of who logs in: service, node, role, policy or templated-policy.
        #[arg(long, value_name = "TYPE")]
        bind_type: String,
        /// The name of that; ${value.team} and the like stand for what is known of who logs in.
        #[arg(long, value_name = "NAME")]
        bind_name: String,
        /// What a templated policy is filled with, likewise.
        #[arg(long = "bind-var", value_name = "NAME=VALUE")]
        bind_vars: Vec<String>,
        /// Whom it is about, as 'value.team == "web"' [default: everybody].
        #[arg(long, value_name = "EXPRESSION", default_value = "")]
        selector: String,
        /// For people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// List all binding rules.
    List {
        /// Only those of this auth method.
        #[arg(long, value_name = "NAME")]
        method: Option<String>,
    },
    /// Remove a binding rule; who logged in by it stays what it is.
    Delete {
        /// Its id.
        id: String,
    },
}

pub(super) async fn run(door: &Door, command: Command, format: Format) -> anyhow::Result<()> {
    match command {
        Command::Create { method, bind_type, bind_name, bind_vars, selector, description } => {
            let bind_vars = pairs("--bind-var", &bind_vars)?;
            let body = json!({
                "AuthMethod": method, "BindType": bind_type, "BindName": bind_name,
                "BindVars": bind_vars, "Selector": selector, "Description": description,
            });
            show::rule(&door.ask("PUT", "binding-rule", Some(body)).await?, format)
        }
        Command::List { method } => {
            let method = method.map(|name| format!("?authmethod={}", escaped(&name)));
            let path = format!("binding-rules{}", method.unwrap_or_default());
            show::rules(&door.ask("GET", &path, None).await?, format)
        }
        Command::Delete { id } => {
            let path = format!("binding-rule/{}", escaped(&id));
            show::done(&door.ask("DELETE", &path, None).await?, format)
        }
    }
}
