//! Bringing a question to a region's leader, wherever it is, until there is an answer or the time
//! is up. A command carries its sequence number through every attempt, so it is applied once.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use state::command::{Command, Envelope};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use types::{Code, Fault, LeaseId, NodeId, RegionId};

use crate::answer::LeaseStatus;
use crate::applier::Applied;
use crate::frame::{Frames, Question};
use crate::poller::{Asked, ToPoller};
use crate::shard::{Leadership, Shard};
use crate::shared::Shared;

/// How long a request may take in all (etcd: 5 s plus two election timeouts).
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);
/// How long one attempt waits before the same question is put again: the answer may have been lost
/// on a full link.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait for news of a leader before asking again where one was refused.
const BACK_OFF: Duration = Duration::from_millis(30);

/// Carries out a command on a region and answers its outcome.
pub(crate) async fn propose(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    command: Command,
) -> Result<Applied, Fault> {
    let (guard, outcome) = shard.tag(shared.incarnation.0)?;
    let envelope = Envelope { epoch: shard.record.epoch, session: Some(guard.tag), command };
    let data = envelope.encode();
    drop(envelope);
    if data.len() > types::limits::REQUEST_BYTES + 4096 {
        return Err(Code::RequestTooLarge.into());
    }
    let attempts = until_answered(shared, shard, |leader: Leadership| {
        let (shared, region, data) = (Arc::clone(shared), shard.record.id, data.clone());
        async move {
            if leader.here {
                return propose_here(&shared, region, data).await;
            }
            let node = leader.leader.ok_or(Code::NoLeader)?;
            ask(&shared, region, node, Question::Propose, data).await.map(drop)
        }
    });
    let answer = tokio::select! {
        biased;
        applied = outcome => applied.map_err(|_| Code::ShuttingDown.into()),
        failed = attempts => Err(failed.err().unwrap_or_else(|| Code::Internal.into())),
    };
    drop(guard);
    answer
}

/// Proposes on this node; answers only if that fails.
async fn propose_here(shared: &Shared, region: RegionId, data: Bytes) -> Result<(), Fault> {
    shared.admit_bytes(data.len())?;
    let (sender, receiver) = oneshot::channel();
    let asked = Asked::Here(sender);
    shared.poller(region).push(ToPoller::Propose { region, data, asked });
    match receiver.await {
        Ok(code) => Err(code.into()),
        // It is in the log and committed; the applier has the word now. Or the node has ended.
        Err(_) => std::future::pending().await,
    }
}

/// Renews a lease on its region's leader; 0 for an unknown one.
pub(crate) async fn renew_lease(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    lease: LeaseId,
) -> Result<i64, Fault> {
    let body = Bytes::copy_from_slice(&lease.get().to_be_bytes());
    let answer = ask_leader(shared, shard, Question::RenewLease, body).await?;
    read_i64(&answer, 0).ok_or_else(malformed)
}

/// What is left of a lease, by the leader's clock.
pub(crate) async fn lease_status(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    lease: LeaseId,
    keys: bool,
) -> Result<LeaseStatus, Fault> {
    let mut body = lease.get().to_be_bytes().to_vec();
    body.push(u8::from(keys));
    let answer = ask_leader(shared, shard, Question::LeaseStatus, body.into()).await?;
    decode_status(lease, answer).ok_or_else(malformed)
}

async fn ask_leader(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    question: Question,
    body: Bytes,
) -> Result<Bytes, Fault> {
    until_answered(shared, shard, |leader: Leadership| {
        let (shared, shard, body) = (Arc::clone(shared), Arc::clone(shard), body.clone());
        async move {
            if leader.here {
                return answer_lease(&shared, &shard, question, &body).await;
            }
            let node = leader.leader.ok_or(Code::NoLeader)?;
            ask(&shared, shard.record.id, node, question, body).await
        }
    })
    .await
}

