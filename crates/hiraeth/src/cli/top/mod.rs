//! `hiraeth top`.

mod draw;
mod picture;
mod sample;
mod terminal;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, line, out};
use super::remote::{Remote, parse_time};
use draw::{Sort, View, frame, plain};
use picture::Picture;
use sample::{Sample, Sampler};
use terminal::{Key, Terminal};

/// Watch a cluster at work: servers, regions by load, latencies, keys that are asked for most.
///
/// In a terminal of at least 40 columns and 10 lines the picture is drawn again as news come. Otherwise, or
/// with `--once` or `--output json`, it is printed.
///
/// Keys: q ends, s sorts regions by something else, up and down scroll them, p pauses, k shows keys or not.
///
/// Rates are of the time since the picture before. The time of writes is that of one in 64; regions' requests
/// and keys are estimates (`hiraeth hot`), and where there are users only root is told them: `--user`.
///
/// JSON, one object per picture: `{state, cluster, seconds, writes_per_s, reads_per_s, failed_per_s,
/// write_half_ms, write_99_ms, read_wait_99_ms, watches, leases, warnings, nodes: [{id, name, state, leads,
/// regions, writes_per_s, reads_per_s, write_99_ms, sync_99_ms, lag, cpu_percent, rss_bytes,
/// disk_free_bytes}], regions: [{id, keyspace_name, state, leader, requests_per_s, commits_per_s, behind,
/// revision}], keys: [{region, keyspace_name, key, key_text, requests_per_s}]}`. Unknown things are null.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    /// How often.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    every: Duration,
    /// Print one picture, made of two looks.
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let sampler = Sampler::new(&arguments.remote)?;
    let is_person = arguments.remote.output == Format::Table && !arguments.once;
    if is_person && std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        let mut terminal = Terminal::take()?;
        return live(&sampler, &mut terminal, arguments.every).await;
    }
    printed(&sampler, &arguments).await
}

async fn printed(sampler: &Sampler<'_>, arguments: &Arguments) -> anyhow::Result<Done> {
    let mut out = out();
    let mut before = sampler.look().await?;
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Done::Well);
            }
            () = sleep(arguments.every) => {}
        }
        let now = sampler.look().await?;
        let picture = Picture::new(&before, &now);
        match arguments.remote.output {
            Format::Json => line(&mut out, &picture)?,
            Format::Table => plain(&mut out, &picture)?,
        }
        out.flush()?;
        if arguments.once {
            return Ok(Done::Well);
        }
        before = now;
    }
}

/// What is on the screen.
enum Shown {
    Picture(Picture),
    /// Nobody answers, for this reason.
    Words(String),
}

async fn live(
    sampler: &Sampler<'_>,
    terminal: &mut Terminal,
    every: Duration,
) -> anyhow::Result<Done> {
    let mut view = View::default();
    let mut before: Option<Sample> = None;
    let mut shown = Shown::Words("asking the servers".to_owned());
    loop {
        let pause = if before.is_some() { every } else { Duration::ZERO };
        let mut looking = pin!(async {
            sleep(pause).await;
            sampler.look().await
        });
        let looked = loop {
            draw(terminal, &view, &shown)?;
            tokio::select! {
                biased;
                key = terminal.key() => match key {
                    Key::Quit => return Ok(Done::Well),
                    Key::Sort => view.sort = view.sort.next(),
                    Key::Pause => view.is_paused = !view.is_paused,
                    Key::Keys => view.hides_keys = !view.hides_keys,
                    Key::Up(lines) => view.first = view.first.saturating_sub(lines),
                    Key::Down(lines) => view.first += lines,
                    Key::Resized | Key::Other => {}
                },
                looked = &mut looking => break looked,
            }
        };
        match looked {
            Ok(now) => {
                if let Some(before) = before.as_ref().filter(|_| !view.is_paused) {
                    let picture = Picture::new(before, &now);
                    view.first = view.first.min(picture.regions.len().saturating_sub(1));
                    shown = Shown::Picture(picture);
                }
                before = Some(now);
            }
            Err(error) => {
                shown = Shown::Words(format!("nobody answers: {error}"));
                before = None;
                // Those who refuse do so at once.
                sleep(every.min(Duration::from_secs(1))).await;
            }
        }
    }
}

fn draw(terminal: &mut Terminal, view: &View, shown: &Shown) -> std::io::Result<()> {
    let (columns, lines) = terminal.size();
    let frame = match shown {
        Shown::Picture(picture) => frame(picture, view, columns, lines),
        Shown::Words(words) => vec![words.chars().take(columns).collect(), "q ends".to_owned()],
    };
    terminal.draw(&frame)
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Load => Self::Behind,
            Self::Behind => Self::Number,
            Self::Number => Self::Load,
        }
    }
}
