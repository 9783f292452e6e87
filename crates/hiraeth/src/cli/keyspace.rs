//! `hiraeth keyspace`.

use std::io::Write;

use client::native::{Keyspace, KeyspaceRegion};

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, line, out};
use super::remote::Remote;
use super::table::Table;
use super::{json, text};

/// Keyspaces, each with keys and revisions of its own.
///
/// JSON: an object (create) or an array of objects (list) `{id, name, region, sharded, replicas,
/// in_memory}`; an array of objects `{region, start, end, version, nodes, split_at}` (regions), keys in
/// base64; an object `{region}` (split).
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
        /// Spread its keys over regions that split as they grow. It has keys and values, and transactions
        /// within one region; no history, leases and watches.
        #[arg(long)]
        sharded: bool,
        /// Split it from the beginning: at this key, and at others that follow in order.
        #[arg(long, value_name = "KEY", requires = "sharded")]
        split_at: Vec<String>,
        /// Replicas of each region: at most 7, or 0 for one on every server. 3 if it is not said.
        #[arg(long, value_name = "N", requires = "sharded")]
        replicas: Option<u32>,
        /// Keep all of its records in memory: no read waits for a disk. They are as durable as others, and
        /// bounded by --memory-keyspaces-mib of `hiraeth serve`.
        #[arg(long, requires = "sharded")]
        in_memory: bool,
    },
    /// List all keyspaces.
    List,
    /// List the regions of a keyspace in the order of their keys.
    Regions {
        /// The keyspace.
        name: String,
    },
    /// Split the region of a sharded keyspace that owns a key; waits until it is done.
    Split {
        /// The keyspace.
        name: String,
        /// The first key of the new region.
        #[arg(long, value_name = "KEY")]
        at: String,
    },
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let client = arguments.remote.client()?;
    let mut out = out();
    match (arguments.command, arguments.remote.output) {
        (Command::Create { name, sharded, split_at, replicas, in_memory }, format) => {
            let split_at = split_at.into_iter().map(Into::into).collect();
            let keyspace = match sharded {
                true if in_memory => {
                    client.create_memory_keyspace(name, split_at, replicas).await?
                }
                true => client.create_sharded_keyspace(name, split_at, replicas).await?,
                false => client.create_keyspace(name).await?,
            };
            match format {
                Format::Table => table(&[keyspace]).print(&mut out)?,
                Format::Json => line(&mut out, &json::Keyspace::new(&keyspace))?,
            }
        }
        (Command::Regions { name }, format) => {
            let regions = client.keyspace_regions(name).await?;
            match format {
                Format::Table => region_table(&regions).print(&mut out)?,
                Format::Json => {
                    let all: Vec<_> = regions.iter().map(json::KeyspaceRegion::new).collect();
                    line(&mut out, &all)?;
                }
            }
        }
        (Command::Split { name, at }, format) => {
            let region = client.split(name, at).await?;
            match format {
                Format::Table => writeln!(out, "region {region}")?,
                Format::Json => line(&mut out, &json::Split { region })?,
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
        let region = match (keyspace.sharded, keyspace.in_memory) {
            (true, true) => "sharded, in memory".into(),
            (true, false) => "sharded".into(),
            (false, _) => keyspace.region.to_string(),
        };
        table.row([keyspace.id.to_string(), region, name]);
    }
    table
}

fn region_table(regions: &[KeyspaceRegion]) -> Table {
    let mut table = Table::new(&["REGION", "FROM", "TO", "VERSION", "NODES"]);
    let key = |key: Option<&[u8]>| key.map_or_else(|| "-".to_owned(), text::shown);
    for region in regions {
        let start = Some(&*region.start).filter(|start| !start.is_empty());
        let nodes: Vec<_> = region.nodes.iter().map(ToString::to_string).collect();
        table.row([
            region.region.to_string(),
            key(start),
            key(region.end.as_deref()),
            region.version.to_string(),
            nodes.join(","),
        ]);
    }
    table
}
