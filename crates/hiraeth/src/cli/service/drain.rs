use client::{Client, Drain};

use crate::cli::failure::Done;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The node.
    node: String,
    /// The instance's id [default: everything on the node].
    #[arg(default_value = "")]
    id: String,
    /// Put it back into service.
    #[arg(long)]
    back: bool,
    /// Why, for people.
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(
    client: &Client,
    namespace: &str,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let Arguments { node, id, back, reason } = arguments;
    client.drain(Drain { namespace: namespace.to_owned(), node, id, back, reason }).await?;
    Ok(Done::Well)
}
