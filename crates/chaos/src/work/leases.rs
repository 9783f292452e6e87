//! Leases that are kept alive, whose keys may not go, and leases that are left, whose keys must.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use client::{Client, Get, Put};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use types::Code;

use super::{LEASES, client_of, value_of};
use crate::ledger::{Kind, Ledger, Outcome};
use crate::servers::Servers;

/// Leases that are kept, by one client each.
const KEPT: usize = 4;
const TTL_SECONDS: i64 = 5;
/// How often the owner of a lease looks whether its key is there.
const LOOK: Duration = Duration::from_millis(300);
/// How often a lease is made and left.
const LEAVE: Duration = Duration::from_secs(4);
/// When no fault happens any more, a lease that is not renewed goes within its time, what a new
/// leader adds to it, and this.
const GONE: Duration = Duration::from_secs(20);

pub(crate) struct Leases {
    keepers: Vec<JoinHandle<()>>,
    /// How many leases were left to end.
    leaver: JoinHandle<usize>,
}

impl Leases {
    pub(super) fn begin(servers: &Servers, ledger: &Arc<Ledger>) -> anyhow::Result<Self> {
        let mut keepers = Vec::new();
        for number in 0..KEPT {
            let client = client_of(servers, number)?;
            let key = format!("{LEASES}kept/{number}");
            let ledger = Arc::clone(ledger);
            keepers.push(tokio::spawn(async move {
                while !ledger.is_stopped() {
                    if let Some(mut kept) = Kept::grant(&client, &ledger, &key).await {
                        kept.keep(&client, &ledger).await;
                    }
                }
            }));
        }
        let (client, ledger) = (client_of(servers, 1)?, Arc::clone(ledger));
        Ok(Self { keepers, leaver: tokio::spawn(async move { leave(&client, &ledger).await }) })
    }

    /// Waits until kept leases are given back, and left ones are gone; how many were left.
    pub(super) async fn end(self, servers: &Servers, ledger: &Ledger) -> anyhow::Result<usize> {
        for keeper in self.keepers {
            if timeout(super::ENDING, keeper).await.is_err() {
                bail!("the owner of a lease has no answer after the faults ended");
            }
        }
        let Ok(Ok(left)) = timeout(super::ENDING, self.leaver).await else {
            bail!("a client of leases has no answer after the faults ended");
        };
        let client = client_of(servers, 0)?;
        let deadline = Instant::now() + Duration::from_secs(TTL_SECONDS.unsigned_abs()) + GONE;
        loop {
            let found = client.get(Get::prefix(format!("{LEASES}left/")).keys_only()).await;
            match found {
                Ok(found) if found.kvs.is_empty() => return Ok(left),
                Ok(found) if Instant::now() >= deadline => {
                    let count = found.count;
                    ledger.violation(format!("{count} keys outlive leases that nobody renews"));
                    return Ok(left);
                }
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                _ => sleep(LOOK).await,
            }
        }
    }
}

/// A lease from its owner's view.
struct Kept<'a> {
    id: i64,
    key: &'a str,
    /// No earlier may the lease end: counted from before a renewal was sent that was answered.
    ends: Instant,
    ttl: Duration,
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}

impl<'a> Kept<'a> {
    /// A new lease with its key; `None` if that did not work out.
    async fn grant(client: &Client, ledger: &Ledger, key: &'a str) -> Option<Self> {
        let asked = Instant::now();
        let granted = match client.grant_lease(TTL_SECONDS, 0).await {
            Ok(granted) => granted,
            Err(error) => {
                ledger.failed(Kind::LeaseGrant, &error);
                return None;
            }
        };
        ledger.count(Kind::LeaseGrant, Outcome::Acknowledged);
        let ttl = seconds(granted.ttl_seconds);
        let kept = Self { id: granted.id, key, ends: asked + ttl, ttl };
        while !ledger.is_stopped() {
            let value = ledger.value();
            match client.put(Put::new(key.to_owned(), value_of(value)).lease(kept.id)).await {
                Ok(written) => {
                    ledger.count(Kind::LeasePut, Outcome::Acknowledged);
                    ledger.write(key, value, Outcome::Acknowledged, written.revision);
                    return Some(kept);
                }
                Err(error) => {
                    ledger.failed(Kind::LeasePut, &error);
                    if error.code() == Some(Code::LeaseNotFound) {
                        kept.gone(ledger, "a put is told that it is unknown");
                        return None;
                    }
                }
            }
        }
        None
    }

    fn gone(&self, ledger: &Ledger, how: &str) {
        if let Some(left) = self.ends.checked_duration_since(Instant::now()) {
            let (id, key) = (self.id, self.key);
            ledger.violation(format!(
                "lease {id} of {key} is gone {left:?} too early, {how} ({:?} into the run)",
                ledger.now()
            ));
        }
    }

    /// Renews and looks, until the lease is lost or the run is over.
    async fn keep(&mut self, client: &Client, ledger: &Ledger) {
        let mut renew = Instant::now() + self.ttl / 3;
        while !ledger.is_stopped() {
            sleep_until(renew.min(Instant::now() + LOOK)).await;
            if Instant::now() >= renew {
                let asked = Instant::now();
                match client.renew_lease(self.id).await {
                    Ok(left) => {
                        ledger.count(Kind::LeaseRenew, Outcome::Acknowledged);
                        self.ends = asked + seconds(left);
                        renew = asked + self.ttl / 3;
                    }
                    Err(error) => {
                        ledger.failed(Kind::LeaseRenew, &error);
                        if error.code() == Some(Code::LeaseNotFound) {
                            return self.gone(ledger, "a renewal is told that it is unknown");
                        }
                    }
                }
            }
            match client.get(Get::key(self.key.to_owned())).await {
                Ok(found) => {
                    ledger.count(Kind::LeaseGet, Outcome::Acknowledged);
                    if found.kvs.is_empty() {
                        return self.gone(ledger, "its key is not there");
                    }
                }
                Err(error) => {
                    ledger.failed(Kind::LeaseGet, &error);
                }
            }
        }
        // Given back, so that nothing changes any more when copies are compared.
        while let Err(error) = client.revoke_lease(self.id).await {
            if error.code() == Some(Code::LeaseNotFound) {
                return;
            }
        }
    }
}

/// Makes leases and leaves them; looks once that they are there before their time is over.
async fn leave(client: &Client, ledger: &Ledger) -> usize {
    let mut left = 0;
    while !ledger.is_stopped() {
        sleep(LEAVE).await;
        let key = format!("{LEASES}left/{left:04}");
        let Some(kept) = Kept::grant(client, ledger, &key).await else { continue };
        left += 1;
        sleep_until(kept.ends - kept.ttl / 4).await;
        if let Ok(found) = client.get(Get::key(key.clone())).await
            && found.kvs.is_empty()
        {
            kept.gone(ledger, "its key is not there");
        }
    }
    left
}
