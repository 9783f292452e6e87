use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use client::{Client, ConfigContent, ConfigurationName, FollowOptions, Sight};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::show::kind;
use super::{Reader, parse_name};
use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    #[command(flatten)]
    reader: Reader,
    /// A command to run with each content on its standard input, and its version in HIRAETH_CONFIG_VERSION.
    /// It ends before the next one is run, with what is newest then.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let options = FollowOptions { reader: arguments.reader.reader(), ..FollowOptions::default() };
    let mut followed = client.configuration(arguments.name).follow(options).await?;
    // Also while a command runs.
    let mut interrupts = signal(SignalKind::interrupt())?;
    // By digest, too: of what is removed and made anew the versions count from 1.
    let mut told: Option<Option<(u64, Bytes)>> = None;
    loop {
        let sight = followed.sight();
        let current = current(&sight);
        let now = current.map(|content| (content.version, content.digest.clone()));
        if told.as_ref() != Some(&now) {
            told = Some(now);
            match (current, arguments.command.split_first()) {
                (Some(content), Some((program, rest))) => tokio::select! {
                    done = execute(program, rest, content) => done?,
                    _ = interrupts.recv() => return Ok(Done::Well),
                },
                (None, Some(_)) => eprintln!("there is no such configuration now"),
                (_, None) => show(out, format, current)?,
            }
        }
        tokio::select! {
            changed = followed.changed() => if let Err(error) = changed {
                // It is the last one to have it.
                return Err(Arc::try_unwrap(error).map_or_else(|it| anyhow::anyhow!("{it}"), Into::into));
            },
            _ = interrupts.recv() => return Ok(Done::Well),
        }
    }
}

fn current(sight: &Sight<()>) -> Option<&ConfigContent> {
    sight.held.as_ref().filter(|_| !sight.is_gone).map(|held| &held.content)
}

fn show(out: &mut Out, format: Format, content: Option<&ConfigContent>) -> anyhow::Result<()> {
    match (format, content) {
        (Format::Json, None) => line(out, &json!({ "version": null }))?,
        (Format::Json, Some(content)) => line(
            out,
            &json!({
                "version": content.version,
                "type": kind(content.content_type),
                "gray": content.gray,
                "content": content.text(),
            }),
        )?,
        (Format::Table, None) => writeln!(out, "there is no such configuration")?,
        (Format::Table, Some(content)) => {
            let gray = if content.gray { ", a gray release" } else { "" };
            writeln!(out, "version {}{gray}:\n{}\n", content.version, content.text())?;
        }
    }
    Ok(out.flush()?)
}

/// Runs a command to its end. That it fails is told, and no reason to end.
async fn execute(program: &str, rest: &[String], content: &ConfigContent) -> anyhow::Result<()> {
    let version = content.version.to_string();
    let mut command = Command::new(program);
    command.args(rest).env("HIRAETH_CONFIG_VERSION", &version).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).spawn().with_context(|| program.to_owned())?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read it need not.
        drop(stdin.write_all(&content.content).await);
    }
    let status = child.wait().await?;
    if !status.success() {
        eprintln!("{program} ended with {status} for version {version}");
    }
    Ok(())
}
