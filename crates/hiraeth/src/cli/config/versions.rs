use std::io::Write;

use client::{Client, ConfigurationName};
use serde_json::json;

use super::show::{at, kind, origin, outcome, version_json};
use super::{parse_name, put};
use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};
use crate::cli::table::Table;
use crate::cli::text::shown;

#[derive(clap::Args)]
pub(super) struct HistoryArguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    /// Versions at most.
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    limit: u32,
    /// Only versions below this one.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "VERSION")]
    before: u64,
}

pub(super) async fn history(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: HistoryArguments,
) -> anyhow::Result<Done> {
    let HistoryArguments { name, limit, before } = arguments;
    let history = client.configuration(name).history(before, limit).await?;
    match format {
        Format::Json => {
            let versions: Vec<_> = history.versions.iter().map(version_json).collect();
            let (stable, gray, keep, more) =
                (history.stable, history.gray, history.keep, history.more);
            line(
                out,
                &json!({ "stable": stable, "gray": gray, "keep": keep, "more": more, "versions": versions }),
            )?;
        }
        Format::Table => {
            let mut table = Table::new(&[
                "VERSION", "", "WHEN", "BY", "HOW", "OUTCOME", "TYPE", "BYTES", "COMMENT",
            ]);
            for version in &history.versions {
                let mark = match version.version {
                    number if number == history.stable => "current",
                    number if number == history.gray => "some",
                    _ => "",
                };
                let why = match version.outcome_why.as_str() {
                    "" => outcome(version).to_owned(),
                    why => format!("{} ({})", outcome(version), shown(why.as_bytes())),
                };
                table.row([
                    version.version.to_string(),
                    mark.to_owned(),
                    at(version.at_ms),
                    shown(version.author.as_bytes()),
                    origin(version),
                    why,
                    kind(version.content_type()),
                    version.bytes.to_string(),
                    shown(version.comment.as_bytes()),
                ]);
            }
            table.print(out)?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

#[derive(clap::Args)]
pub(super) struct DiffArguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    /// The older version [default: the one before the newer].
    #[arg(default_value_t = 0, hide_default_value = true)]
    from: u64,
    /// The newer version [default: the current one].
    #[arg(default_value_t = 0, hide_default_value = true)]
    to: u64,
}

pub(super) async fn diff(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: DiffArguments,
) -> anyhow::Result<Done> {
    let DiffArguments { name, from, to } = arguments;
    let answer = client.configuration(name).diff(from, to).await?;
    match format {
        Format::Table => out.write_all(answer.diff.as_bytes())?,
        Format::Json => {
            line(out, &json!({ "from": answer.from, "to": answer.to, "diff": answer.diff }))?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

#[derive(clap::Args)]
pub(super) struct RollbackArguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    /// The version to go back to [default: the one that was current before].
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "VERSION")]
    to: u64,
    /// What is to be said about it.
    #[arg(long, short = 'm', default_value = "", value_name = "WORDS")]
    comment: String,
    /// Only if this version is current.
    #[arg(long, value_name = "VERSION")]
    expected: Option<u64>,
}

pub(super) async fn rollback(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: RollbackArguments,
) -> anyhow::Result<Done> {
    let RollbackArguments { name, to, comment, expected } = arguments;
    let answer = client.configuration(name).rollback(to, &comment, expected).await?;
    put::told(out, format, answer)
}

#[derive(clap::Args)]
pub(super) struct DeleteArguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    /// Only if this version is current.
    #[arg(long, value_name = "VERSION")]
    expected: Option<u64>,
}

pub(super) async fn delete(client: &Client, arguments: DeleteArguments) -> anyhow::Result<Done> {
    client.configuration(arguments.name).delete(arguments.expected).await?;
    Ok(Done::Well)
}
