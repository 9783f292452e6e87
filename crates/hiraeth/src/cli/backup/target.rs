//! Which node of which new cluster a data directory is made for.

use std::path::PathBuf;
use std::sync::Arc;

use node::backup::{Chain, Restored, Target as Made, restore};
use node::env::{Disk, OsRandom};
use node::identity::InitialCluster;

use super::super::failure::Usage;

/// The node whose data directory is made.
#[derive(clap::Args)]
pub(in super::super) struct Target {
    /// The data directory to be made; it must be empty, or not there.
    #[arg(long, value_name = "DIR")]
    pub(in super::super) data_dir: PathBuf,
    /// The node's name in the new cluster.
    #[arg(long, default_value = "n1")]
    name: String,
    /// The nodes of the new cluster with their peer addresses; the same, with the same backup, on each of
    /// them [default: this one, at 127.0.0.1:2380].
    #[arg(long, value_name = "NAME=HOST:PORT,...", value_delimiter = ',')]
    initial_cluster: Vec<String>,
    /// Makes the cluster another one than that of the same backup on the same nodes; the same on all of them.
    #[arg(long, default_value = "")]
    token: String,
}

impl Target {
    /// Makes it of a backup.
    pub(in super::super) fn make(&self, backup: &Chain) -> anyhow::Result<Restored> {
        let members = match self.initial_cluster.is_empty() {
            true => vec![(self.name.clone(), "127.0.0.1:2380".to_owned())],
            false => self.initial_cluster.iter().map(|it| member(it)).collect::<Result<_, _>>()?,
        };
        let data_dir = std::path::absolute(&self.data_dir).unwrap_or(self.data_dir.clone());
        let made = Made {
            data_dir,
            name: self.name.clone(),
            initial: InitialCluster::new(members)?,
            token: self.token.clone(),
        };
        let disk: Arc<dyn Disk> = Arc::new(node::RealDisk);
        Ok(restore(&disk, &OsRandom, &made, backup)?)
    }
}

fn member(text: &str) -> Result<(String, String), Usage> {
    let wrong =
        || Usage(format!("--initial-cluster takes name=host:port,...; {text:?} is not that"));
    let (name, address) = text.split_once('=').ok_or_else(wrong)?;
    let bare = address.split_once("://").map_or(address, |(_, bare)| bare).trim_end_matches('/');
    match name.is_empty() || !bare.contains(':') || bare.contains('/') {
        true => Err(wrong()),
        false => Ok((name.to_owned(), bare.to_owned())),
    }
}
