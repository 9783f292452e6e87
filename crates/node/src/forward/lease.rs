//! Leases, by the leader's clock.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use types::{Code, Fault, LeaseId};

use super::REQUEST_TIMEOUT;
use super::attempts::until_answered;
use super::question::{ask, malformed};
use super::wait::patiently;
use crate::answer::LeaseStatus;
use crate::frame::Question;
use crate::poller::ToPoller;
use crate::read;
use crate::shard::{Leadership, Shard};
use crate::shared::Shared;
use crate::waiter::ReadReply;

/// Leases that one question renews at most: what it asks for is held up by the others in it.
pub(crate) const RENEWALS_TOGETHER: usize = 256;
/// Bytes of a lease's id, and of an answer about one.
const WORD: usize = 8;

/// Renews leases on their region's leader, all with one question; answers the seconds each lives, in the
/// order of `leases`, 0 for an unknown one. At most [`RENEWALS_TOGETHER`].
pub(crate) async fn renew_leases(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    leases: &[LeaseId],
) -> Result<Vec<i64>, Fault> {
    let mut body = BytesMut::with_capacity(leases.len() * WORD);
    leases.iter().for_each(|lease| body.put_i64(lease.get()));
    let answer = ask_leader(shared, shard, Question::RenewLease, body.freeze()).await?;
    match words(&answer) {
        Some(seconds) if answer.len() == leases.len() * WORD => Ok(seconds.collect()),
        _ => Err(malformed()),
    }
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
    until_answered(shared, shard, None, |leader: Leadership, _| {
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

/// Renews leases at once, if nothing has to be waited for: this node leads, a quorum said so a moment
/// ago, it has applied all it knows, and has the leases. A leader that was paused finds the moment long
/// ago. If one of them is unknown here, some may be renewed and there is no answer.
pub(crate) fn renew_now(shared: &Shared, shard: &Shard, body: &[u8]) -> Option<Bytes> {
    let asked = words(body)?;
    let now = shared.clock.now();
    if shard.lease_left(now, &shared.config.clock_rules()).is_none() || !shard.is_caught_up() {
        return None;
    }
    let mut answer = BytesMut::with_capacity(body.len());
    let mut leases = shard.leases.lock();
    for lease in asked {
        answer.put_i64(leases.renew(now, LeaseId(lease))?);
    }
    Some(answer.freeze())
}

/// Answers a question about a lease; this node must lead. A lease that somebody was told is revoked
/// is not renewed here, and one that somebody was told is granted is known here.
pub(crate) async fn answer_lease(
    shared: &Shared,
    shard: &Shard,
    question: Question,
    body: &[u8],
) -> Result<Bytes, Fault> {
    shard.keys_only()?;
    if !shard.leadership().here {
        return Err(Code::NotLeader.into());
    }
    match question {
        Question::Propose
        | Question::Read
        | Question::VerifyLeader
        | Question::ProposeFor
        | Question::ReadFor
        | Question::Report
        | Question::Door => Err(malformed()),
        Question::RenewLease => {
            let asked = words(body).ok_or_else(malformed)?;
            let surely = || {
                let now = shared.clock.now();
                let mut answer = BytesMut::with_capacity(body.len());
                let mut leases = shard.leases.lock();
                if !leases.leads() || !shard.leadership().here {
                    return Err(Code::NotLeader.into());
                }
                asked.for_each(|lease| {
                    answer.put_i64(leases.renew(now, LeaseId(lease)).unwrap_or(0));
                });
                Ok(answer.freeze())
            };
            leader_round(shared, shard, || renew_now(shared, shard, body), surely).await
        }
        Question::Registry => Err(malformed()),
        Question::LeaseStatus => {
            let lease = LeaseId(read_i64(body, 0).ok_or_else(malformed)?);
            read::by_round(shared, shard).await?;
            lease_status_here(shared, shard, lease, body.get(8) == Some(&1))
        }
    }
}

/// Answers by the leader's clock as soon as that may be: by `at_once` when everything this node knows of is
/// applied, or else by `surely` after a quorum told how far a leader must be.
pub(crate) async fn leader_round<T>(
    shared: &Shared,
    shard: &Shard,
    at_once: impl FnOnce() -> Option<T>,
    surely: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let (reply, caught_up) = ReadReply::task();
    shard.when_caught_up(reply);
    patiently(shared, REQUEST_TIMEOUT, caught_up).await?.map_err(|_| Code::ShuttingDown)??;
    if let Some(answer) = at_once() {
        return Ok(answer);
    }
    // Unknown, or this leader is too new to know.
    renewal_round(shared, shard).await?;
    surely()
}

/// Waits until this node's copy may answer a renewal as if it were the only one. Goes its own way past
/// all other requests: a lease must not end because of them (feature C10).
async fn renewal_round(shared: &Shared, shard: &Shard) -> Result<(), Fault> {
    shared.admit_renewal()?;
    let region = shard.record.id;
    let (reply, receiver) = ReadReply::task();
    shared.poller(region).push(ToPoller::Renew { region, reply });
    match patiently(shared, REQUEST_TIMEOUT, receiver).await? {
        Ok(result) => Ok(result?),
        Err(_) => {
            shard.broken()?;
            Err(Code::ShuttingDown.into())
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

/// The numbers a body is made of; `None` if it is not, or of more than one question may have.
fn words(body: &[u8]) -> Option<impl Iterator<Item = i64> + '_> {
    let (words, rest) = body.as_chunks::<WORD>();
    let fits = rest.is_empty() && (1..=RENEWALS_TOGETHER).contains(&words.len());
    fits.then(|| words.iter().map(|word| i64::from_be_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::{RENEWALS_TOGETHER, WORD, words};

    #[test]
    fn a_body_is_whole_numbers_and_not_too_many() {
        let read = |body: &[u8]| words(body).map(Iterator::collect::<Vec<i64>>);
        assert_eq!(read(&[0, 0, 0, 0, 0, 0, 0, 5]), Some(vec![5]));
        assert_eq!(read(&[255; 16]), Some(vec![-1, -1]));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0; 12]), None);
        assert!(read(&[0; RENEWALS_TOGETHER * WORD]).is_some());
        assert_eq!(read(&[0; RENEWALS_TOGETHER * WORD + WORD]), None);
    }
}
