//! What the server says about itself, on standard error and to those who follow it.

mod follow;

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

/// It calls a merge that ends because the node stops an error, in the last line of its log. What does fail
/// there the node says itself.
const QUIET: &str = "lsm_tree::compaction::worker=off";

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One readable line per event.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging; a filter that does not parse is an error.
pub(crate) fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(with_quiet(filter))
        .map_err(|error| anyhow::anyhow!("the log level {filter:?} is not understood: {error}"))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr);
    // Off, and so never asked, until somebody follows.
    let (level, wanted) = reload::Layer::new(LevelFilter::OFF);
    let log = tracing_subscriber::registry().with(follow::Follow.with_filter(level));
    match format {
        LogFormat::Text => log.with(lines.compact().with_filter(filter)).init(),
        LogFormat::Json => log.with(lines.json().with_filter(filter)).init(),
    }
    api::monitor::lines().on_change(move |level| {
        // It fails once nothing is logged any more.
        drop(wanted.reload(level));
    });
    Ok(())
}

/// The filter, which says itself what is to be heard of the engine if it speaks of it.
fn with_quiet(filter: &str) -> String {
    if filter.contains("lsm_tree") { filter.to_owned() } else { format!("{QUIET},{filter}") }
}
