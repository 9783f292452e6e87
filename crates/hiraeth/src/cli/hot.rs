//! `hiraeth hot`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::Client;
use client::native::{HotResponse, Role};
use futures::future::join_all;
use serde::Serialize;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, Out, line, out};
use super::remote::Remote;
use super::table::Table;
use super::text;

/// Show what clients ask for most, by region and key.
///
/// The servers given are asked, and with their help all others; what they say is added up. Each tells of
/// what its own clients asked, from a sample of the last seconds: a region's rate is an estimate, a key's
/// says what it has at least. Keys below a hundred or so requests per second may be missing.
///
/// Who leads a region has the work with it, wherever it is asked for: the second table shows what part of all
/// each server leads. Leaders of sharded keyspaces are moved by that.
///
/// JSON: one object per region, the hottest first: `{region, keyspace, keyspace_name, leader, rate, keys:
/// [{key, key_text, rate, share, bounded}]}`. Rates are requests per second, `share` is of the region's,
/// `leader` the server's number, or null.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Keys of each region.
    #[arg(long, value_name = "N", default_value_t = 5)]
    keys: usize,
    #[command(flatten)]
    remote: Remote,
}

/// A region as all servers together see it.
#[derive(Default)]
struct Region {
    keyspace: u32,
    name: String,
    leader: Option<u64>,
    rate: u64,
    /// Requests per second, and whether some server bounds them.
    keys: BTreeMap<Vec<u8>, (u64, bool)>,
}

#[derive(Serialize)]
struct JsonRegion<'a> {
    region: u64,
    keyspace: u32,
    keyspace_name: &'a str,
    leader: Option<u64>,
    rate: u64,
    keys: Vec<JsonKey<'a>>,
}

#[derive(Serialize)]
struct JsonKey<'a> {
    key: String,
    key_text: Option<&'a str>,
    rate: u64,
    share: f64,
    bounded: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let remote = &arguments.remote;
    let (client, keyspace) = (remote.client()?, remote.keyspace().unwrap_or_default());
    let addresses = everybody(&client).await?;
    let asked = addresses.iter().map(|it| client.hot(it, keyspace, 0));
    let (mut told, mut failed) = (Vec::new(), None);
    for answer in join_all(asked).await {
        match answer {
            Ok(answer) => told.push(answer),
            Err(error) => {
                eprintln!("{error}");
                failed = Some(error);
            }
        }
    }
    if let Some(error) = failed.filter(|_| told.is_empty()) {
        return Err(error.into());
    }
    let mut regions = added_up(told);
    let servers = servers(&client, &addresses, &mut regions).await;
    let mut regions: Vec<(u64, Region)> = regions.into_iter().collect();
    regions.sort_by_key(|(id, region)| (Reverse(region.rate), *id));
    let mut out = out();
    match remote.output {
        Format::Json => {
            for (id, region) in &regions {
                line(&mut out, &json(*id, region, arguments.keys))?;
            }
        }
        Format::Table => show(&mut out, &regions, arguments.keys, &servers)?,
    }
    out.flush()?;
    Ok(Done::Well)
}

/// Where the servers of the cluster are reached, and those that were given if one of them answers for nobody.
async fn everybody(client: &Client) -> anyhow::Result<BTreeSet<String>> {
    let status = client.any_node_status().await?;
    let known = status.nodes.into_iter().map(|node| node.client_address);
    let known: BTreeSet<String> = known.filter(|address| !address.is_empty()).collect();
    if known.is_empty() {
        return Ok(client.endpoints().map(str::to_owned).collect());
    }
    Ok(known)
}

/// The names of the servers, and to each region its leader, as it says itself; who does not answer is not
/// among them.
async fn servers(
    client: &Client,
    addresses: &BTreeSet<String>,
    regions: &mut BTreeMap<u64, Region>,
) -> BTreeMap<u64, String> {
    let mut servers = BTreeMap::new();
    let asked = join_all(addresses.iter().map(|it| client.node_status(it))).await;
    for status in asked.into_iter().flatten() {
        for led in status.regions.iter().filter(|region| region.role() == Role::Leader) {
            if let Some(region) = regions.get_mut(&led.id) {
                region.leader = Some(status.node);
            }
        }
        let own = status.nodes.iter().find(|node| node.id == status.node);
        let name = own.map(|node| node.name.clone()).filter(|name| !name.is_empty());
        servers.insert(status.node, name.unwrap_or_else(|| status.node.to_string()));
    }
    servers
}

