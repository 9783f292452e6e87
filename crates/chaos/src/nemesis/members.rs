//! Members that come and go, and leaders that hand over. One fault at a time, so those that stay are a
//! majority.

use std::time::Duration;

use super::Nemesis;

/// A server that was removed has stopped after this.
const STOPS: Duration = Duration::from_secs(30);

impl Nemesis<'_> {
    /// One more is added if there is room for it; else one of them goes, and may come back as a new one.
    pub(super) async fn members(&mut self) -> anyhow::Result<()> {
        if let Err(error) = self.change().await {
            self.ledger.violation(format!("a change of members: {error:#}"));
        }
        Ok(())
    }

    async fn change(&mut self) -> anyhow::Result<()> {
        self.servers.await_health().await?;
        if let Some(at) = self.servers.vacant() {
            self.ledger.fault("a server added", self.servers.name(at));
            return self.servers.add(at).await;
        }
        let at = self.any_but(usize::MAX);
        let drain = self.random.below(2) == 0;
        self.ledger.fault("a server removed", self.servers.name(at));
        self.servers.remove(at, drain).await?;
        self.servers.one(at).stops(STOPS).await
    }

    /// The leader is told to hand over to another one.
    pub(super) async fn hand_over(&mut self) -> anyhow::Result<()> {
        let leader = self.leader().await;
        let to = self.any_but(leader);
        let name = self.servers.name(leader).to_owned();
        self.ledger.fault("leader hands over", &name);
        // Refused while the other one lacks much, or where the leader changed meanwhile.
        if !self.servers.hand_over(leader, to).await? {
            self.ledger.fault("leader does not hand over", &name);
        }
        Ok(())
    }
}