/// Waits until this node's copy may answer as if it were the only one.
pub(crate) async fn read_barrier(shared: &Shared, shard: &Shard) -> Result<(), Fault> {
    shared.admit()?;
    let region = shard.record.id;
    let (since, leadership) = (shared.clock.now(), shard.leadership());
    let (reply, receiver) = oneshot::channel();
    shared.poller(region).push(ToPoller::Read { region, reply });
    let answer = tokio::select! {
        biased;
        answer = tokio::time::timeout(REQUEST_TIMEOUT, receiver) => answer,
        () = shared.ended() => return Err(Code::ShuttingDown.into()),
    };
    match answer {
        Ok(Ok(result)) => result?,
        Ok(Err(_)) => {
            shard.broken()?;
            return Err(Code::ShuttingDown.into());
        }
        Err(_) => return Err(Code::Timeout.into()),
    }
    if leadership.here && shard.leadership() == leadership {
        shard.note_confirmed(leadership.term, since);
    }
    Ok(())
}

/// Renews a lease at once, if nothing has to be waited for: this node leads, a quorum said so a
/// moment ago, it has applied all it knows, and has the lease. A leader that was paused finds the
/// moment long ago.
pub(crate) fn renew_now(shared: &Shared, shard: &Shard, body: &[u8]) -> Option<Bytes> {
    let lease = LeaseId(read_i64(body, 0)?);
    let now = shared.clock.now();
    if !shard.is_confirmed(now, shared.config.leader_confirmed_for()) || !shard.is_caught_up() {
        return None;
    }
    let left = shard.leases.lock().renew(now, lease)?;
    Some(Bytes::copy_from_slice(&left.to_be_bytes()))
}

/// Answers a question about a lease; this node must lead. A lease that somebody was told is revoked
/// is not renewed here, and one that somebody was told is granted is known here.
pub(crate) async fn answer_lease(
    shared: &Shared,
    shard: &Shard,
    question: Question,
    body: &[u8],
) -> Result<Bytes, Fault> {
    let lease = LeaseId(read_i64(body, 0).ok_or_else(malformed)?);
    if !shard.leadership().here {
        return Err(Code::NotLeader.into());
    }
    match question {
        Question::Propose => Err(malformed()),
        Question::RenewLease => {
            let (reply, caught_up) = oneshot::channel();
            shard.when_caught_up(reply);
            caught_up.await.map_err(|_| Code::ShuttingDown)??;
            if let Some(renewed) = renew_now(shared, shard, body) {
                return Ok(renewed);
            }
            // Unknown, or this leader is too new to know: a quorum tells how far it must be.
            read_barrier(shared, shard).await?;
            let now = shared.clock.now();
            let left = {
                let mut leases = shard.leases.lock();
                if !leases.leads() || !shard.leadership().here {
                    return Err(Code::NotLeader.into());
                }
                leases.renew(now, lease).unwrap_or(0)
            };
            Ok(Bytes::copy_from_slice(&left.to_be_bytes()))
        }
        Question::LeaseStatus => {
            read_barrier(shared, shard).await?;
            lease_status_here(shared, shard, lease, body.get(8) == Some(&1))
        }
    }
}

fn lease_status_here(
    shared: &Shared,
    shard: &Shard,
    lease: LeaseId,
    keys: bool,
) -> Result<Bytes, Fault> {
    let machine = shard.machine.read();
    let remaining = {
        let leases = shard.leases.lock();
        if !leases.leads() || !shard.leadership().here {
            return Err(Code::NotLeader.into());
        }
        leases.remaining(shared.clock.now(), lease)
    };
    let granted = machine.lease(lease);
    let mut out = BytesMut::new();
    out.put_i64(remaining.filter(|_| granted.is_some()).unwrap_or(-1));
    out.put_i64(granted.unwrap_or(0));
    if keys {
        for key in machine.lease_keys(lease) {
            out.put_u32(u32::try_from(key.len()).unwrap_or(0));
            out.put_slice(&key);
        }
    }
    Ok(out.freeze())
}

fn decode_status(id: LeaseId, mut body: Bytes) -> Option<LeaseStatus> {
    let ttl_seconds = read_i64(&body, 0)?;
    let granted_seconds = read_i64(&body, 8)?;
    let mut keys = Vec::new();
    drop(body.split_to(16));
    while !body.is_empty() {
        let len = u32::from_be_bytes(body.get(..4)?.try_into().ok()?) as usize;
        keys.push(body.get(4..4 + len).map(|_| body.slice(4..4 + len))?);
        drop(body.split_to(4 + len));
    }
    Some(LeaseStatus { id, ttl_seconds, granted_seconds, keys })
}

