//! Instances of a service that beat all the while, and those who follow it: nobody who beats is told to be
//! gone or silent, and who leaves is told to be gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use client::{Instance, KeptInstance, Registry, Service, Standing};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::client_of;
use crate::ledger::{Kind, Ledger, Outcome};
use crate::servers::Servers;

const SERVICE: &str = "chaos";
/// Those that stay.
const STAY: u16 = 8;
/// Of those that come and go, the port of the first.
const GUESTS: u16 = 1_000;
/// How long a guest stays.
const STAYS: Duration = Duration::from_millis(700);
/// A beat may come late by as long as a fault holds everything up, and by what the machine needs.
const TTL: Duration = Duration::from_secs(30);

pub(crate) struct Instances {
    kept: Vec<KeptInstance>,
    followers: Vec<(Registry, JoinHandle<Service>)>,
    guests: JoinHandle<u16>,
}

fn instance(port: u16) -> Instance {
    Instance { ttl: Some(TTL), ..Instance::new(SERVICE, "127.0.0.1", port) }
}

/// Who stays and does not pass here, or is not here at all.
fn missing<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> BTreeSet<u16> {
    let passing = |it: &&Instance| it.standing == Standing::Passing;
    let there: BTreeSet<u16> = instances.into_iter().filter(passing).map(|it| it.port).collect();
    (1..=STAY).filter(|port| !there.contains(port)).collect()
}

impl Instances {
    pub(super) async fn begin(servers: &Servers, ledger: &Arc<Ledger>) -> anyhow::Result<Self> {
        let mut kept = Vec::new();
        for port in 1..=STAY {
            let registry = client_of(servers, usize::from(port))?.registry(None);
            kept.push(registry.register(instance(port)).await?);
            ledger.count(Kind::Register, Outcome::Acknowledged);
        }
        let mut followers = Vec::new();
        for first in servers.here().iter().copied() {
            let registry = client_of(servers, first)?.registry(Some("chaos"));
            let mut service = registry.follow("", SERVICE).await?;
            let ledger = Arc::clone(ledger);
            let following = tokio::spawn(async move {
                let mut version = 0;
                // Its server may not have heard of all of them yet.
                while !missing(service.instances().iter().map(AsRef::as_ref)).is_empty()
                    && !ledger.is_stopped()
                {
                    drop(timeout(Duration::from_secs(1), service.changed()).await);
                }
                while !ledger.is_stopped() {
                    look(&service, &mut version, &ledger, first);
                    drop(timeout(Duration::from_secs(1), service.changed()).await);
                }
                service
            });
            followers.push((registry, following));
        }
        let registry = client_of(servers, 0)?.registry(None);
        let ledger = Arc::clone(ledger);
        let guests = tokio::spawn(async move { come_and_go(&registry, &ledger).await });
        Ok(Self { kept, followers, guests })
    }

    /// After the last fault: everybody is told the same, and it is so.
    pub(super) async fn end(self, servers: &Servers, ledger: &Ledger) -> anyhow::Result<()> {
        let Ok(Ok(came)) = timeout(super::ENDING, self.guests).await else {
            bail!("a client of the registry has no answer after the faults ended");
        };
        ledger.guests.store(u64::from(came), std::sync::atomic::Ordering::SeqCst);
        let (version, there) = client_of(servers, 0)?.find_service("", SERVICE).await?;
        let expected: BTreeSet<u16> = (1..=STAY).collect();
        let ports: BTreeSet<u16> = there.iter().map(|it| it.port).collect();
        if ports != expected || !missing(&there).is_empty() {
            ledger.violation(format!("in the end there are {there:?}"));
        }
        for (at, (_registry, following)) in self.followers.into_iter().enumerate() {
            let Ok(Ok(mut service)) = timeout(super::ENDING, following).await else {
                bail!("a follower of a service has no answer after the faults ended");
            };
            let newest = timeout(super::ENDING, async {
                while service.version() < version && service.changed().await.is_ok() {}
            });
            let _ = newest.await;
            let told: BTreeSet<u16> = service.instances().iter().map(|it| it.port).collect();
            if service.version() < version || told != expected {
                let known = service.version();
                ledger.violation(format!(
                    "follower {}: {told:?} at version {known}, and there are {expected:?} at {version}",
                    at + 1
                ));
            }
        }
        drop(self.kept);
        Ok(())
    }
}

/// What one follower knows: nobody who beats is missing, and the version never goes back.
fn look(service: &Service, version: &mut i64, ledger: &Ledger, first: usize) {
    let (before, now) = (*version, service.version());
    let missing = missing(service.instances().iter().map(AsRef::as_ref));
    if !missing.is_empty() {
        let at = ledger.now();
        ledger.violation(format!("follower {}: {missing:?} not passing, {at:?}", first + 1));
    }
    if now < before {
        ledger.violation(format!("follower {}: version {now} after {before}", first + 1));
    }
    *version = now;
}

/// Registers and takes back, one after the other; how many.
async fn come_and_go(registry: &Registry, ledger: &Ledger) -> u16 {
    let mut came = 0;
    while !ledger.is_stopped() {
        match registry.register(instance(GUESTS + came)).await {
            Ok(kept) => {
                ledger.count(Kind::Register, Outcome::Acknowledged);
                came += 1;
                sleep(STAYS).await;
                match kept.deregister().await {
                    Ok(()) => ledger.count(Kind::Deregister, Outcome::Acknowledged),
                    Err(error) => {
                        ledger.violation(format!("an instance could not be taken back: {error}"));
                    }
                }
            }
            Err(error) => {
                ledger.failed(Kind::Register, &error);
                sleep(STAYS).await;
            }
        }
    }
    came
}
