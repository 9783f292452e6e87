use std::io::Write;

use client::native::{ConfigContentType, ConfigOrigin, ConfigOutcome, ConfigVersion};
use client::{Client, ConfigurationName};
use serde_json::{Value, json};

use super::{Reader, parse_name};
use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    /// This version, whoever gets it.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["id", "labels", "stale"])]
    at: Option<u64>,
    #[command(flatten)]
    reader: Reader,
    /// Whichever copy is at hand is good enough, however old: works without a majority of the servers.
    #[arg(long)]
    stale: bool,
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let configuration = client.configuration(arguments.name);
    let (version, content, gray) = match arguments.at {
        Some(version) => {
            let answer = configuration.version(version).await?;
            (answer.version, answer.content, None)
        }
        None => {
            let reader = arguments.reader.reader();
            let answer = match arguments.stale {
                true => configuration.get_stale(&reader).await?,
                false => configuration.get(&reader).await?,
            };
            (answer.version, answer.content, Some(answer.gray))
        }
    };
    match format {
        // As it was put, so that it can be put elsewhere.
        Format::Table => out.write_all(&content)?,
        Format::Json => {
            let mut shown = version_json(&version.unwrap_or_default());
            shown["content"] = String::from_utf8_lossy(&content).into();
            if let Some(gray) = gray {
                shown["gray"] = gray.into();
            }
            line(out, &shown)?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

pub(super) fn kind(kind: ConfigContentType) -> String {
    kind.as_str_name().to_lowercase()
}

/// How a version came about.
pub(super) fn origin(version: &ConfigVersion) -> String {
    match version.origin() {
        ConfigOrigin::Released => "release".to_owned(),
        ConfigOrigin::Gray => "gray".to_owned(),
        ConfigOrigin::Rollback => format!("rollback to {}", version.of),
    }
}

/// What became of it as a gray release.
pub(super) fn outcome(version: &ConfigVersion) -> &'static str {
    match version.outcome() {
        ConfigOutcome::NoOutcome => "",
        ConfigOutcome::Promoted => "promoted",
        ConfigOutcome::Aborted => "aborted",
        ConfigOutcome::RolledBack => "rolled back",
    }
}

/// A moment as people write it.
pub(super) fn at(millis: u64) -> String {
    let text = api::calendar::wall(millis);
    // Milliseconds say nothing here.
    text.split('.').next().unwrap_or_default().replace('T', " ")
}

pub(super) fn version_json(version: &ConfigVersion) -> Value {
    let digest: String = version.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "version": version.version,
        "type": kind(version.content_type()),
        "bytes": version.bytes,
        "sha256": digest,
        "author": version.author,
        "comment": version.comment,
        "at_ms": version.at_ms,
        "at": api::calendar::wall(version.at_ms),
        "origin": version.origin().as_str_name().to_lowercase(),
        "of": version.of,
        "outcome": outcome(version),
        "outcome_at_ms": version.outcome_at_ms,
        "outcome_why": version.outcome_why,
    })
}
