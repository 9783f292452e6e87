//! `hiraeth sequence`.

use std::io::Write;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, line, out};
use super::remote::Remote;

/// What the keys of sequences begin with.
const PREFIX: &str = "sequence/";

/// Ids that are given out once, in steps. A sequence is a key below `sequence/`
///
/// JSON: next `{first, next}`, the ids from `first` up to, without, `next`; latest and reset `{next}`.
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
    /// Take ids.
    Next {
        /// Which sequence; it begins with 0.
        name: String,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 1)]
        step: u64,
    },
    /// Show the next id without taking it.
    Latest {
        /// Which sequence.
        name: String,
    },
    /// Go on with another id.
    Reset {
        /// Which sequence.
        name: String,
        /// The next id. If it is lower than it was, ids are given twice.
        #[arg(long, value_name = "ID", default_value_t = 0)]
        to: u64,
    },
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let client = arguments.remote.client()?;
    let format = arguments.remote.output;
    let mut out = out();
    let sequence = |name: &str| client.sequence(format!("{PREFIX}{name}"));
    let next = match arguments.command {
        Command::Next { name, step } => {
            let ids = sequence(&name).next(step).await?;
            match format {
                Format::Json => {
                    line(&mut out, &serde_json::json!({ "first": ids.start, "next": ids.end }))?;
                }
                Format::Table if step == 1 => writeln!(out, "{}", ids.start)?,
                Format::Table => writeln!(out, "{} to {}", ids.start, ids.end - 1)?,
            }
            out.flush()?;
            return Ok(Done::Well);
        }
        Command::Latest { name } => sequence(&name).latest().await?,
        Command::Reset { name, to } => {
            sequence(&name).reset(to).await?;
            to
        }
    };
    match format {
        Format::Json => line(&mut out, &serde_json::json!({ "next": next }))?,
        Format::Table => writeln!(out, "{next}")?,
    }
    out.flush()?;
    Ok(Done::Well)
}
