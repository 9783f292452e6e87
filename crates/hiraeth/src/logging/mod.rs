//! What the server says about itself, on standard error and to those who follow it.

mod follow;

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

/// What a server says where nobody says otherwise.
pub(crate) const SERVER: &str = "info,lsm_tree=warn";

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

/// The filter, which says itself what is to be heard of merges if it speaks of them: of what is said of the
/// same thing twice, the longer name counts.
fn with_quiet(filter: &str) -> String {
    if filter.contains("lsm_tree::compaction") {
        return filter.to_owned();
    }
    format!("{QUIET},{filter}")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{EnvFilter, Layer};

    use super::{SERVER, with_quiet};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of a merge that failed and of the engine otherwise.
    fn logged(filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let filter = EnvFilter::try_new(with_quiet(filter)).unwrap();
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "lsm_tree::compaction::worker", "merge");
            tracing::error!(target: "lsm_tree::tree", "tree");
            tracing::info!(target: "node", "node");
        });
        let text = lines.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_end_of_a_merge_at_a_stop_is_no_error_unless_somebody_asks_for_it() {
        for filter in [SERVER, "info", "debug,lsm_tree=debug"] {
            let logged = logged(filter);
            assert!(!logged.contains("merge"), "{filter}: {logged}");
            assert!(logged.contains("tree") && logged.contains("node"), "{filter}: {logged}");
        }
        assert!(logged("info,lsm_tree::compaction=error").contains("merge"));
    }
}
