//! Disks that fill, turn read-only, fail a sync, or change what was written.

use std::os::unix::fs::FileExt;

use anyhow::Context;

use super::Case;

/// Less than a server keeps back, more than it needs to go on.
const NEARLY_FULL: u64 = 48 << 20;

impl Case {
    pub(crate) fn disk(&mut self, at: usize) -> anyhow::Result<&crate::servers::OwnDisk> {
        self.trial.servers.one(at).disk.as_ref().context("the server has no disk of its own")
    }
}

/// The leader's disk has little room left: no new writes on it, but nothing breaks.
pub(super) async fn nearly_full(case: &mut Case) -> anyhow::Result<()> {
    let leader = case.leader().await?;
    let from = case.fault("leader's disk nearly full", leader);
    case.disk(leader)?.fill(NEARLY_FULL)?;
    case.says(leader, from, &["read-only", "free or add space"]).await;
    case.goes_on("the leader's disk is nearly full, the others' are not").await;
    let from = case.fault("leader's disk freed", leader);
    case.disk(leader)?.free()?;
    case.says(leader, from, &["writes are taken again"]).await;
    case.goes_on("the leader's disk has room again").await;
    Ok(())
}

/// Nothing more fits on the leader's disk, from one moment to the next.
pub(super) async fn full(case: &mut Case) -> anyhow::Result<()> {
    let leader = case.leader().await?;
    let from = case.fault("leader's disk full", leader);
    case.trial.servers.one(leader).may_end();
    case.disk(leader)?.fill(0)?;
    case.says(leader, from, &["free or add space"]).await;
    case.goes_on("the leader's disk is full, the others' are not").await;
    // Whether it has to stop depends on what it has to write; started anew it must come back.
    case.trial.servers.kill(leader)?;
    let from = case.fault("start on a full disk", leader);
    case.trial.servers.start_one(leader)?;
    case.says(leader, from, &["free or add space"]).await;
    case.goes_on("a node started on a full disk").await;
    case.trial.servers.kill(leader)?;
    case.disk(leader)?.free()?;
    case.trial.servers.start_one(leader)?;
    Ok(())
}

/// The file system of the leader turns read-only, as ext4 does when its disk fails.
pub(super) async fn read_only(case: &mut Case) -> anyhow::Result<()> {
    let leader = case.leader().await?;
    let from = case.fault("leader's disk read-only", leader);
    case.trial.servers.one(leader).may_end();
    case.disk(leader)?.fail()?;
    case.ends(leader).await;
    case.says(
        leader,
        from,
        &["the node had to stop", "is read-only", "dmesg", "start the node again"],
    )
    .await;
    case.goes_on("the leader's disk is read-only").await;
    case.disk(leader)?.unmount()?;
    case.disk(leader)?.mount("ro")?;
    let from = case.fault("start on a read-only disk", leader);
    case.trial.servers.start_one(leader)?;
    case.ends(leader).await;
    case.says(leader, from, &["read-only", "mount it for writing"]).await;
    case.disk(leader)?.unmount()?;
    case.disk(leader)?.mount("rw")?;
    case.trial.servers.start_one(leader)?;
    Ok(())
}

/// One sync fails, first on the leader, then on a follower. Neither may go on as if nothing was.
pub(super) async fn failed_sync(case: &mut Case) -> anyhow::Result<()> {
    for what in ["leader's sync fails", "follower's sync fails"] {
        let is_leader = what.starts_with("leader");
        let at = if is_leader { case.leader().await? } else { case.follower().await? };
        let from = case.fault(what, at);
        let server = case.trial.servers.one(at);
        server.may_end();
        server.order("fsync", "")?;
        case.ends(at).await;
        case.says(at, from, &["the node had to stop", "acknowledged is durable", "dmesg"]).await;
        case.goes_on(what).await;
        case.trial.servers.one(at).must_run();
        case.trial.servers.start_one(at)?;
        case.trial.servers.await_health().await?;
    }
    Ok(())
}

/// Bytes of a follower's log change while it is down: in the middle of what it acknowledged.
pub(super) async fn damaged_log(case: &mut Case) -> anyhow::Result<()> {
    let at = case.follower().await?;
    case.trial.servers.one(at).may_end();
    case.trial.servers.kill(at)?;
    let folder = case.trial.servers.one(at).data.join("log");
    let mut logs: Vec<_> = std::fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    logs.sort();
    let newest = logs.last().with_context(|| format!("no log in {}", folder.display()))?;
    let file = std::fs::File::options().read(true).write(true).open(newest)?;
    // Zeros follow what was written.
    let bytes = std::fs::read(newest)?;
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64;
    let mut byte = [0];
    file.read_exact_at(&mut byte, written / 2)?;
    file.write_all_at(&[byte[0] ^ 0x10], written / 2)?;
    let from = case.fault("a bit of a follower's log flipped", at);
    case.trial.servers.start_one(at)?;
    case.ends(at).await;
    case.says(at, from, &["the log is damaged in", "at byte"]).await;
    case.goes_on("a follower's log is damaged").await;
    // As from the copy that an operator has.
    file.write_all_at(&byte, written / 2)?;
    case.trial.servers.start_one(at)?;
    Ok(())
}
