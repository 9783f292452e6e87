//! One look at all servers.

use std::collections::BTreeMap;
use std::time::Instant;

use client::native::HotResponse;
use client::{Client, Error};
use futures::future::join_all;

use crate::cli::remote::Remote;
use crate::cli::series::Series;
use crate::cli::status::collect::ask_all;
use crate::cli::status::report::Report;

/// Keys of each region that are asked for.
const KEYS: u32 = 5;

/// What they said.
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) report: Report,
    /// By node; of those that answered.
    pub(super) series: BTreeMap<u64, Series>,
    /// What clients ask for most; `None` if nobody tells.
    pub(super) hot: Option<Vec<HotResponse>>,
}

pub(super) struct Sampler<'a> {
    remote: &'a Remote,
    client: Client,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(remote: &'a Remote) -> anyhow::Result<Self> {
        Ok(Self { remote, client: remote.client()? })
    }

    pub(super) async fn look(&self) -> Result<Sample, Error> {
        let views = ask_all(self.remote).await?;
        let at = Instant::now();
        let answered = views.nodes().iter().filter(|node| views.answers.contains_key(&node.id));
        let looks = answered.map(|node| async {
            let address = node.client_address.as_str();
            let both = futures::future::join(
                self.client.metrics(address),
                self.client.hot(address, "", KEYS),
            );
            let (series, hot) = both.await;
            (node.id, series.ok().map(|text| Series::parse(&text)), hot.ok())
        });
        let (mut series, mut hot) = (BTreeMap::new(), None);
        for (node, told, hottest) in join_all(looks).await {
            if let Some(told) = told {
                series.insert(node, told);
            }
            if let Some(hottest) = hottest {
                hot.get_or_insert_with(Vec::new).push(hottest);
            }
        }
        Ok(Sample { at, report: Report::new(&views), series, hot })
    }
}
