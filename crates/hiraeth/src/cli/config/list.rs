use std::io::Write;

use client::native::{ConfigInfo, ListConfigsRequest};
use client::{Client, ConfigurationName};
use serde_json::json;

use super::show::{at, kind, version_json};
use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};
use crate::cli::table::Table;
use crate::cli::text::shown;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Only those of a namespace, of a group, or that begin so in a group.
    #[arg(value_name = "NAMESPACE[/GROUP[/PREFIX]]", default_value = "", value_parser = parse_place)]
    place: ConfigurationName,
}

/// What is looked for, from the outside in.
fn parse_place(text: &str) -> Result<ConfigurationName, String> {
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (namespace, group, name) = (next(), next(), next());
    if name.contains('/') {
        return Err("say NAMESPACE, NAMESPACE/GROUP or NAMESPACE/GROUP/PREFIX".to_owned());
    }
    Ok(ConfigurationName { namespace, group, name })
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let ConfigurationName { namespace, group, name: prefix } = arguments.place;
    let mut request = ListConfigsRequest { namespace, group, prefix, limit: 0, after: None };
    let mut all: Vec<ConfigInfo> = Vec::new();
    loop {
        let page = client.configurations(request.clone()).await?;
        all.extend(page.configs);
        request.after = all.last().and_then(|info| info.name.clone());
        if !page.more {
            break;
        }
    }
    match format {
        Format::Json => {
            let all = all.iter().map(|info| {
                let of = info.name.clone().unwrap_or_default();
                json!({
                    "namespace": of.namespace, "group": of.group, "name": of.name,
                    "stable": info.stable.as_ref().map(version_json),
                    "gray": info.gray.as_ref().map(version_json),
                    "revision": info.revision,
                })
            });
            line(out, &all.collect::<Vec<_>>())?;
        }
        Format::Table => {
            let mut table = Table::new(&[
                "NAMESPACE",
                "GROUP",
                "NAME",
                "VERSION",
                "GRAY",
                "TYPE",
                "BYTES",
                "CHANGED",
                "BY",
            ]);
            for info in &all {
                let of = info.name.clone().unwrap_or_default();
                let stable = info.stable.clone().unwrap_or_default();
                let gray =
                    info.gray.as_ref().map_or("-".to_owned(), |gray| gray.version.to_string());
                table.row([
                    of.namespace,
                    of.group,
                    of.name,
                    stable.version.to_string(),
                    gray,
                    kind(stable.content_type()),
                    stable.bytes.to_string(),
                    at(stable.at_ms),
                    shown(stable.author.as_bytes()),
                ]);
            }
            table.print(out)?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}
