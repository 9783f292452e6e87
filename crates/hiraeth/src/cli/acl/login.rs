use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::ask::Door;
use super::show;
use crate::cert;
use crate::cli::failure::Usage;
use crate::cli::output::{Format, out};

/// Who logs in, and where its token's secret goes.
#[derive(clap::Args)]
pub(super) struct Login {
    /// The auth method, by its name.
    #[arg(long, value_name = "NAME")]
    method: String,
    /// A file with what proves who it is: a JWT, such as
    /// /var/run/secrets/kubernetes.io/serviceaccount/token.
    #[arg(long, value_name = "FILE")]
    bearer_token_file: PathBuf,
    /// Something to be told of the token, for people.
    #[arg(long, value_name = "NAME=VALUE")]
    meta: Vec<String>,
    /// Write the secret, and nothing else, to this file [default: show the token].
    #[arg(long, value_name = "FILE")]
    token_sink_file: Option<PathBuf>,
}

/// The only line of a file. What it says is in no error.
pub(super) fn line_of(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.trim().to_owned())
}

/// `NAME=VALUE`, some of them.
pub(super) fn pairs(option: &str, given: &[String]) -> Result<Map<String, Value>, Usage> {
    let pair = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Usage(format!("{option} {text}: say NAME=VALUE")))?;
        Ok((name.to_owned(), value.into()))
    };
    given.iter().map(pair).collect()
}

pub(super) async fn login(door: &Door, login: Login, format: Format) -> anyhow::Result<()> {
    let meta = pairs("--meta", &login.meta)?;
    let bearer = line_of(&login.bearer_token_file)?;
    let body = json!({ "AuthMethod": login.method, "BearerToken": bearer, "Meta": meta });
    let made = door.ask("POST", "login", Some(body)).await?;
    match login.token_sink_file {
        None => show::token(&made, format),
        Some(path) => {
            cert::write(&path, show::text(&made, "SecretID"))
                .with_context(|| path.display().to_string())?;
            let mut out = out();
            writeln!(out, "logged in as {}", show::text(&made, "AccessorID"))?;
            Ok(out.flush()?)
        }
    }
}