fn read_i64(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn malformed() -> Fault {
    Fault::new(Code::Internal, "a message between nodes that makes no sense")
}

/// Puts a question to a node and waits for its answer.
async fn ask(
    shared: &Shared,
    region: RegionId,
    node: NodeId,
    question: Question,
    body: Bytes,
) -> Result<Bytes, Fault> {
    struct Forget<'a>(&'a Shared, u64);
    impl Drop for Forget<'_> {
        fn drop(&mut self) {
            self.0.forget(self.1);
        }
    }
    let (id, receiver) = shared.ask(node)?;
    let _forget = Forget(shared, id);
    let mut frames = Frames::default();
    frames.request(node, id, region, question, &body);
    let Some(net) = shared.net.get() else { return Err(Code::NoLeader.into()) };
    for (to, frame) in frames.drain() {
        net.send(to, frame).map_err(|_| Code::NoLeader)?;
    }
    match receiver.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(fault)) => Err(of_another_node(fault)),
        Err(_) => Err(Code::LeaderChanged.into()),
    }
}

/// What another node's trouble is to this one's clients: somebody else will lead.
fn of_another_node(fault: Fault) -> Fault {
    match fault.code {
        Code::ShuttingDown | Code::Corrupt => Code::LeaderChanged.into(),
        Code::RegionNotFound => Code::NoLeader.into(),
        _ => fault,
    }
}

/// Tries `attempt` with whoever leads until it answers something final, the time is up, or the node
/// ends.
async fn until_answered<T, F: Future<Output = Result<T, Fault>>>(
    shared: &Shared,
    shard: &Arc<Shard>,
    attempt: impl FnMut(Leadership) -> F,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        answer = attempts(shard, attempt) => answer,
        () = shared.ended() => Err(Code::ShuttingDown.into()),
    }
}

async fn attempts<T, F: Future<Output = Result<T, Fault>>>(
    shard: &Arc<Shard>,
    mut attempt: impl FnMut(Leadership) -> F,
) -> Result<T, Fault> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    let mut last = Code::NoLeader;
    // Whether an attempt that got no answer may be carried out yet. Then no refusal of a later one
    // is the answer: it would say that nothing was done.
    let mut unknown = false;
    loop {
        shard.broken()?;
        let leader = shard.leadership();
        if leader.leader.is_some() {
            let until = deadline.min(Instant::now() + ATTEMPT_TIMEOUT);
            match attempt_at(shard, leader, until, attempt(leader)).await {
                Ok(answer) => return Ok(answer),
                Err(fault) if !may_retry(fault.code) && !unknown => return Err(fault),
                Err(fault) => {
                    unknown |= matches!(fault.code, Code::LeaderChanged | Code::Timeout);
                    last = fault.code;
                }
            }
        }
        if Instant::now() >= deadline {
            let nobody = last == Code::NoLeader && !unknown;
            return Err(if nobody { Code::NoLeader } else { Code::Timeout }.into());
        }
        wait_for_leader(shard, leader, deadline).await;
    }
}

/// One attempt; given up early when another leader or term is seen, since the answer may never come.
async fn attempt_at<T>(
    shard: &Arc<Shard>,
    leader: Leadership,
    until: Instant,
    attempt: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut watch = shard.watch_leadership();
    let moved = async {
        // A leader of the same term that is merely lost from sight may still answer.
        let gone = |now: &Leadership| now.leader.is_some() && now.leader != leader.leader;
        if watch.wait_for(gone).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        answer = timeout_at(until, attempt) => {
            answer.unwrap_or_else(|_| Err(Code::Timeout.into()))
        }
        () = moved => Err(Code::LeaderChanged.into()),
    }
}

async fn wait_for_leader(shard: &Arc<Shard>, seen: Leadership, deadline: Instant) {
    let mut watch = shard.watch_leadership();
    let news = watch.wait_for(|now| now.leader.is_some() && *now != seen);
    let until = match seen.leader {
        // There is one, but it refused: it may be on its way in or out.
        Some(_) => deadline.min(Instant::now() + BACK_OFF),
        None => deadline,
    };
    drop(timeout_at(until, news).await);
}

/// Whether the same question may be put again: it was not carried out, or carries a number that
/// keeps it from being carried out twice.
const fn may_retry(code: Code) -> bool {
    matches!(code, Code::NotLeader | Code::NoLeader | Code::LeaderChanged | Code::Timeout)
}
