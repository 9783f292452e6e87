//! Up to which level the cluster uses what goes through logs (ADR 18): each node tells what its build knows,
//! and the leader of the meta region raises it once all have known it for a while.

use std::sync::Arc;
use std::time::Duration;

use state::command::{Command, level};
use state::directory::Directory;
use tokio::time::{Instant, sleep, timeout};
use types::{Code, Fault, RegionId};

use crate::failure::Failure;
use crate::forward;
use crate::shared::Shared;

/// How long to wait before a node tells its level once more.
const TELL_AGAIN: Duration = Duration::from_millis(500);

/// For how long somebody waits for a level that a cluster which was just formed is about to use.
const FORMING: Duration = Duration::from_secs(2);

/// Waits a moment for a level, where nobody has raised any yet and this node knows it: clients ask a cluster
/// that was just formed before its nodes have told each other what they know.
pub(crate) async fn settle(shared: &Shared, of: u32) {
    let knows = of <= shared.config.level;
    let is_settled = |now: &Arc<Directory>| !knows || of <= now.level() || now.raised > 0;
    let mut directory = shared.watch_directory();
    drop(timeout(FORMING, directory.wait_for(is_settled)).await);
}

/// Whether what came with this level may go into a log.
pub(crate) fn is_used(shared: &Shared, of: u32) -> bool {
    // What all know needs no look.
    of == level::FIRST || of <= shared.with_directory(Directory::level)
}

/// The same for a command.
///
/// # Errors
/// `Unsupported`, until every member knows it.
pub(crate) fn must_be_used(shared: &Shared, of: u32) -> Result<(), Fault> {
    if is_used(shared, of) {
        return Ok(());
    }
    let used = shared.with_directory(Directory::level);
    let detail = format!(
        "this needs level {of}, and the cluster is at level {used} until every member has run a build that \
         knows it for a while; `hiraeth status` shows which does not"
    );
    Err(Fault::new(Code::Unsupported, detail))
}

/// Tells the cluster what this node's build knows, and ends the node where the cluster is beyond that.
/// Runs as long as the node: its copy of the directory may be older than what was told last.
pub(crate) async fn tell(shared: &Arc<Shared>) {
    let (node, most) = (shared.node(), shared.config.level);
    let mut directory = shared.watch_directory();
    loop {
        let (is_told, admitted) = {
            let now = directory.borrow_and_update();
            let is_told = now.levels.get(&node) == Some(&most) || !now.nodes.contains_key(&node);
            (is_told, now.admits(&shared.config.name, most))
        };
        if let Err(fault) = admitted {
            return shared.fail(Failure::refused(fault.detail));
        }
        if is_told {
            if directory.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(meta) = shared.shard(RegionId::META) else { return };
        let answer = forward::propose(shared, &meta, Command::TellLevel { node, most }).await;
        if let Err(fault) = answer.and_then(|applied| applied.outcome.result) {
            if fault.code == Code::ClusterMismatch {
                return shared.fail(Failure::refused(fault.detail));
            }
            tracing::debug!(%fault, "this node's level is not told yet");
        }
        drop(timeout(TELL_AGAIN, directory.changed()).await);
    }
}

/// Runs as long as the node. Between the last member's word and the raise there is time to go back to an
/// older build; a cluster that is as young as this node's run (`is_new`) has nothing to go back to, and is
/// not made to wait.
pub(crate) async fn raise(shared: Arc<Shared>, is_new: bool) {
    let patience = shared.config.level_after;
    let young_until = Instant::now() + patience;
    let mut directory = shared.watch_directory();
    let Some(meta) = shared.shard(RegionId::META) else { return };
    let mut leadership = meta.watch_leadership();
    loop {
        let to = {
            let now = directory.borrow_and_update();
            (now.known_level() > now.level()).then(|| now.known_level())
        };
        let leads = leadership.borrow_and_update().here;
        let Some(to) = to.filter(|_| leads) else {
            tokio::select! {
                changed = directory.changed() => if changed.is_err() { return },
                changed = leadership.changed() => if changed.is_err() { return },
            }
            continue;
        };
        let is_other = |now: &Arc<Directory>| now.known_level() != to || now.level() >= to;
        let lost = leadership.wait_for(|now| !now.here);
        let is_young = is_new && Instant::now() < young_until;
        tokio::select! {
            is_here = async { directory.wait_for(is_other).await.is_ok() } => if !is_here { return },
            is_here = async { lost.await.is_ok() } => if !is_here { return },
            () = sleep(if is_young { Duration::ZERO } else { patience }) => {
                let answer = forward::propose(&shared, &meta, Command::RaiseLevel { to }).await;
                match answer.and_then(|applied| applied.outcome.result) {
                    Ok(_) => tracing::info!(level = to, "all members know this level: it is used"),
                    Err(fault) => tracing::debug!(%fault, "the level is not raised yet"),
                }
            }
        }
    }
}
