//! Load on the client port, to measure a server:
//! `cargo run --release -p api --example load -- endpoints=127.0.0.1:2379 mode=put clients=64`.
//!
//! Each client asks for one thing at a time. Printed are requests a second and how long one took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy)]
enum Mode {
    Put,
    /// With the metadata `hiraeth-read` that says how, if any.
    Get(Option<&'static str>),
    Serializable,
}

struct Settings {
    endpoints: Vec<String>,
    mode: Mode,
    connections: usize,
    clients: usize,
    requests: u64,
    keys: u64,
    value_bytes: usize,
}

impl Settings {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut given = BTreeMap::new();
        for argument in arguments {
            let (name, value) = argument.split_once('=').ok_or("settings are name=value")?;
            given.insert(name.to_owned(), value.to_owned());
        }
        let mut take =
            |name: &str, default: &str| given.remove(name).unwrap_or_else(|| default.to_owned());
        let settings = Self {
            endpoints: take("endpoints", "127.0.0.1:2379").split(',').map(str::to_owned).collect(),
            mode: match take("mode", "put").as_str() {
                "put" => Mode::Put,
                "get" => Mode::Get(None),
                "lease" => Mode::Get(Some("lease")),
                "follower" => Mode::Get(Some("follower")),
                "stale" => Mode::Get(Some("stale")),
                "serializable" => Mode::Serializable,
                other => {
                    let modes = "put, get, lease, follower, stale or serializable";
                    return Err(format!("mode={other}: {modes}").into());
                }
            },
            connections: take("connections", "4").parse()?,
            clients: take("clients", "64").parse()?,
            requests: take("requests", "100000").parse()?,
            keys: take("keys", "10000").parse()?,
            value_bytes: take("value-bytes", "256").parse()?,
        };
        match given.pop_first() {
            Some((name, _)) => Err(format!("there is no setting {name}").into()),
            None if settings.keys == 0 || settings.connections == 0 => {
                Err("at least one key and one connection".into())
            }
            None => Ok(settings),
        }
    }

    async fn ask(&self, client: &mut KvClient<Channel>, number: u64) -> Result<(), Status> {
        // Spread over the keys without repeating before all had their turn.
        let key = format!("load/{:08}", number.wrapping_mul(7_919) % self.keys).into();
        let mut read = None;
        let serializable = match self.mode {
            Mode::Put => {
                let value = vec![b'v'; self.value_bytes].into();
                return client
                    .put(pb::PutRequest { key, value, ..Default::default() })
                    .await
                    .map(drop);
            }
            Mode::Get(mode) => {
                read = mode;
                false
            }
            Mode::Serializable => true,
        };
        let range = pb::RangeRequest { key, serializable, ..Default::default() };
        let mut request = Request::new(range);
        if let Some(mode) = read {
            request.metadata_mut().insert("hiraeth-read", MetadataValue::from_static(mode));
        }
        client.range(request).await.map(drop)
    }
}

/// One client: asks until all requests are given out; answers how long each took.
async fn work(
    settings: Arc<Settings>,
    mut client: KvClient<Channel>,
    next: Arc<AtomicU64>,
) -> Result<Vec<Duration>, Status> {
    let mut took = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= settings.requests {
            return Ok(took);
        }
        let start = Instant::now();
        settings.ask(&mut client, number).await?;
        took.push(start.elapsed());
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let settings = Arc::new(Settings::parse(std::env::args().skip(1))?);
    let mut channels = Vec::new();
    for endpoint in settings.endpoints.iter().cycle().take(settings.connections) {
        channels.push(Channel::from_shared(format!("http://{endpoint}"))?.connect().await?);
    }
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let clients: Vec<_> = channels
        .iter()
        .cycle()
        .take(settings.clients)
        .map(|channel| {
            let client = KvClient::new(channel.clone());
            tokio::spawn(work(Arc::clone(&settings), client, Arc::clone(&next)))
        })
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    took.sort_unstable();
    let part = |part: f64| {
        let at = (took.len() as f64 * part) as usize;
        took.get(at.min(took.len().saturating_sub(1))).map_or(0.0, |it| it.as_secs_f64() * 1e3)
    };
    println!(
        "{} requests in {elapsed:.2} s: {:.0}/s; p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        took.len(),
        took.len() as f64 / elapsed,
        part(0.5),
        part(0.99),
        part(1.0)
    );
    Ok(())
}
