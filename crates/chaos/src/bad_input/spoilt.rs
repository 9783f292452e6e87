//! Writes that go wrong below a server that runs: a bit flips on its way to the disk, a disk has no space
//! in the middle of a batch.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::time::sleep;

use super::Case;

/// A write to the log comes within this.
const WRITE: Duration = Duration::from_secs(20);

impl Case {
    /// Has the preloaded library spoil the next batch of the log of `at`; of which file, and where in it.
    async fn spoil(&mut self, at: usize, order: &str, told: &str) -> anyhow::Result<String> {
        let began = Instant::now();
        self.trial.servers.one(at).order(order, "")?;
        loop {
            if let Some(told) = self.trial.servers.one(at).shim()?.told(told) {
                return Ok(told);
            }
            if began.elapsed() > WRITE {
                bail!("nothing was written to a log within {WRITE:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A bit of a follower's log flips on its way to the disk, and more is written behind it. Started again
/// the server must refuse its log. Then as operators have it: it is removed, and another one takes its
/// place.
pub(super) async fn flipped_bit(case: &mut Case) -> anyhow::Result<()> {
    let at = case.follower().await?;
    case.trial.servers.one(at).may_end();
    case.fault("a bit flips on its way to a follower's log", at);
    let told = case.spoil(at, "flip", "flipped").await?;
    case.goes_on("a bit flipped on its way to the disk").await;
    case.said(format!("flipped: {told}"));
    case.trial.servers.kill(at)?;
    let from = case.fault("start on a log with a wrong bit", at);
    case.trial.servers.start_one(at)?;
    case.ends(at).await;
    let file = told.rsplit('/').next().and_then(|it| it.split(' ').next()).unwrap_or("?");
    case.says(at, from, &["the log is damaged in", file, "at byte"]).await;
    case.goes_on("a follower's log is damaged").await;
    case.fault("the damaged server is removed, another one added", at);
    case.trial.servers.remove(at, false).await?;
    let data = case.trial.servers.one(at).data.clone();
    std::fs::rename(&data, data.with_extension("damaged"))?;
    case.trial.servers.one(at).must_run();
    case.trial.servers.add(at).await?;
    case.goes_on("another server in the place of the damaged one").await;
    Ok(())
}

/// There is no space any more in the middle of a batch, first on the leader, then on a follower: a part of
/// it is on the disk. The server stops, and comes back without that part.
pub(super) async fn no_space(case: &mut Case) -> anyhow::Result<()> {
    for what in ["no space in the middle of a leader's batch", "of a follower's batch"] {
        let is_leader = what.contains("leader");
        let at = if is_leader { case.leader().await? } else { case.follower().await? };
        let from = case.fault(what, at);
        case.trial.servers.one(at).may_end();
        let told = case.spoil(at, "nospace", "short").await?;
        case.said(format!("cut short: {told}"));
        case.ends(at).await;
        case.says(at, from, &["the node had to stop", "No space left", "free or add space"]).await;
        case.goes_on(what).await;
        case.trial.servers.one(at).must_run();
        case.trial.servers.start_one(at)?;
        case.trial.servers.await_health().await?;
    }
    Ok(())
}
