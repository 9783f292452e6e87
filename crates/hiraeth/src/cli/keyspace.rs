//! `hiraeth keyspace`.

use std::io::Write;

use client::native::Keyspace;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, line, out};
use super::remote::Remote;
use super::table::Table;
use super::{json, text};

/// Keyspaces, each with keys and revisions of its own.
///
/// JSON: an object (create) or an array of objects (list) `{id, name, region}`.
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
    /// Make a keyspace.
    Create {
        /// 1 to 128 bytes.
        name: String,
    },
    /// List all keyspaces.
    List,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let client = arguments.remote.client()?;
    let mut out = out();
    match (arguments.command, arguments.remote.output) {
        (Command::Create { name }, format) => {
            let keyspace = client.create_keyspace(name).await?;
            match format {
                Format::Table => table(&[keyspace]).print(&mut out)?,
                Format::Json => line(&mut out, &json::Keyspace::new(&keyspace))?,
            }
        }
        (Command::List, Format::Table) => table(&client.keyspaces().await?).print(&mut out)?,
        (Command::List, Format::Json) => {
            let all = client.keyspaces().await?;
            line(&mut out, &all.iter().map(json::Keyspace::new).collect::<Vec<_>>())?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

fn table(keyspaces: &[Keyspace]) -> Table {
    let mut table = Table::new(&["ID", "REGION", "NAME"]);
    for keyspace in keyspaces {
        let name = text::shown(keyspace.name.as_bytes());
        table.row([keyspace.id.to_string(), keyspace.region.to_string(), name]);
    }
    table
}
