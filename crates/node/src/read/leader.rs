//! Having the leader's node read, or say whether it leads.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use state::request::Query;
use state::response::Outcome;
use types::{Code, Fault, NodeId, Term};

use super::{Found, Trust, by_lease, by_round, local};
use crate::forward::{ask, malformed, until_answered};
use crate::frame::Question;
use crate::shard::{Leadership, Shard};
use crate::shared::Shared;

/// Bytes of an answer that is sent to another node at most: what is larger would keep Raft's messages
/// waiting, and the asker reads its own copy.
const ANSWER_BYTES: usize = 4 << 20;

/// Reads on the leader's node, whichever that is by now.
pub(super) async fn ask_to_read(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    query: &Query,
    trust: Trust,
) -> Result<Found, Fault> {
    let mut body = BytesMut::new();
    body.put_u8(u8::from(trust == Trust::Lease));
    body.put_slice(&query.encode());
    let body = body.freeze();
    until_answered(shared, shard, None, |leader: Leadership, _| {
        let (shared, shard) = (Arc::clone(shared), Arc::clone(shard));
        let (query, body) = (query.clone(), body.clone());
        async move {
            if leader.here {
                return read_as_leader(&shared, &shard, query, trust).await;
            }
            let node = leader.leader.ok_or(Code::NoLeader)?;
            let answer = ask(&shared, shard.record.id, node, Question::Read, body).await?;
            decode(answer)
        }
    })
    .await
}

/// Another node's read; this one must lead.
pub(crate) async fn answer_read(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    mut body: Bytes,
) -> Result<Bytes, Fault> {
    let trust = match body.try_get_u8() {
        Ok(0) => Trust::Quorum,
        Ok(1) => Trust::Lease,
        _ => return Err(malformed()),
    };
    let query = Query::decode(body).map_err(|_| malformed())?;
    if matches!(&query, Query::Txn(txn) if txn.has_writes()) {
        return Err(malformed());
    }
    let found = read_as_leader(shared, shard, query, trust).await?;
    let outcome = Outcome { revision: found.revision, result: Ok(found.response) };
    let outcome = outcome.encode();
    if outcome.len() > ANSWER_BYTES {
        return Err(Fault::new(Code::LimitReached, "the answer is too large for another node"));
    }
    let mut answer = BytesMut::with_capacity(8 + outcome.len());
    answer.put_u64(found.term.get());
    answer.put_slice(&outcome);
    Ok(answer.freeze())
}

async fn read_as_leader(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    query: Query,
    trust: Trust,
) -> Result<Found, Fault> {
    if !shard.leadership().here {
        return Err(Code::NotLeader.into());
    }
    match trust {
        Trust::Quorum => by_round(shared, shard).await?,
        Trust::Lease => by_lease(shared, shard).await?,
    }
    local::serve(shared, shard, query).await
}

fn decode(mut answer: Bytes) -> Result<Found, Fault> {
    let term = Term(answer.try_get_u64().map_err(|_| malformed())?);
    let outcome = Outcome::decode(answer).map_err(|_| malformed())?;
    Ok(Found { response: outcome.result?, revision: outcome.revision, term, age: None })
}

/// Who leads, confirmed by a quorum after this call began, and in which term.
pub(crate) async fn verify(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
) -> Result<(NodeId, Term), Fault> {
    until_answered(shared, shard, None, |leader: Leadership, _| {
        let (shared, shard) = (Arc::clone(shared), Arc::clone(shard));
        async move {
            let node = leader.leader.ok_or(Code::NoLeader)?;
            if leader.here {
                return verify_here(&shared, &shard).await.map(|term| (node, term));
            }
            let region = shard.record.id;
            let mut answer =
                ask(&shared, region, node, Question::VerifyLeader, Bytes::new()).await?;
            Ok((node, Term(answer.try_get_u64().map_err(|_| malformed())?)))
        }
    })
    .await
}

/// Another node asks whether this one leads.
pub(crate) async fn answer_verify(shared: &Shared, shard: &Shard) -> Result<Bytes, Fault> {
    let term = verify_here(shared, shard).await?;
    Ok(Bytes::copy_from_slice(&term.get().to_be_bytes()))
}

async fn verify_here(shared: &Shared, shard: &Shard) -> Result<Term, Fault> {
    let before = shard.leadership();
    if !before.here {
        return Err(Code::NotLeader.into());
    }
    by_round(shared, shard).await?;
    // A term has one leader, and who lost it does not get it back: it led all the while, so the
    // round was its own.
    if shard.leadership() == before { Ok(before.term) } else { Err(Code::NotLeader.into()) }
}
