//! `hiraeth kv watch`.

use std::io::{IsTerminal, Write};

use client::{Change, ChangeKind, Client, Positions, RegionsWatch, Watch};
use types::Code;

use super::failure::Done;
use super::kv::Keys;
use super::output::{Format, Out, line};
use super::{json, text};

#[derive(Clone, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    keys: Keys,
    /// The first revision wanted [default: the next].
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    rev: i64,
    /// Show records as they were before, too.
    #[arg(long)]
    previous: bool,
    /// Leave puts out.
    #[arg(long)]
    no_puts: bool,
    /// Leave deletes out.
    #[arg(long)]
    no_deletes: bool,
    /// Of a sharded keyspace: go on from where a watch of the same keys was, as it said at its end.
    #[arg(long, value_name = "POSITIONS", conflicts_with_all = ["rev", "previous"])]
    resume: Option<Positions>,
}

impl Arguments {
    fn watch(self) -> Watch {
        let mut watch = Watch::span(self.keys.span()).from_revision(self.rev);
        if self.previous {
            watch = watch.previous();
        }
        if self.no_puts {
            watch = watch.no_puts();
        }
        if self.no_deletes {
            watch = watch.no_deletes();
        }
        watch
    }

    fn of_regions(self) -> RegionsWatch {
        let mut watch = match self.resume {
            Some(positions) => RegionsWatch::resume(positions),
            None => RegionsWatch::span(&self.keys.span()),
        };
        if self.no_puts {
            watch = watch.no_puts();
        }
        if self.no_deletes {
            watch = watch.no_deletes();
        }
        watch
    }
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    if arguments.resume.is_some() {
        return run_regions(client, out, format, arguments).await;
    }
    let is_plain = arguments.rev == 0 && !arguments.previous;
    let mut watcher = match client.watch(arguments.clone().watch()).await {
        Ok(watcher) => watcher,
        // The keyspace is sharded; what such a one does not have is refused in the server's words.
        Err(error) if is_plain && error.code() == Some(Code::Unsupported) => {
            return run_regions(client, out, format, arguments).await;
        }
        Err(error) => return Err(error.into()),
    };
    hint();
    loop {
        let changes = tokio::select! {
            changes = watcher.next() => changes?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Done::Well);
            }
        };
        show(out, format, &changes.changes)?;
    }
}

/// Of a sharded keyspace: over all its regions.
async fn run_regions(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let span = arguments.keys.clone().span();
    if arguments.resume.as_ref().is_some_and(|positions| !positions.is_of(&span)) {
        anyhow::bail!("these positions are of a watch of other keys");
    }
    let mut watcher = client.watch_regions(arguments.of_regions()).await?;
    hint();
    loop {
        let changes = tokio::select! {
            changes = watcher.next() => changes,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                eprintln!("go on with --resume {}", watcher.positions());
                return Ok(Done::Well);
            }
        };
        match changes {
            Ok(changes) => show(out, format, &changes.changes)?,
            Err(error) => {
                eprintln!("the watch was here: {}", watcher.positions());
                return Err(error.into());
            }
        }
    }
}

fn hint() {
    if std::io::stderr().is_terminal() {
        eprintln!("watching; Ctrl-C ends");
    }
}

fn show(out: &mut Out, format: Format, changes: &[Change]) -> anyhow::Result<()> {
    for change in changes {
        match format {
            Format::Json => line(out, &json::Changed::new(change))?,
            Format::Table => writeln!(out, "{}", shown(change))?,
        }
    }
    Ok(out.flush()?)
}

/// A change on one line: revision, what happened, key and value.
fn shown(change: &Change) -> String {
    let (revision, key) = (change.kv.mod_revision, text::shown(&change.kv.key));
    let mut line = match change.kind {
        ChangeKind::Put => format!("{revision} put {key} = {}", text::shown(&change.kv.value)),
        ChangeKind::Delete => format!("{revision} delete {key}"),
    };
    if let Some(previous) = &change.previous {
        line.push_str(&format!("  (was {})", text::shown(&previous.value)));
    }
    line
}
