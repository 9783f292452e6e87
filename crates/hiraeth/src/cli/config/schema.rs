use std::io::Write;
use std::path::PathBuf;

use client::{Client, ConfigurationName};
use serde_json::json;

use super::parse_name;
use super::put::read;
use crate::cli::failure::{Done, Usage};
use crate::cli::output::{Format, Out, line};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Set a schema; what is current has to be allowed by it.
    Set {
        #[command(flatten)]
        of: Of,
        /// The file with the schema [default: standard input].
        file: Option<PathBuf>,
    },
    /// Print a schema.
    Get {
        #[command(flatten)]
        of: Of,
    },
    /// Remove a schema.
    Remove {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(clap::Args)]
pub(super) struct Of {
    /// The configuration; with a slash at the end, as GROUP/, all of a group.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    command: Command,
) -> anyhow::Result<Done> {
    match command {
        Command::Set { of, file } => {
            let text = String::from_utf8(read(file.as_ref())?);
            let text = text.map_err(|_| Usage("the schema is no UTF-8".to_owned()))?;
            if text.trim().is_empty() {
                let told = "the schema is empty; `hiraeth config schema remove` removes one";
                return Err(Usage(told.to_owned()).into());
            }
            let checked = client.set_schema(&of.name, &text).await?;
            match format {
                Format::Json => line(out, &json!({ "checked": checked }))?,
                Format::Table => {
                    writeln!(out, "set; {checked} current contents are allowed by it")?
                }
            }
        }
        Command::Remove { of } => {
            client.set_schema(&of.name, "").await?;
        }
        Command::Get { of } => {
            let known = client.schema(&of.name).await?;
            if known.schema.is_empty() {
                eprintln!("error: {} has no schema", of.name);
                return Ok(Done::NotFound);
            }
            match format {
                Format::Json => {
                    let (schema, author, at) = (known.schema, known.author, known.at_ms);
                    line(out, &json!({ "schema": schema, "author": author, "at_ms": at }))?;
                }
                Format::Table => {
                    out.write_all(known.schema.as_bytes())?;
                    if !known.schema.ends_with('\n') {
                        out.write_all(b"\n")?;
                    }
                }
            }
        }
    }
    out.flush()?;
    Ok(Done::Well)
}
