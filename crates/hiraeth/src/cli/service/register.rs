use std::collections::HashMap;
use std::time::Duration;

use client::{Client, Instance};

use crate::cli::failure::Done;
use crate::cli::remote::parse_time;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The service.
    service: String,
    /// Where the instance is reached, host:port.
    endpoint: String,
    /// Its id, unique on its node [default: SERVICE-PORT].
    #[arg(long, default_value = "")]
    id: String,
    /// The node it is on [default: the address].
    #[arg(long, default_value = "")]
    node: String,
    /// A tag; may be given many times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Something else to be known of it; may be given many times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    meta: Vec<(String, String)>,
    /// How often it is to be chosen, beside others.
    #[arg(long, default_value_t = 1)]
    weight: u32,
    /// Where it runs.
    #[arg(long, default_value = "")]
    zone: String,
    /// Silence after which it does not pass any more.
    #[arg(long, default_value = "15s", value_parser = parse_time, value_name = "TIME")]
    ttl: Duration,
    /// Time after which it is forgotten when it does not pass.
    #[arg(long, default_value = "10m", value_parser = parse_time, value_name = "TIME")]
    deregister_after: Duration,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "say KEY=VALUE".to_owned())
}

pub(super) async fn run(
    client: &Client,
    namespace: &str,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let (address, port) = arguments
        .endpoint
        .rsplit_once(':')
        .ok_or_else(|| crate::cli::Usage(format!("{:?} is no host:port", arguments.endpoint)))?;
    let port = port.parse().map_err(|_| crate::cli::Usage(format!("{port:?} is no port")))?;
    let instance = Instance {
        namespace: namespace.to_owned(),
        service: arguments.service,
        id: arguments.id,
        node: arguments.node,
        address: address.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port,
        tags: arguments.tags,
        meta: arguments.meta.into_iter().collect::<HashMap<_, _>>(),
        weight: arguments.weight,
        zone: arguments.zone,
        ttl: Some(arguments.ttl),
        deregister_after: Some(arguments.deregister_after),
        ..Instance::default()
    };
    let registry = client.registry(Some("hiraeth service register"));
    let kept = registry.register(instance).await?;
    eprintln!("registered and kept alive; Ctrl-C takes it back");
    tokio::signal::ctrl_c().await?;
    kept.deregister().await?;
    eprintln!("taken back");
    Ok(Done::Well)
}
