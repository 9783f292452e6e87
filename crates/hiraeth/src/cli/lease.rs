//! `hiraeth lease`.

use std::io::Write;

use client::Client;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, Out, line, out};
use super::remote::Remote;
use super::table::Table;
use super::{json, text};

/// Leases: keys that go when nobody renews them. Their numbers are hexadecimal.
///
/// JSON: grant and keep-alive `{id, ttl_seconds}`; ttl `{id, ttl_seconds, granted_seconds, keys:
/// [{key, key_text}] or null}`; list an array of numbers as strings; revoke `{id}`.
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
    /// Make a lease; its number is what keys are put with.
    Grant {
        /// How long it lives without renewal.
        seconds: i64,
        /// The number wanted [default: the server chooses].
        #[arg(long, value_parser = text::parse_lease)]
        id: Option<i64>,
    },
    /// End a lease; its keys go with it.
    Revoke {
        /// The lease.
        #[arg(value_parser = text::parse_lease)]
        id: i64,
    },
    /// Renew a lease until Ctrl-C.
    KeepAlive {
        /// The lease.
        #[arg(value_parser = text::parse_lease)]
        id: i64,
        /// Renew once.
        #[arg(long)]
        once: bool,
    },
    /// Show what is left of a lease.
    Ttl {
        /// The lease.
        #[arg(value_parser = text::parse_lease)]
        id: i64,
        /// Show its keys, too.
        #[arg(long)]
        keys: bool,
    },
    /// List all leases.
    List,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let client = arguments.remote.client()?;
    let format = arguments.remote.output;
    let mut out = out();
    match arguments.command {
        Command::Grant { seconds, id } => {
            let granted = client.grant_lease(seconds, id.unwrap_or(0)).await?;
            show_lease(&mut out, format, granted.id, granted.ttl_seconds, "lives for")?;
        }
        Command::Revoke { id } => {
            client.revoke_lease(id).await?;
            match format {
                Format::Table => writeln!(out, "lease {} revoked", text::lease(id))?,
                Format::Json => line(&mut out, &serde_json::json!({ "id": text::lease(id) }))?,
            }
        }
        Command::KeepAlive { id, once } => keep_alive(&client, &mut out, format, id, once).await?,
        Command::Ttl { id, keys } => show_ttl(&client, &mut out, format, id, keys).await?,
        Command::List => {
            let leases: Vec<String> = client.leases().await?.into_iter().map(text::lease).collect();
            match format {
                Format::Table => {
                    let mut table = Table::new(&["LEASE"]);
                    leases.into_iter().for_each(|lease| table.row([lease]));
                    table.print(&mut out)?;
                }
                Format::Json => line(&mut out, &leases)?,
            }
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

fn show_lease(
    out: &mut Out,
    format: Format,
    id: i64,
    ttl_seconds: i64,
    what: &str,
) -> anyhow::Result<()> {
    let id = text::lease(id);
    match format {
        Format::Table => writeln!(out, "lease {id} {what} {ttl_seconds} s")?,
        Format::Json => line(out, &json::Lease { id, ttl_seconds })?,
    }
    out.flush()?;
    Ok(())
}

async fn keep_alive(
    client: &Client,
    out: &mut Out,
    format: Format,
    id: i64,
    once: bool,
) -> anyhow::Result<()> {
    let mut renewals = client.renewals(id);
    loop {
        let seconds = tokio::select! {
            renewed = renewals.next() => renewed?,
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        };
        show_lease(out, format, id, seconds, "renewed, lives for")?;
        if once {
            return Ok(());
        }
    }
}

async fn show_ttl(
    client: &Client,
    out: &mut Out,
    format: Format,
    id: i64,
    keys: bool,
) -> anyhow::Result<()> {
    let left = client.lease_time_to_live(id, keys).await?;
    if format == Format::Json {
        return line(out, &json::TimeToLive::new(&left, keys));
    }
    let (left_seconds, granted) = (left.ttl_seconds, left.granted_seconds);
    writeln!(out, "lease {} lives for {left_seconds} s of {granted} s", text::lease(id))?;
    if keys {
        let mut table = Table::new(&["KEY"]);
        left.keys.iter().for_each(|key| table.row([text::shown(key)]));
        table.print(out)?;
    }
    Ok(())
}
