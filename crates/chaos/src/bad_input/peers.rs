//! Peers that are none: garbage on the peer port, other clusters, directories that were mixed up.

use std::path::Path;

use anyhow::Context;

use super::{Case, wire};
use crate::place::Setting;
use crate::random::Random;
use crate::servers::{COUNT, Server, Servers, Setup};

const CONNECTIONS: usize = 40;

/// Everything a stranger on the network can send.
pub(super) async fn strangers(case: &mut Case) -> anyhow::Result<()> {
    let mut random = Random::new(7);
    let leader = case.leader().await?;
    let address = case.trial.servers.one(leader).addresses.peer.clone();
    let from = case.fault("garbage on the leader's peer port", leader);
    for _ in 0..CONNECTIONS {
        wire::garbage(&address, &mut random).await?;
    }
    case.says(leader, from, &["WARN", "10.77.1.254"]).await;
    case.goes_on("garbage on the peer port").await;

    let from = case.fault("hello of another cluster", leader);
    let answer = wire::ask(&address, wire::stranger()).await?;
    if answer.refusal.is_none() {
        case.wrong("a hello of another cluster is not refused".into());
    }
    case.says(leader, from, &["refused", "belongs to cluster"]).await;
    if wire::frames(&address, &wire::stranger(), &mut random).await?.is_ok() {
        case.wrong("a link of another cluster is taken".into());
    }
    if wire::snapshot(&address, &wire::stranger(), &mut random).await?.is_none() {
        case.wrong("a snapshot of another cluster is taken".into());
    }
    impersonate(case, &mut random).await?;
    stranger_joins(case).await
}

/// A stranger knows how the first node introduces itself, and does the same to the last one.
async fn impersonate(case: &mut Case, random: &mut Random) -> anyhow::Result<()> {
    // The node with the lower number dials.
    let mut hellos = Vec::new();
    for at in 0..COUNT {
        let address = case.trial.servers.one(at).addresses.peer.clone();
        let answer = wire::ask(&address, wire::stranger()).await?;
        hellos.push((answer.hello.context("a node does not introduce itself")?, at, address));
    }
    hellos.sort_by_key(|(hello, ..)| hello.node);
    let (Some((first, ..)), Some((_, victim, address))) = (hellos.first(), hellos.last()) else {
        return Ok(());
    };
    let from = case.fault("frames of garbage in a peer's name", *victim);
    if let Err(status) = wire::frames(address, first, random).await? {
        case.wrong(format!("the link of a stranger that looks like a peer is refused: {status}"));
    }
    case.says(*victim, from, &["WARN", "made no sense"]).await;
    case.goes_on("frames of garbage").await;
    let from = case.fault("a snapshot of garbage in a peer's name", *victim);
    if wire::snapshot(address, first, random).await?.is_none() {
        case.wrong("a snapshot of garbage is taken".into());
    }
    case.says(*victim, from, &["WARN", "snapshot", "was not taken"]).await;
    case.goes_on("a snapshot of garbage").await;
    Ok(())
}

/// A new server that was started with these nodes as its initial cluster, and itself.
async fn stranger_joins(case: &mut Case) -> anyhow::Result<()> {
    let leader = case.leader().await?;
    let setting = case.trial.servers.setting.clone();
    let addresses = setting.addresses(COUNT + 1)?.swap_remove(COUNT);
    let known = case.trial.servers.one(0);
    let members = format!("{},n4={}", known.members, addresses.peer);
    let (binary, folder) = (known.binary.clone(), known.data.with_file_name("stranger"));
    std::fs::create_dir_all(&folder)?;
    let from = case.fault("a stranger wants to join", leader);
    let mut stranger = Server::new(COUNT, addresses, &binary, &folder, members)?;
    stranger.start(&setting)?;
    case.says(leader, from, &["WARN", "n4", "--initial-cluster"]).await;
    case.goes_on("a stranger wants to join").await;
    let said = stranger.log_since(0);
    match said.lines().find(|line| line.contains("initial cluster")) {
        Some(line) => case.said(format!("n4: {line}")),
        None => case.wrong(format!("the stranger does not say why it may not join: {said}")),
    }
    stranger.kill()
}

/// Makes directories of another cluster with the same names and addresses, in `folder`.
pub(super) async fn make_foreign(
    setting: &Setting,
    binary: &Path,
    folder: &Path,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut servers = Servers::start(setting, binary, folder, Setup::PLAIN)?;
    servers.await_health().await?;
    Ok(())
}

/// A follower is started on its namesake's directory from another cluster.
pub(super) async fn foreign_directory(case: &mut Case, foreign: &Path) -> anyhow::Result<()> {
    let at = case.follower().await?;
    case.trial.servers.kill(at)?;
    let server = case.trial.servers.one(at);
    server.may_end();
    let (own, aside) = (server.data.clone(), server.data.with_extension("aside"));
    std::fs::rename(&own, &aside)?;
    std::fs::rename(foreign.join(&server.name), &own)?;
    let from = case.fault("a directory of another cluster", at);
    case.trial.servers.start_one(at)?;
    case.says(at, from, &["belongs to cluster"]).await;
    case.goes_on("a node with another cluster's directory").await;
    let leader = case.leader().await?;
    case.says(leader, 0, &["WARN", "belongs to cluster"]).await;
    case.trial.servers.kill(at)?;
    std::fs::rename(&own, own.with_extension("foreign"))?;
    std::fs::rename(&aside, &own)?;
    case.trial.servers.start_one(at)
}
