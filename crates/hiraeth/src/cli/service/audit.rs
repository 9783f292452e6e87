use std::io::Write;

use client::Client;
use serde_json::json;

use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};
use crate::cli::table::Table;

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
    let millis = |micros: u64| format!("{:.1} ms", micros as f64 / 1_000.0);
    let endpoints: Vec<String> = client.endpoints().map(str::to_owned).collect();
    for endpoint in endpoints {
        let audit = client.audit(&endpoint, namespace, &arguments.service).await?;
        if format == Format::Json {
            let readers = audit.readers.iter().map(|it| {
                json!({
                    "label": it.label, "sent": it.sent, "acknowledged": it.acknowledged,
                    "took_us": it.took_us,
                })
            });
            let pushes = audit.pushes.iter().map(|it| {
                json!({
                    "version": it.version, "ago_ms": it.ago_ms, "changed": it.changed, "gone": it.gone,
                    "readers": it.readers, "acknowledged": it.acknowledged, "slowest_us": it.slowest_us,
                })
            });
            let (readers, pushes): (Vec<_>, Vec<_>) = (readers.collect(), pushes.collect());
            line(
                out,
                &json!({
                    "server": endpoint, "version": audit.version, "instances": audit.instances,
                    "readers": readers, "pushes": pushes,
                }),
            )?;
            continue;
        }
        let count = audit.readers.len();
        let (version, instances) = (audit.version, audit.instances);
        writeln!(out, "{endpoint}: version {version}, {instances} instances, {count} subscribers")?;
        let mut table = Table::new(&["SUBSCRIBER", "SENT", "HAS", "TOOK"]);
        for reader in &audit.readers {
            let took = if reader.took_us > 0 { millis(reader.took_us) } else { "-".to_owned() };
            let (sent, has) = (reader.sent.to_string(), reader.acknowledged.to_string());
            table.row([reader.label.clone(), sent, has, took]);
        }
        table.print(out)?;
        let mut table = Table::new(&["PUSH", "AGO", "CHANGED", "GONE", "HAVE IT", "SLOWEST"]);
        for push in &audit.pushes {
            table.row([
                push.version.to_string(),
                format!("{:.1} s", push.ago_ms as f64 / 1_000.0),
                push.changed.to_string(),
                push.gone.to_string(),
                format!("{}/{}", push.acknowledged, push.readers),
                millis(push.slowest_us),
            ]);
        }
        table.print(out)?;
        writeln!(out)?;
    }
    out.flush()?;
    Ok(Done::Well)
}
