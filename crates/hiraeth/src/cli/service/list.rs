use std::io::Write;

use client::Client;

use super::show::{Shown, table};
use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};
use crate::cli::table::Table;
use crate::cli::text;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The service whose instances to list [default: list the services].
    service: Option<String>,
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    namespace: &str,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    match arguments.service {
        Some(service) => {
            let (_, instances) = client.find_service(namespace, &service).await?;
            match format {
                Format::Table => table(&instances).print(out)?,
                Format::Json => line(out, &instances.iter().map(Shown::new).collect::<Vec<_>>())?,
            }
        }
        None => {
            let services = client.services(namespace).await?;
            match format {
                Format::Table => {
                    let mut table = Table::new(&["SERVICE", "PASSING", "INSTANCES", "TAGS"]);
                    for service in &services {
                        let tags = text::shown(service.tags.join(",").as_bytes());
                        let (passing, all) = (service.passing, service.instances);
                        let name = text::shown(service.name.as_bytes());
                        table.row([name, passing.to_string(), all.to_string(), tags]);
                    }
                    table.print(out)?;
                }
                Format::Json => {
                    let all = services.iter().map(|it| {
                        serde_json::json!({
                            "service": it.name,
                            "tags": it.tags,
                            "instances": it.instances,
                            "passing": it.passing,
                        })
                    });
                    line(out, &all.collect::<Vec<_>>())?;
                }
            }
        }
    }
    out.flush()?;
    Ok(Done::Well)
}
