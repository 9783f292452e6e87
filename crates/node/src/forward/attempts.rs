//! Trying again with whoever leads, while that is safe and there is time.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use types::{Code, Fault};

use super::wait::{SOON, explain, until_none_is_left};
use super::{LOOK_AGAIN, REQUEST_TIMEOUT};
use crate::poller::ToPoller;
use crate::shard::{Leadership, Shard};
use crate::shared::Shared;

/// How long one attempt waits before the same question is put again: the answer may have been lost
/// on a full link.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait for news of a leader before asking again where one was refused.
const BACK_OFF: Duration = Duration::from_millis(30);

/// Tries `attempt` with whoever leads until it answers something final, the time is up, or the node
/// ends. `unknown` of a command, which `attempt` is told too: one that was made before got no answer, and
/// may be carried out yet. Then no refusal of a later one is the answer: it would say that nothing was
/// done. `None` for a question, which does nothing.
pub(crate) async fn until_answered<T, F: Future<Output = Result<T, Fault>>>(
    shared: &Shared,
    shard: &Arc<Shard>,
    unknown: Option<bool>,
    mut attempt: impl FnMut(Leadership, bool) -> F,
) -> Result<T, Fault> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    let (is_command, mut unknown) = (unknown.is_some(), unknown.unwrap_or(false));
    let mut last = Code::NoLeader;
    loop {
        if let Err(fault) = shard.broken() {
            // Of what may be carried out yet, only other regions say more: where there are such.
            let asks_others = shard.is_sharded && fault.code == Code::RegionNotFound;
            return Err(if unknown && !asks_others { nobody_knows(&fault) } else { fault });
        }
        let leader = shard.leadership();
        if leader.leader.is_some() {
            let until = deadline.min(Instant::now() + ATTEMPT_TIMEOUT);
            match attempt_at(shared, shard, leader, until, attempt(leader, unknown)).await {
                Ok(answer) => return Ok(answer),
                Err(fault) if !may_retry(fault.code) && !unknown => return Err(fault),
                // No answer to who asked, but what to do next: another region may be the right one.
                Err(fault) if fault.code == Code::EpochMismatch => return Err(fault),
                Err(fault) => {
                    let is_lost = matches!(fault.code, Code::LeaderChanged | Code::Timeout);
                    unknown |= is_command && is_lost;
                    last = fault.code;
                }
            }
        }
        // Its leader may be gone, and nobody else may have a reason to notice; or it sleeps since the
        // start of the node, until its turn comes.
        if shard.is_asleep() && !leader.here {
            let region = shard.record.id;
            shared.poller(region).push(ToPoller::Wake(region));
        }
        if shared.has_ended() {
            return Err(Code::ShuttingDown.into());
        }
        if Instant::now() >= deadline {
            let nobody = last == Code::NoLeader && !unknown;
            let code = if nobody { Code::NoLeader } else { Code::Timeout };
            return Err(explain(shared, shard, code));
        }
        if let Some(mut lost) = shared.quorum_lost(shard) {
            if unknown {
                lost = Fault::new(Code::Timeout, format!("{lost}; the outcome is unknown"));
            }
            return Err(lost);
        }
        wait_for_leader(shared, shard, leader, deadline).await;
    }
}

/// What is told of a command that may have been carried out, where nobody can tell any more.
pub(crate) fn nobody_knows(why: &Fault) -> Fault {
    Fault::new(Code::Timeout, format!("the outcome is unknown: {}", why.detail))
}

/// One attempt; given up early when another leader or term is seen, since the answer may never come.
pub(super) async fn attempt_at<T>(
    shared: &Shared,
    shard: &Arc<Shard>,
    leader: Leadership,
    until: Instant,
    attempt: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut attempt = pin!(attempt);
    let soon = until.min(Instant::now() + SOON);
    if let Ok(answer) = timeout_at(soon, &mut attempt).await {
        return answer;
    }
    let moved = async {
        // A leader of the same term that is merely lost from sight may still answer. Where the region leaves
        // this node, what was to be applied here is not any more, and nobody answers.
        let gone = |now: &Leadership| {
            (now.leader.is_some() && now.leader != leader.leader) || shard.broken().is_err()
        };
        if shard.watch_leadership().wait_for(gone).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    // This node is cut off, with the leader or from it: no other one will be seen from here.
    let alone = until_none_is_left(|| shared.quorum_lost_in(shard));
    tokio::select! {
        biased;
        answer = timeout_at(until, attempt) => {
            answer.unwrap_or_else(|_| Err(Code::Timeout.into()))
        }
        () = moved => Err(Code::LeaderChanged.into()),
        () = alone => Err(Code::Timeout.into()),
        () = shared.ended() => Err(Code::ShuttingDown.into()),
    }
}

async fn wait_for_leader(shared: &Shared, shard: &Shard, seen: Leadership, deadline: Instant) {
    let mut watch = shard.watch_leadership();
    let news = watch.wait_for(|now| now.leader.is_some() && *now != seen);
    let until = match seen.leader {
        // There is one, but it refused: it may be on its way in or out.
        Some(_) => deadline.min(Instant::now() + BACK_OFF),
        None => deadline.min(Instant::now() + LOOK_AGAIN),
    };
    tokio::select! {
        biased;
        _ = timeout_at(until, news) => {}
        () = shared.ended() => {}
    }
}

/// Whether the same question may be put again: it was not carried out, or carries a number that
/// keeps it from being carried out twice.
pub(crate) const fn may_retry(code: Code) -> bool {
    matches!(code, Code::NotLeader | Code::NoLeader | Code::LeaderChanged | Code::Timeout)
}
