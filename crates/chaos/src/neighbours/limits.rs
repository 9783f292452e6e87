//! Servers that run out of something.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Part;
use super::watched::Watched;
use crate::bad_input::Case;
use crate::servers::tool;

/// Less than a server keeps back, more than it needs to go on.
const NEARLY_FULL: u64 = 48 << 20;
/// Descriptors beside those that are open; a server keeps 48 for itself at least.
const FEW: usize = 48 + 24;
/// Clients that want some, each by itself, and how often they ask for something.
const CROWD: usize = 80;
const ASKS: Duration = Duration::from_secs(1);
/// How long a client that is refused may wait to learn it, and how often one may slip in.
const PATIENCE: Duration = Duration::from_secs(1);
const TRIES: usize = 5;
/// Bytes of values that make a server grow.
const LARGE: usize = 256 << 10;
/// Bytes it may grow by beside a twenty-fifth of what it has.
const SPARE: u64 = 1 << 20;
/// How long it may take to outgrow its memory.
const GROWS: Duration = Duration::from_secs(25);

/// Little room is left on the disk.
pub(super) async fn disk(case: &mut Case, part: Part) -> anyhow::Result<()> {
    let watched = Watched::begin(case, "full disk", part).await?;
    case.disk(watched.at())?.fill(NEARLY_FULL)?;
    let during = watched.during(case, true).await;
    let words = ["is read-only", "are kept back"];
    watched.named(case, &words).await?;
    case.disk(watched.at())?.free()?;
    watched.end(case, during, &words).await
}

/// Clients take all descriptors there are for them. What the server keeps for itself it has.
pub(super) async fn descriptors(case: &mut Case, part: Part) -> anyhow::Result<()> {
    let watched = Watched::begin(case, "few descriptors", part).await?;
    let server = case.trial.servers.one(watched.at());
    let pid = server.pid().context("the server does not run")?;
    let (address, from) = (server.addresses.client.clone(), server.log_bytes());
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let limit = open + FEW;
    let before = files_of(pid)?;
    limit_files(pid, &limit.to_string())?;
    let crowd = crowd(&address)?;
    case.says(watched.at(), from, &["no file descriptors are left for clients", "LimitNOFILE"])
        .await;
    let during = watched.during(case, false).await;
    let words = ["file descriptors open", "clients are refused"];
    watched.named(case, &words).await?;
    if !is_refused(&address).await? {
        case.wrong("a client that comes while there are none is not refused".to_owned());
    }
    // Who is connected is served, and the other servers, too.
    if part == Part::Leader && case.leader().await? != watched.at() {
        case.wrong("it does not lead any more, though it can".to_owned());
    }
    drop(crowd);
    watched.end(case, during, &words).await?;
    limit_files(pid, &before)
}

/// Clients that keep coming back, until they are dropped.
fn crowd(address: &str) -> anyhow::Result<JoinSet<()>> {
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let options = client::Options { timeout: ASKS, rounds: 1, ..client::Options::default() };
        let client = client::Client::lazy([address], options)?;
        crowd.spawn(async move {
            loop {
                // It may well be refused.
                drop(client.get("crowd").await);
                sleep(ASKS).await;
            }
        });
    }
    Ok(crowd)
}

async fn is_refused(address: &str) -> anyhow::Result<bool> {
    for _ in 0..TRIES {
        let mut one_more = TcpStream::connect(address).await?;
        if matches!(timeout(PATIENCE, one_more.read(&mut [0])).await, Ok(Ok(0) | Err(_))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Its limit as it is; the hard one stays.
fn files_of(pid: u32) -> anyhow::Result<String> {
    let words = ["--pid", &pid.to_string(), "--nofile", "--output=SOFT", "--noheadings"];
    Ok(tool("prlimit", &words)?.trim().to_owned())
}

fn limit_files(pid: u32, most: &str) -> anyhow::Result<()> {
    tool("prlimit", &["--pid", &pid.to_string(), &format!("--nofile={most}:")]).map(drop)
}

/// A server has little more memory than it uses, then grows, and its kernel ends it.
pub(super) async fn memory(case: &mut Case, part: Part) -> anyhow::Result<()> {
    let watched = Watched::begin(case, "little memory", part).await?;
    let at = watched.at();
    let server = case.trial.servers.one(at);
    server.may_end();
    let pid = server.pid().context("the server does not run")?;
    let cage = server.cage.as_ref().context("there is no cage")?;
    // What is mapped from files the kernel takes back; what is left is not much.
    let limit = cage.memory(Some(own_memory(pid)? * 104 / 100 + SPARE))?;
    let words = ["is short of memory", "that its cgroup allows"];
    watched.named(case, &words).await?;
    let ended = outgrow(case, at).await?;
    let how = ended.unwrap_or("it goes on, and is ended".to_owned());
    case.said(format!("with {} MiB: {how}", limit >> 20));
    case.trial.servers.kill(at)?;
    let during = watched.during(case, true).await;
    case.trial.servers.one(at).cage.as_ref().context("there is no cage")?.memory(None)?;
    case.trial.servers.start_one(at)?;
    case.trial.servers.await_health().await?;
    watched.end(case, during, &words).await
}

fn own_memory(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let word = line.and_then(|line| line.split_whitespace().next()).context("no RssAnon")?;
    Ok(word.parse::<u64>()? << 10)
}

/// Writes large values through other servers until this one is ended by its kernel; how it ended.
async fn outgrow(case: &mut Case, at: usize) -> anyhow::Result<Option<String>> {
    let client = crate::work::client_of(&case.trial.servers, at + 1)?;
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < GROWS {
        if let Some(how) = case.trial.servers.one(at).ended() {
            return Ok(Some(how));
        }
        // Not among the keys that are judged. It may be refused while leaders change.
        let key = format!("large/{}", number % 8);
        drop(client.put(client::Put::new(key, vec![number as u8; LARGE])).await);
        number += 1;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(None)
}
