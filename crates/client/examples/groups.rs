//! What many groups cost: makes keyspaces, each a Raft group of its own, and measures the servers at
//! rest, while one of them is written to, and while all are.
//! `cargo run --release -p client --example groups -- endpoints=127.0.0.1:2379 pids=1,2,3 keyspaces=1000`.
//!
//! Processor time and memory are read from `/proc` for the processes in `pids`; frames and bytes
//! between nodes are counters of `/metrics`, asked at the addresses in `metrics`, if given.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::{Client, Options, Put};
use futures::stream::{self, StreamExt};

type Error = Box<dyn std::error::Error + Send + Sync>;

struct Settings {
    endpoints: Vec<String>,
    pids: Vec<u32>,
    metrics: Vec<String>,
    keyspaces: usize,
    idle: Duration,
    clients: usize,
    requests: usize,
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
        let list = |text: String| -> Vec<String> {
            text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let settings = Self {
            endpoints: list(take("endpoints", "127.0.0.1:2379")),
            pids: list(take("pids", "")).iter().map(|pid| pid.parse()).collect::<Result<_, _>>()?,
            metrics: list(take("metrics", "")),
            keyspaces: take("keyspaces", "1000").parse()?,
            idle: Duration::from_secs(take("idle-seconds", "20").parse()?),
            clients: take("clients", "64").parse()?,
            requests: take("requests", "20000").parse()?,
        };
        match given.pop_first() {
            Some((name, _)) => Err(format!("there is no setting {name}").into()),
            None => Ok(settings),
        }
    }
}

/// What the servers used up to now.
#[derive(Clone, Copy, Default)]
struct Usage {
    /// Ticks of a hundredth of a second, user and system.
    ticks: u64,
    resident_bytes: u64,
    frames: f64,
    messages: f64,
    bytes: f64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let settings = Settings::parse(std::env::args().skip(1))?;
    let client = Client::connect(settings.endpoints.clone(), Options::default()).await?;
    let before = usage(&settings).await?;
    println!("before: {} MiB resident in all", before.resident_bytes >> 20);
    make(&client, &settings).await?;
    let after = usage(&settings).await?;
    let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
    println!(
        "grown by {} KiB per group over all servers",
        (grown >> 10) as usize / settings.keyspaces
    );
    for what in ["just made", "at rest", "at rest still"] {
        let (from, began) = (usage(&settings).await?, Instant::now());
        tokio::time::sleep(settings.idle).await;
        report(what, from, usage(&settings).await?, began.elapsed(), 0);
    }
    let one = [client.in_keyspace("group-0")?];
    write("writes to one", &settings, &one).await?;
    let all: Vec<Client> = (0..settings.keyspaces)
        .map(|number| client.in_keyspace(format!("group-{number}")))
        .collect::<Result<_, _>>()?;
    write("first write to each", &Settings { requests: all.len(), ..settings_of(&settings) }, &all)
        .await?;
    write("writes to all", &settings, &all).await?;
    Ok(())
}

fn settings_of(settings: &Settings) -> Settings {
    Settings {
        endpoints: settings.endpoints.clone(),
        pids: settings.pids.clone(),
        metrics: settings.metrics.clone(),
        ..*settings
    }
}

async fn make(client: &Client, settings: &Settings) -> Result<(), Error> {
    let there: Vec<String> = client.keyspaces().await?.into_iter().map(|it| it.name).collect();
    let names = (0..settings.keyspaces).map(|number| format!("group-{number}"));
    let names: Vec<String> = names.filter(|name| !there.contains(name)).collect();
    let (began, count) = (Instant::now(), names.len());
    let mut made = stream::iter(names)
        .map(|name| async move { client.create_keyspace(name).await })
        .buffer_unordered(16);
    while let Some(result) = made.next().await {
        result?;
    }
    println!("made {count} keyspaces in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

async fn write(what: &str, settings: &Settings, groups: &[Client]) -> Result<(), Error> {
    let (from, began) = (usage(settings).await?, Instant::now());
    let mut slowest = Duration::ZERO;
    let mut writes = stream::iter(0..settings.requests)
        .map(|number| async move {
            let asked = Instant::now();
            let key = format!("key-{}", number % 1000);
            let done = groups[number % groups.len()].put(Put::new(key, vec![b'v'; 256])).await;
            done.map(|_| asked.elapsed())
        })
        .buffer_unordered(settings.clients);
    while let Some(took) = writes.next().await {
        slowest = slowest.max(took?);
    }
    report(what, from, usage(settings).await?, began.elapsed(), settings.requests);
    println!("    slowest {:.1} ms", slowest.as_secs_f64() * 1e3);
    Ok(())
}

fn report(what: &str, from: Usage, to: Usage, took: Duration, requests: usize) {
    let seconds = took.as_secs_f64();
    let cpu = (to.ticks - from.ticks) as f64 / 100.0;
    println!(
        "{what}: {seconds:.1} s, servers used {:.1} % of a core, {} MiB; {:.1} frames/s, {:.1} Raft \
         messages/s, {:.1} KiB/s between nodes",
        100.0 * cpu / seconds,
        to.resident_bytes >> 20,
        (to.frames - from.frames) / seconds,
        (to.messages - from.messages) / seconds,
        (to.bytes - from.bytes) / seconds / 1024.0,
    );
    if requests > 0 {
        let (each, rate) = (cpu * 1e5 / requests as f64, requests as f64 / seconds);
        println!("    {rate:.0} writes/s, {each:.1} server CPU s per 100,000");
    }
}

async fn usage(settings: &Settings) -> Result<Usage, Error> {
    let mut usage = Usage::default();
    for pid in &settings.pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        usage.ticks += number(11) + number(12);
        usage.resident_bytes += number(21) * 4096;
    }
    for address in &settings.metrics {
        let text = metrics(address).await?;
        usage.frames += sum(&text, "hiraeth_peer_frames_total");
        usage.messages += sum(&text, "hiraeth_peer_messages_total");
        usage.bytes += sum(&text, "hiraeth_peer_bytes_total");
    }
    Ok(usage)
}

/// Asked plainly, so that the example needs no HTTP library.
async fn metrics(address: &str) -> Result<String, Error> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let question = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// All series of a metric about what was sent, together.
fn sum(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let plain = rest.starts_with('{') && rest.contains("way=\"sent\"");
        plain.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
    });
    values.sum()
}
