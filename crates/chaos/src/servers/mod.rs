//! The servers: processes of the binary, three if nothing else is said, each with a directory that lasts.

mod cage;
mod leader;
mod members;
mod server;
mod setup;
mod shim;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

pub(crate) use leader::Leadership;
pub(crate) use server::{Server, name};
pub(crate) use setup::{OwnDisk, Setup, tool};
pub(crate) use shim::Lost;

use crate::place::{Relays, Setting};

/// How many servers there are if nothing else is said.
pub(crate) const COUNT: usize = 3;
/// A cluster without faults serves through every node within this.
const HEALTHY: Duration = Duration::from_secs(60);

pub(crate) struct Servers {
    pub(crate) setting: Setting,
    /// Each at its place: members, and perhaps one that may become a member.
    all: Vec<Server>,
    /// Places of the members, rising.
    here: Vec<usize>,
    asker: client::Client,
    /// Between the servers, if they were asked for.
    pub(crate) relays: Option<Relays>,
}

impl Servers {
    /// Starts all of them in `folder`.
    pub(crate) fn start(
        setting: &Setting,
        binary: &Path,
        folder: &Path,
        setup: Setup,
    ) -> anyhow::Result<Self> {
        let first = setup.servers;
        let addresses = setting.addresses(first + usize::from(setup.spare))?;
        let peers: Vec<String> = addresses.iter().map(|addresses| addresses.peer.clone()).collect();
        let relays = match setup.relays {
            true => Some(Relays::begin(&setting.own_peer_host(), &peers)?),
            false => None,
        };
        let found = |at: usize| relays.as_ref().map_or(peers[at].as_str(), |it| it.address(at));
        let members: Vec<String> =
            (0..first).map(|at| format!("{}={}", name(at), found(at))).collect();
        let members = members.join(",");
        let cages = setup.cages.then(|| folder.join("cages"));
        let mounts = cages.map(|cages| cage::Mounts::make(&cages)).transpose()?;
        let mut all = Vec::new();
        for (at, addresses) in addresses.into_iter().enumerate() {
            let mut server = Server::new(at, addresses, binary, folder, members.clone())?;
            server.prepare(folder, setup, mounts.as_ref())?;
            if let Some(mib) = setup.engine_mib {
                server.arguments.extend(["--engine-memory-mib".to_owned(), mib.to_string()]);
            }
            if relays.is_some() {
                server.arguments.extend(["--advertise-peer".to_owned(), found(at).to_owned()]);
            }
            if at < first {
                server.start(setting)?;
            }
            all.push(server);
        }
        let endpoints = all.iter().map(|server| server.addresses.client.clone());
        let options = client::Options {
            timeout: Duration::from_millis(500),
            rounds: 1,
            ..client::Options::default()
        };
        let asker = client::Client::lazy(endpoints, options)?;
        Ok(Self { setting: setting.clone(), all, here: (0..first).collect(), asker, relays })
    }

    /// Where clients connect, beginning with server `first`.
    pub(crate) fn endpoints(&self, first: usize) -> Vec<String> {
        let all = self.all.iter().map(|server| server.addresses.client.clone());
        let count = self.all.len();
        all.cycle().skip(first % count).take(count).collect()
    }

    /// How many places there are, those included where no member is now.
    pub(crate) fn places(&self) -> usize {
        self.all.len()
    }

    /// Places of the members.
    pub(crate) fn here(&self) -> &[usize] {
        &self.here
    }

    pub(crate) fn one(&mut self, at: usize) -> &mut Server {
        &mut self.all[at]
    }

    pub(crate) fn name(&self, at: usize) -> &str {
        &self.all[at].name
    }

    pub(crate) fn kill(&mut self, at: usize) -> anyhow::Result<()> {
        self.all[at].kill()
    }

    pub(crate) fn kill_all(&mut self) -> anyhow::Result<()> {
        // All signals first: nobody shall see another's end.
        self.all.iter().for_each(|server| server.signal(rustix::process::Signal::KILL));
        self.all.iter_mut().try_for_each(Server::kill)
    }

    pub(crate) fn start_one(&mut self, at: usize) -> anyhow::Result<()> {
        let setting = self.setting.clone();
        self.all[at].start(&setting)
    }

    pub(crate) fn pause(&self, at: usize) {
        self.all[at].signal(rustix::process::Signal::STOP);
    }

    pub(crate) fn resume(&self, at: usize) {
        self.all[at].signal(rustix::process::Signal::CONT);
    }

    /// Ends all faults: links up, nobody paused, everybody running.
    pub(crate) fn repair(&mut self) -> anyhow::Result<()> {
        self.setting.heal(self.all.len())?;
        self.relays.iter().for_each(Relays::calm);
        for at in self.here.clone() {
            self.resume(at);
            self.start_one(at)?;
        }
        Ok(())
    }

    /// What `hiraeth status` warns of, asked for as operators do.
    pub(crate) async fn warnings(&self) -> anyhow::Result<Vec<String>> {
        let mut command = tokio::process::Command::new(&self.all[0].binary);
        command.args(["status", "--output", "json", "--endpoints", &self.endpoints(0).join(",")]);
        let output = command.kill_on_drop(true).output().await?;
        let told: serde_json::Value =
            serde_json::from_slice(&output.stdout).with_context(|| {
                format!("hiraeth status: {}", String::from_utf8_lossy(&output.stderr))
            })?;
        let warnings = told["warnings"].as_array().cloned().unwrap_or_default();
        Ok(warnings.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect())
    }

    /// Who leads keyspace `default` by the newest term anybody tells of.
    pub(crate) async fn leader(&self) -> Option<Leadership> {
        leader::find(&self.asker, &self.all).await
    }

    /// As [`Self::leader`], waiting for one; `None` if there is none for long.
    pub(crate) async fn await_leader(&self, patience: Duration) -> Option<Leadership> {
        let deadline = Instant::now() + patience;
        loop {
            match self.leader().await {
                None if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
                found => return found,
            }
        }
    }

    /// Waits until every server answers a linearizable read; how long it took.
    pub(crate) async fn await_health(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        for at in self.here.clone() {
            let address = self.all[at].addresses.client.clone();
            let timeout = Duration::from_secs(2);
            let options = client::Options { timeout, rounds: 1, ..client::Options::default() };
            let client = client::Client::lazy([address], options)?;
            while let Err(error) = client.get("health").await {
                if began.elapsed() > HEALTHY {
                    bail!("{} does not serve {HEALTHY:?} after all faults: {error}", self.name(at));
                }
                if let Some(finding) = self.findings().into_iter().next() {
                    bail!("{finding}");
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(began.elapsed())
    }

    /// What no server may do, whatever happens to it: end by itself, or set a region aside.
    pub(crate) fn findings(&mut self) -> Vec<String> {
        self.all.iter_mut().flat_map(Server::findings).collect()
    }
}
