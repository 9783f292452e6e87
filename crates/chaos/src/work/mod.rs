//! What clients do all the while, through all nodes. Every key begins with [`PREFIX`].

pub(crate) mod counters;
mod instances;
mod leases;
pub(crate) mod lists;
mod locks;
pub(crate) mod registers;
pub(crate) mod transfers;
mod unique;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use client::Client;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use instances::Instances;
use leases::Leases;
use locks::Locks;
pub(crate) use watches::{Event, Watched, replay};

use crate::ledger::Ledger;
use crate::random::Random;
use crate::servers::Servers;

/// What all keys begin with.
pub(crate) const PREFIX: &str = "chaos/";
pub(crate) const UNIQUE: &str = "chaos/unique/";
pub(crate) const COUNTERS: &str = "chaos/counter/";
pub(crate) const REGISTERS: &str = "chaos/register/";
pub(crate) const LISTS: &str = "chaos/list/";
pub(crate) const LEASES: &str = "chaos/lease/";
pub(crate) const ACCOUNTS: &str = "chaos/account/";
/// Counters that are added to under a lock.
pub(crate) const LOCKED: &str = "chaos/locked/";
/// The last write of a run: who has seen it has seen everything.
pub(crate) const END: &str = "chaos/end";

/// How long one request may take. Less than the server's own 7 s: a client of a node that stands
/// still shall ask another one soon.
const REQUEST: Duration = Duration::from_secs(3);
/// The longest rest between two requests of one client, in milliseconds.
const REST: u64 = 20;
/// Bytes of a value, its number included.
const VALUE_BYTES: usize = 128;
/// Everything a client began ends within this.
const ENDING: Duration = Duration::from_secs(60);

/// A value that carries its number.
pub(crate) fn value_of(number: u64) -> String {
    let mut value = format!("{number}|");
    value.extend(std::iter::repeat_n('.', VALUE_BYTES.saturating_sub(value.len())));
    value
}

/// The number a value carries.
pub(crate) fn number_of(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.split('|').next()?.parse().ok()
}

/// A client whose first server is `first`.
pub(crate) fn client_of(servers: &Servers, first: usize) -> anyhow::Result<Client> {
    let options = client::Options { timeout: REQUEST, ..client::Options::default() };
    Ok(Client::lazy(servers.endpoints(first), options)?)
}

/// All clients at work.
pub(crate) struct Work {
    clients: Vec<JoinHandle<()>>,
    leases: Leases,
    locks: Locks,
    instances: Instances,
    watches: Vec<Watched>,
}

/// What is left when they ended.
pub(crate) struct Done {
    /// Leases that were not renewed, and went.
    pub(crate) left: usize,
    /// What each watcher was told.
    pub(crate) watched: Vec<Vec<Event>>,
}

impl Work {
    pub(crate) async fn begin(
        servers: &Servers,
        ledger: &Arc<Ledger>,
        (clients, seed): (u64, u64),
    ) -> anyhow::Result<Self> {
        let registers = Arc::new(registers::Registers::new(clients));
        let lists = Arc::new(lists::Lists::default());
        let mut all = Vec::new();
        for number in 0..clients {
            let mut random = Random::new(seed ^ (number + 1).wrapping_mul(0x00C0_FFEE));
            let client = client_of(servers, usize::try_from(number)?)?;
            let (ledger, registers) = (Arc::clone(ledger), Arc::clone(&registers));
            let lists = Arc::clone(&lists);
            all.push(tokio::spawn(async move {
                let mut unique = unique::Unique::new(number);
                let mut register = registers::Register::new(number, registers);
                while !ledger.is_stopped() {
                    match random.below(12) {
                        0..4 => unique.put(&client, &ledger).await,
                        4..6 => counters::add(&client, &ledger, &mut random).await,
                        6 => transfers::step(&client, &ledger, &mut random).await,
                        7 => lists::step(&client, &ledger, &lists, &mut random).await,
                        _ => register.step(&client, &ledger, &mut random).await,
                    }
                    sleep(Duration::from_millis(random.below(REST))).await;
                }
            }));
        }
        let leases = Leases::begin(servers, ledger)?;
        let locks = Locks::begin(servers, ledger)?;
        let instances = Instances::begin(servers, ledger).await?;
        let watches = servers.here().iter().map(|first| Watched::begin(servers, *first));
        let watches = watches.collect::<anyhow::Result<_>>()?;
        Ok(Self { clients: all, leases, locks, instances, watches })
    }

    /// Waits for the requests under way after [`Ledger::stop`].
    pub(crate) async fn end(self, servers: &Servers, ledger: &Ledger) -> anyhow::Result<Done> {
        for client in self.clients {
            if timeout(ENDING, client).await.is_err() {
                bail!("a client has no answer {ENDING:?} after the faults ended");
            }
        }
        let left = self.leases.end(servers, ledger).await?;
        self.locks.end().await?;
        self.instances.end(servers, ledger).await?;
        let client = client_of(servers, 0)?;
        let written = timeout(ENDING, async {
            loop {
                if let Ok(written) = client.put(client::Put::new(END, value_of(0))).await {
                    return written.revision;
                }
            }
        });
        let Ok(end) = written.await else { bail!("no write {ENDING:?} after the faults ended") };
        let mut watched = Vec::new();
        for (at, watch) in self.watches.into_iter().enumerate() {
            watched.push(watch.until(end, ENDING).await.unwrap_or_else(|(events, why)| {
                ledger.violation(format!("watcher {}: {why}", at + 1));
                events
            }));
        }
        Ok(Done { left, watched })
    }
}
