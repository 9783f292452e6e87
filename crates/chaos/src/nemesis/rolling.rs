//! A restart of one server after the other, as an operator does it: each is told to stop, started again, and
//! the next one follows when all serve. No client may notice more than a short wait.

use std::time::Duration;

use tokio::time::sleep;

use super::Nemesis;
use crate::ledger::{Ledger, Outcome};

/// Between two servers.
const REST: Duration = Duration::from_secs(1);

impl Nemesis<'_> {
    /// Restarts all servers, the leader of `default` last, with another binary if there is one.
    pub(super) async fn restart_each(&mut self) -> anyhow::Result<()> {
        let leader = self.leader().await;
        let mut all = self.servers.here().to_vec();
        all.sort_unstable_by_key(|at| *at == leader);
        for at in all {
            let who = if at == leader { "restart of the leader" } else { "restart of a follower" };
            self.ledger.fault(who, self.servers.name(at));
            self.servers.one(at).stop().await?;
            if let Some(binary) = &self.upgrade_to {
                binary.clone_into(&mut self.servers.one(at).binary);
            }
            self.servers.start_one(at)?;
            self.servers.await_health().await?;
            sleep(REST).await;
        }
        Ok(())
    }
}

/// Requests that failed although clients tried again.
pub(crate) fn failed(ledger: &Ledger) -> Option<String> {
    let counts = ledger.counts.lock();
    let failed = counts
        .iter()
        .filter(|((_, outcome), _)| matches!(outcome, Outcome::Refused | Outcome::Unknown));
    let failed: Vec<String> =
        failed.map(|((kind, outcome), count)| format!("{count} {kind:?} {outcome:?}")).collect();
    let errors = &*ledger.errors.lock();
    (!failed.is_empty()).then(|| {
        format!("requests failed in a restart one by one: {}: {errors:?}", failed.join(", "))
    })
}
