//! Requests for regions that have no replica on this node: one that has carries them out. A command keeps
//! the number it was given here whichever node it goes through, so it is carried out once.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use state::command::Envelope;
use state::request::Query;
use state::response::Outcome;
use tokio::time::{Instant, sleep, timeout_at};
use types::{Code, Fault, Index, NodeId, RegionId, Term};

use crate::answer::{Age, Consistency};
use crate::applier::Applied;
use crate::forward::{self, REQUEST_TIMEOUT, attempts, malformed, nobody_knows};
use crate::frame::Question;
use crate::read::{self, Found};
use crate::shard::Shard;
use crate::shared::Shared;

/// How long a node may take before the next is asked besides: its disk or its processor may stand still, and
/// the others go on without it.
const LATE: Duration = Duration::from_millis(500);
/// The same where too much is late to ask twice.
const VERY_LATE: Duration = Duration::from_secs(2);
/// Bytes of an answer to another node at most: what is larger would keep Raft's messages waiting.
const ANSWER_BYTES: usize = 4 << 20;

/// A region that is not here, and the nodes that have it.
#[derive(Debug)]
pub(super) struct Far {
    pub(super) region: RegionId,
    pub(super) nodes: Vec<NodeId>,
}

impl Far {
    /// Has a command carried out. `unknown`: it may have been already, in a way that answered nothing.
    ///
    /// # Errors
    /// `EpochMismatch` where the region is another one by now, or is not there; else what it is refused for.
    pub(super) async fn propose(
        &self,
        shared: &Arc<Shared>,
        data: &Bytes,
        mut unknown: bool,
    ) -> Result<Applied, Fault> {
        let body = |unknown| {
            let mut body = BytesMut::with_capacity(1 + data.len());
            body.put_u8(u8::from(unknown));
            body.put_slice(data);
            body.freeze()
        };
        let answer = self.first_answer(shared, Question::ProposeFor, body, &mut unknown).await?;
        decode_applied(shared, self.region, answer)
    }

    /// Has a read carried out.
    ///
    /// # Errors
    /// As for [`Self::propose`]; `LimitReached` for an answer that is too large to be sent.
    pub(super) async fn read(
        &self,
        shared: &Arc<Shared>,
        query: &Query,
        consistency: Consistency,
    ) -> Result<Found, Fault> {
        let mut body = BytesMut::new();
        put_consistency(&mut body, consistency);
        body.put_slice(&query.encode());
        let body = body.freeze();
        let answer =
            self.first_answer(shared, Question::ReadFor, |_| body.clone(), &mut false).await?;
        decode_found(shared, self.region, answer)
    }

