use std::io::Write;

use client::Client;
use serde_json::json;

use super::show::{Shown, table};
use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The service.
    service: String,
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    namespace: &str,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let registry = client.registry(Some("hiraeth service watch"));
    let mut service = registry.follow(namespace, &arguments.service).await?;
    loop {
        let (version, instances) = (service.version(), service.instances());
        match format {
            Format::Json => {
                let instances: Vec<_> = instances.iter().map(|it| Shown::new(it)).collect();
                line(out, &json!({ "version": version, "instances": instances }))?;
            }
            Format::Table => {
                writeln!(out, "version {version}: {} instances", instances.len())?;
                table(instances.iter().map(|it| &**it)).print(out)?;
                writeln!(out)?;
            }
        }
        out.flush()?;
        tokio::select! {
            changed = service.changed() => changed?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Done::Well);
            }
        }
    }
}
