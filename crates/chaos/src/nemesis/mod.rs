//! Who brings the faults, one at a time.

mod links;
mod machine;
mod members;
mod rolling;
mod turns;

use links::Deck;
pub(crate) use rolling::failed;

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::ledger::Ledger;
use crate::options::Scenario;
use crate::random::Random;
use crate::servers::Servers;
use turns::Turn;

/// How often the leader is killed.
const KILL_EVERY: Duration = Duration::from_secs(2);
/// How long a killed leader is down.
const DOWN: Duration = Duration::from_millis(300);
/// How long a leader is looked for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Nemesis<'a> {
    servers: &'a mut Servers,
    ledger: &'a Ledger,
    random: Random,
    /// No fault begins after it.
    until: Instant,
    deck: Deck,
    turns: Vec<Turn>,
    /// What servers are started with once they were stopped.
    upgrade_to: Option<PathBuf>,
}

impl<'a> Nemesis<'a> {
    /// With faults drawn from `random`, until `until`.
    pub(crate) fn new(
        servers: &'a mut Servers,
        ledger: &'a Ledger,
        random: Random,
        until: Instant,
        upgrade_to: Option<PathBuf>,
    ) -> Self {
        let (deck, turns) = (Deck::default(), Vec::new());
        Self { servers, ledger, random, until, deck, turns, upgrade_to }
    }
}

impl Nemesis<'_> {
    /// Brings the scenario's faults; all are over when this ends.
    pub(crate) async fn run(&mut self, scenario: Scenario) -> anyhow::Result<()> {
        let mut next = Instant::now();
        while Instant::now() < self.until && !self.is_found() {
            match scenario {
                Scenario::KillLeader => {
                    next += KILL_EVERY;
                    sleep_until(next).await;
                    self.kill_leader().await?;
                }
                Scenario::KillAll => self.kill_all().await?,
                Scenario::Pause => self.pause().await?,
                Scenario::Partition => self.partition().await?,
                Scenario::Rolling => self.restart_each().await?,
                Scenario::BadInput | Scenario::Neighbours | Scenario::Life => return Ok(()),
                Scenario::Power => self.power().await?,
                Scenario::Mix => self.mixed().await?,
            }
        }
        self.servers.repair()
    }

    /// Whether something is wrong already: it is not made worse.
    fn is_found(&mut self) -> bool {
        !self.servers.findings().is_empty() || !self.ledger.violations.lock().is_empty()
    }

    /// A time without faults, in milliseconds.
    async fn rest(&mut self, least: u64, most: u64) {
        sleep(Duration::from_millis(self.random.between(least, most))).await;
    }

    /// The leader, or any node if there is none for long.
    async fn leader(&mut self) -> usize {
        let found = self.servers.await_leader(PATIENCE).await;
        found.map_or_else(|| self.any_but(usize::MAX), |leadership| leadership.at)
    }

    /// A node, but not `at`.
    fn any_but(&mut self, at: usize) -> usize {
        let others: Vec<usize> =
            self.servers.here().iter().copied().filter(|other| *other != at).collect();
        self.random.pick(&others).unwrap_or(0)
    }

    async fn kill_leader(&mut self) -> anyhow::Result<()> {
        let at = self.leader().await;
        self.ledger.fault("kill -9 of the leader", self.servers.name(at));
        self.servers.kill(at)?;
        sleep(DOWN).await;
        self.servers.start_one(at)
    }

    async fn kill_all(&mut self) -> anyhow::Result<()> {
        self.rest(4_000, 8_000).await;
        self.ledger.fault("kill -9 of all", "all");
        self.servers.kill_all()?;
        for at in self.servers.here().to_vec() {
            self.rest(0, 500).await;
            self.servers.start_one(at)?;
        }
        Ok(())
    }

    async fn pause(&mut self) -> anyhow::Result<()> {
        self.rest(1_000, 3_000).await;
        let leader = self.leader().await;
        let is_leader = self.random.below(2) == 0;
        let at = if is_leader { leader } else { self.any_but(leader) };
        let who = if is_leader { "pause of the leader" } else { "pause of a follower" };
        self.ledger.fault(who, self.servers.name(at));
        self.servers.pause(at);
        // Short ones are commoner: they end within an election timeout, or about then.
        let longest = [500, 2_000, 8_000];
        let most = self.random.pick(&longest).unwrap_or(500);
        self.rest(200, most).await;
        self.servers.resume(at);
        Ok(())
    }
}
