//! Machines that fail below their servers: power, disks, clocks; by the library preloaded into each.

use std::time::Duration;

use tokio::time::sleep;

use super::{DOWN, Nemesis};

/// A server whose sync failed has stopped after this.
const STOPS: Duration = Duration::from_secs(30);
/// The most writes that a server makes yet before its power goes: so it goes in the middle of one, too.
const WRITES: u64 = 40;
/// As many as that of those beside its log, which are rarer: while the engine flushes or merges.
const BESIDE: u64 = 12;

impl Nemesis<'_> {
    /// These lose at once what they did not sync, and are started again.
    pub(super) async fn cut_power(&mut self, kind: &str, all: &[usize]) -> anyhow::Result<()> {
        let name = if let [at] = all { self.servers.name(*at) } else { "all" };
        self.ledger.fault(kind, name);
        for at in all {
            let (seed, beside) = (self.random.next(), self.random.below(2) == 0);
            let writes = self.random.below(if beside { BESIDE } else { WRITES });
            // Of several at a time each goes at once, or others would go on without it.
            let writes = if all.len() == 1 { writes } else { 0 };
            self.servers.one(*at).cut_power(seed, writes, beside)?;
        }
        for at in all {
            // One that has ended by itself is told of in the end.
            if self.servers.one(*at).pid().is_none() {
                continue;
            }
            let lost = self.servers.one(*at).without_power().await?;
            self.ledger.lost.lock().add(lost);
        }
        sleep(DOWN).await;
        for at in all {
            self.servers.start_one(*at)?;
            if all.len() > 1 {
                self.rest(0, 500).await;
            }
        }
        Ok(())
    }

    /// The wall clock of one jumps for a while.
    pub(super) async fn clock(&mut self) -> anyhow::Result<()> {
        let at = self.any_but(usize::MAX);
        let seconds = self.random.between(1, 7_200);
        let sign = self.random.pick(&["", "-"]).unwrap_or("");
        self.ledger.fault("clock jump", self.servers.name(at));
        self.servers.one(at).order("clock", &format!("{sign}{seconds}"))?;
        self.rest(1_000, 6_000).await;
        self.servers.one(at).order("clock", "0")
    }

    /// Each sync of one takes longer for a while.
    pub(super) async fn slow_disk(&mut self) -> anyhow::Result<()> {
        let at = self.any_but(usize::MAX);
        let ms = self.random.between(50, 1_500);
        self.ledger.fault("slow disk", self.servers.name(at));
        self.servers.one(at).order("slow", &ms.to_string())?;
        self.rest(1_000, 5_000).await;
        self.servers.one(at).order("slow", "0")
    }

    /// One sync fails; the server stops, and is started again.
    pub(super) async fn failed_sync(&mut self) -> anyhow::Result<()> {
        let at = self.any_but(usize::MAX);
        self.ledger.fault("failed sync", self.servers.name(at));
        let server = self.servers.one(at);
        server.order("fsync", "")?;
        if let Err(error) = server.stops(STOPS).await {
            self.ledger.violation(format!("after a failed sync: {error:#}"));
        }
        self.servers.start_one(at)
    }
}
