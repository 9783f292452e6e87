//! `hiraeth status`.

pub(super) mod collect;
pub(super) mod report;
mod show;
mod strain;
#[cfg(test)]
mod tests;
mod worry;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::failure::Done;
use super::output::{Format, Out, line, out};
use super::remote::{Remote, parse_time};
use report::Report;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  something is wrong, and named; every keyspace serves
  2  a region has no quorum, or no server can be reached, or the command line is wrong";

/// Show the cluster on one screen: what is wrong and what to do, nodes, keyspaces.
///
/// The servers given are asked, and with their help all others, each for two seconds at most. Where
/// there is no quorum, those that answer still tell what they see.
///
/// JSON: `{state, cluster, nodes: [{id, name, peer_address, client_address, reachable, error,
/// version, silent_ms, flags, leads, regions, hibernating, lag, db_bytes, disk_free_bytes, rss_bytes,
/// cpu_percent, uptime_ms}], keyspaces: [{id, name, region}], regions: [{id, keyspace, keyspace_name,
/// state, detail, leader, term, commit, applied, last, revision, compacted, behind, replicas: [{node,
/// applied}]}], warnings: [text]}`. `state` is `healthy`, `degraded` or `no-quorum`. Unknown things
/// are null.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    /// Show it again and again, this often unless told otherwise; Ctrl-C ends.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        default_missing_value = "2s",
        value_parser = parse_time
    )]
    watch: Option<Duration>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let mut out = out();
    let Some(every) = arguments.watch else { return look(&arguments.remote, &mut out).await };
    let clear = arguments.remote.output == Format::Table && std::io::stdout().is_terminal();
    loop {
        if clear {
            // To the corner, and what is below it away.
            out.write_all(b"\x1b[H\x1b[J")?;
        }
        let done = look(&arguments.remote, &mut out).await?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(done);
            }
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn look(remote: &Remote, out: &mut Out) -> anyhow::Result<Done> {
    let views = match collect::ask_all(remote).await {
        Ok(views) => views,
        Err(error) => {
            eprintln!("error: {error}");
            eprintln!(
                "hint: is a server running there? --endpoints or HIRAETH_ENDPOINTS say where to ask"
            );
            return Ok(Done::Code(2));
        }
    };
    let report = Report::new(&views);
    match remote.output {
        Format::Json => line(out, &report)?,
        Format::Table => show::show(out, &report)?,
    }
    out.flush()?;
    Ok(Done::Code(report.state.exit()))
}