/// What each server leads, in requests per second.
fn led(regions: &[(u64, Region)], server: u64) -> u64 {
    let led = regions.iter().filter(|(_, region)| region.leader == Some(server));
    led.map(|(_, region)| region.rate).sum()
}

fn added_up(told: Vec<HotResponse>) -> BTreeMap<u64, Region> {
    let mut regions: BTreeMap<u64, Region> = BTreeMap::new();
    for hot in told.into_iter().flat_map(|answer| answer.regions) {
        let region = regions.entry(hot.region).or_default();
        (region.keyspace, region.name) = (hot.keyspace, hot.keyspace_name);
        region.rate += hot.rate;
        for key in hot.keys {
            let (rate, bounded) = region.keys.entry(key.key.to_vec()).or_default();
            *rate += key.rate;
            *bounded |= key.bounded;
        }
    }
    regions
}

impl Region {
    fn hottest(&self, most: usize) -> Vec<(&[u8], u64, bool)> {
        let keys = self.keys.iter().map(|(key, (rate, bounded))| (key.as_slice(), *rate, *bounded));
        let mut keys: Vec<_> = keys.collect();
        keys.sort_by_key(|(key, rate, _)| (Reverse(*rate), *key));
        keys.truncate(most);
        keys
    }

    fn share(&self, rate: u64) -> f64 {
        rate as f64 / self.rate.max(rate).max(1) as f64
    }
}

fn json(id: u64, region: &Region, most: usize) -> JsonRegion<'_> {
    let key = |(key, rate, bounded)| JsonKey {
        key: STANDARD.encode(key),
        key_text: std::str::from_utf8(key).ok(),
        rate,
        share: region.share(rate),
        bounded,
    };
    JsonRegion {
        region: id,
        keyspace: region.keyspace,
        keyspace_name: &region.name,
        leader: region.leader,
        rate: region.rate,
        keys: region.hottest(most).into_iter().map(key).collect(),
    }
}

fn show(
    out: &mut Out,
    regions: &[(u64, Region)],
    most: usize,
    servers: &BTreeMap<u64, String>,
) -> std::io::Result<()> {
    let mut table = Table::new(&["REGION", "KEYSPACE", "LEADER", "REQUESTS/S", "SHARE", "KEY"]);
    for (id, region) in regions {
        let name = match region.name.as_str() {
            "" => "(meta)".to_owned(),
            name => text::shown(name.as_bytes()),
        };
        let leader = region.leader.and_then(|leader| servers.get(&leader));
        let leader = leader.map_or_else(|| "-".to_owned(), |name| text::shown(name.as_bytes()));
        let own = [id.to_string(), name, leader, region.rate.to_string(), "100 %".to_owned()];
        table.row(own.into_iter().chain([String::new()]));
        for (key, rate, bounded) in region.hottest(most) {
            let bounded = if bounded { " (bounded)" } else { "" };
            table.row([
                String::new(),
                String::new(),
                String::new(),
                rate.to_string(),
                format!("{:.0} %", region.share(rate) * 100.0),
                format!("{}{bounded}", text::shown(key)),
            ]);
        }
    }
    table.print(out)?;
    let all: u64 = regions.iter().map(|(_, region)| region.rate).sum();
    let mut table = Table::new(&["SERVER", "LEADS REQUESTS/S", "SHARE"]);
    for (server, name) in servers {
        let rate = led(regions, *server);
        let share = format!("{:.0} %", rate as f64 * 100.0 / all.max(1) as f64);
        table.row([text::shown(name.as_bytes()), rate.to_string(), share]);
    }
    writeln!(out)?;
    table.print(out)
}

#[cfg(test)]
mod tests {
    use client::native::{HotKey, HotRegion, HotResponse};

    use super::added_up;

    #[test]
    fn what_servers_say_is_added_up() {
        let told = |node, rate, keys: &[(&'static str, u64, bool)]| {
            let keys = keys.iter().map(|(key, rate, bounded)| HotKey {
                key: key.as_bytes().into(),
                rate: *rate,
                bounded: *bounded,
            });
            let region =
                HotRegion { region: 9, rate, keys: keys.collect(), ..HotRegion::default() };
            HotResponse { node, regions: vec![region] }
        };
        let regions = added_up(vec![
            told(1, 300, &[("a", 100, false), ("b", 90, false)]),
            told(2, 100, &[("b", 80, true)]),
        ]);
        let region = &regions[&9];
        assert_eq!(region.rate, 400);
        assert_eq!(region.hottest(1), [(&b"b"[..], 170, true)]);
        assert_eq!(region.hottest(9)[1], (&b"a"[..], 100, false));
        assert!((region.share(100) - 0.25).abs() < 1e-9);
    }
}
