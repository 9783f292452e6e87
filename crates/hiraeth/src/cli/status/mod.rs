//! `hiraeth status`.

mod collect;
mod report;
mod show;

use std::io::Write;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, line, out};
use super::remote::Remote;

/// Show the cluster on one screen: nodes, regions, and what is wrong.
///
/// The servers given are asked, and with their help all others. What cannot be reached, has no
/// leader or lags behind is listed under WARNINGS; the exit code is 0 whenever a server answered.
///
/// JSON: `{cluster, nodes: [{id, name, peer_address, client_address, reachable, error, version,
/// leads, db_bytes}], keyspaces: [{id, name, region}], regions: [{id, keyspace, keyspace_name,
/// leader, term, commit, applied, last, revision, compacted, replicas: [{node, applied}]}],
/// warnings: [text]}`. Unknown things are null.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let views = collect::ask_all(&arguments.remote).await?;
    let report = report::Report::new(&views);
    let mut out = out();
    match arguments.remote.output {
        Format::Json => line(&mut out, &report)?,
        Format::Table => show::show(&mut out, &report)?,
    }
    out.flush()?;
    Ok(Done::Well)
}