    /// Asks one node after the other until one answers, the next one also while one before it is late.
    /// `unknown` is told to those that are asked: whether somebody may have carried it out already.
    async fn first_answer(
        &self,
        shared: &Shared,
        question: Question,
        body: impl Fn(bool) -> Bytes,
        unknown: &mut bool,
    ) -> Result<Bytes, Fault> {
        let changes = question == Question::ProposeFor;
        let mut last = Fault::from(Code::NoLeader);
        let mut nodes = self.in_order(shared).into_iter().peekable();
        let mut asked = FuturesUnordered::new();
        let until = Instant::now() + REQUEST_TIMEOUT;
        let twice = &shared.sharding.twice;
        twice.asked();
        loop {
            let is_late = !asked.is_empty();
            if let Some(node) = nodes.next() {
                *unknown |= changes && is_late;
                asked.push(self.ask(shared, node, (question, until), body(*unknown)));
            }
            let late = async {
                sleep(LATE).await;
                if !twice.may() {
                    sleep(VERY_LATE.saturating_sub(LATE)).await;
                }
            };
            let answer = tokio::select! {
                biased;
                answer = asked.next() => answer,
                () = late, if nodes.peek().is_some() => continue,
            };
            match answer {
                None => return Err(self.failed(shared, last, *unknown)),
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(fault)) if may_go_on(fault.code) => {
                    let was_there = !matches!(fault.code, Code::RegionNotFound | Code::NoLeader);
                    *unknown |= changes && was_there;
                    last = fault;
                }
                // No word about what may have been carried out by somebody asked before.
                Some(Err(fault)) if *unknown && fault.code != Code::EpochMismatch => {
                    last = nobody_knows(&fault);
                    if asked.is_empty() {
                        return Err(last);
                    }
                }
                Some(Err(fault)) => return Err(fault),
            }
        }
    }

    /// Where the region was led when somebody was asked last, then nodes that are there, then the others.
    fn in_order(&self, shared: &Shared) -> Vec<NodeId> {
        let hint = shared.sharding.leader_of(self.region);
        let liveness = shared.live.liveness.lock();
        let mut nodes = self.nodes.clone();
        // Those of different nodes do not all begin with the same one.
        let own = usize::try_from(shared.node().get()).unwrap_or(0);
        let turn = own % nodes.len().max(1);
        nodes.rotate_left(turn);
        nodes.sort_by_key(|node| (!liveness.is_alive(*node), Some(*node) != hint));
        nodes
    }

    async fn ask(
        &self,
        shared: &Shared,
        node: NodeId,
        (question, until): (Question, Instant),
        body: Bytes,
    ) -> Result<Bytes, Fault> {
        let asked = forward::ask_node(shared, self.region, node, question, body);
        let was_there = shared.live.liveness.lock().is_heard(node);
        // It is lost meanwhile: the others will lead what it led long before this attempt is over.
        let goes = async {
            if !was_there {
                std::future::pending::<()>().await;
            }
            forward::until_none_is_left(|| {
                let silent = shared.live.liveness.lock().silent_for(shared.clock.now(), node);
                shared.config.election_timeout().saturating_sub(silent)
            })
            .await;
        };
        tokio::select! {
            biased;
            answer = timeout_at(until, asked) => {
                answer.unwrap_or_else(|_| Err(Code::Timeout.into()))
            }
            () = goes => Err(Code::Timeout.into()),
            () = shared.ended() => Err(Code::ShuttingDown.into()),
        }
    }

    /// Nobody carried it out: if that is because they have moved, the map is asked again.
    fn failed(&self, shared: &Shared, last: Fault, unknown: bool) -> Fault {
        if shared.has_ended() {
            return Code::ShuttingDown.into();
        }
        match last.code {
            Code::RegionNotFound | Code::NoLeader | Code::LeaderChanged | Code::ShuttingDown => {
                Code::EpochMismatch.into()
            }
            _ if unknown => Fault::new(Code::Timeout, format!("{last}; the outcome is unknown")),
            _ => last,
        }
    }
}

/// Whether the next node may do better.
const fn may_go_on(code: Code) -> bool {
    matches!(
        code,
        Code::RegionNotFound
            | Code::NoLeader
            | Code::LeaderChanged
            | Code::Timeout
            | Code::ShuttingDown
            | Code::Corrupt
    )
}

/// Carries out another node's command, for it has no replica that could tell it the outcome.
pub(crate) async fn answer_propose(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    mut body: Bytes,
) -> Result<Bytes, Fault> {
    shard.broken()?;
    has_come(shard)?;
    let unknown = body.try_get_u8().map_err(|_| malformed())? != 0;
    let envelope = Envelope::decode(body.clone()).map_err(|_| malformed())?;
    let tag = envelope.session.filter(|_| shard.is_sharded).ok_or_else(malformed)?;
    if !unknown {
        shard.heat.ask(shared, || state::sharded::span(&envelope.command))?;
    }
    drop(envelope);
    let mut guest = shard.guests.enter(&tag);
    let attempts = attempts(shared, shard, &body, unknown);
    let applied = tokio::select! {
        biased;
        told = &mut guest.outcome => match told {
            Ok(applied) => applied?,
            // Another node asks for it by now, or the region leaves.
            Err(_) => return Err(on_the_way(shard.broken().err().unwrap_or(Code::Timeout.into()))),
        },
        fault = attempts => return Err(on_the_way(fault)),
    };
    Ok(encode(shard, applied.term, None, &applied.outcome))
}

