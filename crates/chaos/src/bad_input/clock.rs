//! The wall clock of a node jumps by an hour, there and back. Nothing may depend on it: leases least.

use std::time::Duration;

use tokio::time::sleep;

use super::Case;

/// Longer than any lease of the workload lives.
const LONG: Duration = Duration::from_secs(7);

pub(super) async fn jump(case: &mut Case) -> anyhow::Result<()> {
    for (what, seconds) in [("clock an hour ahead", "3600"), ("clock an hour back", "-3600")] {
        let leader = case.leader().await?;
        case.fault(what, leader);
        case.trial.servers.one(leader).order("clock", seconds)?;
        sleep(LONG).await;
        case.goes_on(what).await;
        case.trial.servers.one(leader).order("clock", "0")?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
