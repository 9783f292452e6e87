//! The wall clock of a node jumps by an hour, there and back. Nothing may depend on it: leases least.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::Case;

/// Longer than any lease of the workload lives.
const LONG: Duration = Duration::from_secs(7);

const HOUR: i64 = 3600;

/// The hour of the day so many seconds from now, as logs have it.
fn hour(seconds: i64) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    Ok(format!("T{:02}:", now.saturating_add_signed(seconds) / 3600 % 24))
}

pub(super) async fn jump(case: &mut Case) -> anyhow::Result<()> {
    for (what, seconds) in [("clock an hour ahead", HOUR), ("clock an hour back", -HOUR)] {
        let leader = case.leader().await?;
        let from = case.fault(what, leader);
        case.trial.servers.one(leader).order("clock", &seconds.to_string())?;
        sleep(LONG).await;
        case.goes_on(what).await;
        case.says(leader, from, &["the clock of the wall jumped"]).await;
        // It loses a link, and tells of it at the time that it believes in: so the jump was real.
        let follower = case.follower().await?;
        case.trial.servers.kill(follower)?;
        case.says(leader, from, &["lost from sight", &hour(seconds)?]).await;
        case.trial.servers.start_one(follower)?;
        case.trial.servers.await_health().await?;
        case.trial.servers.one(leader).order("clock", "0")?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
