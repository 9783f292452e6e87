use serde_json::json;

use super::ask::{Door, escaped};
use super::show;
use super::token::Links;
use crate::cli::output::Format;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a role.
    Create {
        /// Its name.
        name: String,
        /// For people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        #[command(flatten)]
        links: Links,
    },
    /// List all roles.
    List,
    /// Show a role.
    Read {
        /// Its name, or its id.
        name: String,
    },
    /// Remove a role; who has it loses its rights.
    Delete {
        /// Its name, or its id.
        name: String,
    },
}

pub(super) async fn run(door: &Door, command: Command, format: Format) -> anyhow::Result<()> {
    match command {
        Command::Create { name, description, links } => {
            let mut body = json!({ "Name": name, "Description": description });
            links.fill(&mut body);
            show::role(&door.ask("PUT", "role", Some(body)).await?, format)
        }
        Command::List => show::list(&door.ask("GET", "roles", None).await?, format),
        Command::Read { name } => show::role(&door.named("role", &name).await?, format),
        Command::Delete { name } => {
            let role = door.named("role", &name).await?;
            let path = format!("role/{}", escaped(show::text(&role, "ID")));
            show::done(&door.ask("DELETE", &path, None).await?, format)
        }
    }
}
