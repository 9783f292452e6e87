//! `hiraeth restore`: the data directory of a new cluster.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use node::backup::Restored;
use serde::Serialize;

use super::super::failure::{Done, EXIT_CODES};
use super::super::output::{Format, line, out};
use super::target::Target;

/// Make the data directory of a node of a new cluster that begins with a backup: with its keyspaces,
/// revisions, leases, users and roles. Run it on each node, with the same backup and the same
/// --initial-cluster; then start them. Nodes of the old cluster are refused by the new one.
///
/// Of backups that hold what came since another, give the full one and all behind it, each with a --from of
/// its own, in the order they were taken: the cluster begins with what the last one was taken of.
///
/// JSON: `{cluster, node, keyspaces, records}`.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The backup; again for each that holds what came since the one before.
    #[arg(long, value_name = "FILE", required = true)]
    from: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// How to show the result.
    #[arg(long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Serialize)]
struct Json {
    cluster: String,
    node: u64,
    keyspaces: usize,
    records: u64,
}

pub(in super::super) fn run(arguments: &Arguments) -> anyhow::Result<Done> {
    let Arguments { from, target, output } = arguments;
    let made = super::chain(from).map_err(anyhow::Error::from);
    let made = made.and_then(|backup| target.make(&backup)).context("nothing was restored")?;
    show(*output, &made, target)?;
    Ok(Done::Well)
}

pub(in super::super) fn show(
    output: Format,
    made: &Restored,
    target: &Target,
) -> anyhow::Result<()> {
    let mut out = out();
    let keyspaces = made.contents.keyspaces.len();
    let records = made.contents.end.records;
    match output {
        Format::Json => {
            let (cluster, node) = (made.cluster.to_string(), made.node.get());
            line(&mut out, &Json { cluster, node, keyspaces, records })?;
        }
        Format::Table => {
            let dir = target.data_dir.display();
            writeln!(out, "{dir} is node {} of the new cluster {}", made.node, made.cluster)?;
            writeln!(
                out,
                "{keyspaces} keyspaces, {records} records; start it with `hiraeth serve`"
            )?;
        }
    }
    out.flush()?;
    Ok(())
}
