//! `hiraeth kv watch`.

use std::io::{IsTerminal, Write};

use client::{Change, ChangeKind, Client, Watch};

use super::failure::Done;
use super::kv::Keys;
use super::output::{Format, Out, line};
use super::{json, text};

#[derive(clap::Args)]
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
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let mut watcher = client.watch(arguments.watch()).await?;
    if std::io::stderr().is_terminal() {
        eprintln!("watching; Ctrl-C ends");
    }
    loop {
        let changes = tokio::select! {
            changes = watcher.next() => changes?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Done::Well);
            }
        };
        for change in &changes.changes {
            match format {
                Format::Json => line(out, &json::Changed::new(change))?,
                Format::Table => writeln!(out, "{}", shown(change))?,
            }
        }
        out.flush()?;
    }
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
