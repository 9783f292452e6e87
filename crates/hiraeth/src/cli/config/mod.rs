//! `hiraeth config`.

mod gray;
mod list;
mod put;
mod schema;
mod show;
mod versions;
mod watch;

use std::collections::BTreeMap;

use client::{ConfigReader, ConfigurationName};

use super::failure::{Done, EXIT_CODES};
use super::output::out;
use super::remote::Remote;

/// Configurations: contents with a name, in versions, which clients get and follow.
///
/// A configuration is called NAME, GROUP/NAME or NAMESPACE/GROUP/NAME; what is not said is `default`.
///
/// JSON: a version is an object `{version, type, bytes, sha256, author, comment, at_ms, at, origin, of,
/// outcome, outcome_at_ms, outcome_why}`; where there is a content it is `content` beside it, as text.
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
    /// Release a content to everybody.
    Put(put::Arguments),
    /// Print what a client gets, or a version.
    Get(show::Arguments),
    /// List configurations.
    List(list::Arguments),
    /// List the versions that are kept, the newest first.
    History(versions::HistoryArguments),
    /// Show what differs between two versions.
    Diff(versions::DiffArguments),
    /// Release the content of an older version.
    Rollback(versions::RollbackArguments),
    /// Remove a configuration with all its versions and its schema.
    Delete(versions::DeleteArguments),
    /// Print what a client gets whenever it is something else, or run a command with it.
    Watch(watch::Arguments),
    /// Versions that some get.
    #[command(subcommand)]
    Gray(gray::Command),
    /// A gray release that ends by itself: by what clients report, and by its time.
    Canary(gray::CanaryArguments),
    /// Say how a client fares with a gray release, for canaries.
    Report(gray::ReportArguments),
    /// What contents have to be, by JSON Schema.
    #[command(subcommand)]
    Schema(schema::Command),
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let (client, format) = (arguments.remote.client()?, arguments.remote.output);
    let mut out = out();
    match arguments.command {
        Command::Put(command) => put::run(&client, &mut out, format, command).await,
        Command::Get(command) => show::run(&client, &mut out, format, command).await,
        Command::List(command) => list::run(&client, &mut out, format, command).await,
        Command::History(command) => versions::history(&client, &mut out, format, command).await,
        Command::Diff(command) => versions::diff(&client, &mut out, format, command).await,
        Command::Rollback(command) => versions::rollback(&client, &mut out, format, command).await,
        Command::Delete(command) => versions::delete(&client, command).await,
        Command::Watch(command) => watch::run(&client, &mut out, format, command).await,
        Command::Gray(command) => gray::run(&client, &mut out, format, command).await,
        Command::Canary(command) => gray::canary(&client, &mut out, format, command).await,
        Command::Report(command) => gray::report(&client, command).await,
        Command::Schema(command) => schema::run(&client, &mut out, format, command).await,
    }
}

/// Which configuration.
fn parse_name(text: &str) -> Result<ConfigurationName, String> {
    if text.matches('/').count() > 2 {
        return Err("say NAME, GROUP/NAME or NAMESPACE/GROUP/NAME".to_owned());
    }
    Ok(text.into())
}

/// Who asks.
#[derive(clap::Args)]
struct Reader {
    /// The client's id, as gray releases look at it.
    #[arg(long, value_name = "ID", default_value = "")]
    id: String,
    /// A label of the client; may be given many times.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_pair)]
    labels: Vec<(String, String)>,
}

impl Reader {
    fn reader(self) -> ConfigReader {
        ConfigReader { id: self.id, labels: self.labels.into_iter().collect() }
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.filter(|(key, _)| !key.is_empty()).ok_or_else(|| "say KEY=VALUE".to_owned())
}

/// Values by their labels.
fn by_label(pairs: Vec<(String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (label, value) in pairs {
        all.entry(label).or_default().push(value);
    }
    all
}
