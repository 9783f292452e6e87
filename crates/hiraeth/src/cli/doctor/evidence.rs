//! What the doctor looks at.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use client::native::RegionStats;
use client::{Client, Error};
use futures::future::join_all;

use crate::cli::remote::Remote;
use crate::cli::series::Series;
use crate::cli::status::collect::{Views, ask_all};
use crate::cli::status::report::Report;

/// All that servers say, at about one moment.
pub(super) struct Evidence {
    pub(super) views: Views,
    pub(super) report: Report,
    /// By node; of those that answered.
    pub(super) closely: BTreeMap<u64, Closely>,
}

/// One server, looked at closely.
#[derive(Default)]
pub(super) struct Closely {
    /// Empty if it did not give them.
    pub(super) series: Series,
    /// Its replicas; a leader's know the others.
    pub(super) regions: Vec<RegionStats>,
    /// What etcd's clients see as its errors: alarms, and others.
    pub(super) errors: Vec<String>,
    /// How far its wall clock is before this machine's, in seconds, and how exactly that is known.
    pub(super) clock: Option<(f64, f64)>,
}

/// Asks all servers.
pub(super) async fn collect(remote: &Remote) -> Result<Evidence, Error> {
    let views = ask_all(remote).await?;
    let client = Client::lazy(remote.endpoints.iter().map(String::as_str), remote.options()?)?;
    let answered = views.nodes().iter().filter(|node| views.answers.contains_key(&node.id));
    let looks = answered.map(|node| async {
        // A node that never told where clients reach it was asked at the address given.
        (node.id, look(&client, &node.client_address).await)
    });
    let closely = join_all(looks).await.into_iter().collect();
    let report = Report::new(&views);
    Ok(Evidence { views, report, closely })
}

async fn look(client: &Client, address: &str) -> Closely {
    let (began, wall) = (Instant::now(), seconds_since_1970());
    let text = client.metrics(address).await;
    let took = began.elapsed().as_secs_f64();
    let series = text.map(|text| Series::parse(&text)).unwrap_or_default();
    // It read its clock at some moment between the question and the answer.
    let clock = series.one("hiraeth_clock_seconds");
    let clock = clock.map(|clock| (clock - (wall + took / 2.0), took / 2.0));
    let regions = client.raft_stats(address, 0, "").await.map(|stats| stats.regions);
    let errors = client.maintenance_status(address).await.map(|status| status.errors);
    Closely {
        series,
        regions: regions.unwrap_or_default(),
        errors: errors.unwrap_or_default(),
        clock,
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

impl Closely {
    /// The alarms among its errors, as etcd writes them (`memberID:N alarm:KIND `). That there is no leader
    /// is said there, too; that is none, and told of otherwise.
    pub(super) fn alarms(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().map(|error| error.trim()).filter(|error| error.contains("alarm:"))
    }
}

impl Evidence {
    /// Servers that were looked at closely, by name.
    pub(super) fn each(&self) -> impl Iterator<Item = (String, &Closely)> {
        self.closely.iter().map(|(node, closely)| (self.report.name(*node), closely))
    }
}