/// A replica that came has its votes before its state is in place, and does nothing for others until then:
/// it is as if it were not here.
fn has_come(shard: &Shard) -> Result<(), Fault> {
    if shard.applied() == Index(0) { Err(Code::RegionNotFound.into()) } else { Ok(()) }
}

/// A region that leaves while it carries a command out may have done so: that is not as if it were not here.
fn on_the_way(fault: Fault) -> Fault {
    if fault.code == Code::RegionNotFound { Code::LeaderChanged.into() } else { fault }
}

/// Carries out another node's read.
pub(crate) async fn answer_read(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    mut body: Bytes,
) -> Result<Bytes, Fault> {
    shard.broken()?;
    has_come(shard)?;
    let consistency = get_consistency(&mut body).ok_or_else(malformed)?;
    let query = Query::decode(body).map_err(|_| malformed())?;
    if !shard.is_sharded || matches!(&query, Query::Txn(txn) if txn.has_writes()) {
        return Err(malformed());
    }
    let found = read::read(shared, shard, query, consistency).await?;
    let outcome = Outcome { revision: found.revision, result: Ok(found.response) };
    let answer = encode(shard, found.term, found.age, &outcome);
    if answer.len() > ANSWER_BYTES {
        return Err(Fault::new(Code::LimitReached, "the answer is too large for another node"));
    }
    Ok(answer)
}

fn encode(shard: &Shard, term: Term, age: Option<Age>, outcome: &Outcome) -> Bytes {
    let outcome = outcome.encode();
    let mut answer = BytesMut::with_capacity(25 + outcome.len());
    answer.put_u64(term.get());
    answer.put_u64(shard.leadership().leader.map_or(0, NodeId::get));
    match age {
        None => answer.put_u8(0),
        Some(Age::Unknown) => answer.put_u8(1),
        Some(Age::Known(age)) => {
            answer.put_u8(2);
            answer.put_u64(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        }
    }
    answer.put_slice(&outcome);
    answer.freeze()
}

fn decode(
    shared: &Shared,
    region: RegionId,
    mut answer: Bytes,
) -> Option<(Term, Option<Age>, Outcome)> {
    let term = Term(answer.try_get_u64().ok()?);
    let leader = NodeId(answer.try_get_u64().ok()?);
    let age = match answer.try_get_u8().ok()? {
        0 => None,
        1 => Some(Age::Unknown),
        2 => Some(Age::Known(Duration::from_millis(answer.try_get_u64().ok()?))),
        _ => return None,
    };
    let outcome = Outcome::decode(answer).ok()?;
    shared.sharding.note_leader(region, leader);
    Some((term, age, outcome))
}

fn decode_applied(shared: &Shared, region: RegionId, answer: Bytes) -> Result<Applied, Fault> {
    let (term, _, outcome) = decode(shared, region, answer).ok_or_else(malformed)?;
    Ok(Applied { outcome, term })
}

fn decode_found(shared: &Shared, region: RegionId, answer: Bytes) -> Result<Found, Fault> {
    let (term, age, outcome) = decode(shared, region, answer).ok_or_else(malformed)?;
    Ok(Found { response: outcome.result?, revision: outcome.revision, term, age })
}

fn put_consistency(out: &mut BytesMut, consistency: Consistency) {
    let (kind, most) = match consistency {
        Consistency::Linearizable => (0, Duration::ZERO),
        Consistency::Lease => (1, Duration::ZERO),
        Consistency::Follower => (2, Duration::ZERO),
        Consistency::Stale => (3, Duration::ZERO),
        Consistency::StaleWithin(most) => (4, most),
    };
    out.put_u8(kind);
    out.put_u64(u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
}

fn get_consistency(from: &mut Bytes) -> Option<Consistency> {
    let (kind, most) = (from.try_get_u8().ok()?, from.try_get_u64().ok()?);
    Some(match kind {
        0 => Consistency::Linearizable,
        1 => Consistency::Lease,
        2 => Consistency::Follower,
        3 => Consistency::Stale,
        4 => Consistency::StaleWithin(Duration::from_millis(most)),
        _ => return None,
    })
}
