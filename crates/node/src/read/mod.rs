//! Reads: what makes a copy good enough to answer, here or on the leader's node.
//! `docs/architecture/node.md` has the argument for each way.

mod confirm;
mod leader;
mod local;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use state::request::Query;
use state::response::Response;
use tokio::time::timeout;
use types::{Code, Fault, Revision, Term};

use crate::answer::{Age, Consistency};
use crate::hot;
use crate::shard::Shard;
use crate::shared::Shared;

pub(crate) use confirm::{by_lease, by_round};
pub(crate) use leader::{answer_read, answer_verify, verify};
pub(crate) use local::{failed, range_now};

/// What a read found.
pub(crate) struct Found {
    pub(crate) response: Response,
    /// The keyspace's revision when it was read.
    pub(crate) revision: Revision,
    /// The region's term, as whoever read knows it.
    pub(crate) term: Term,
    pub(crate) age: Option<Age>,
}

/// How good the leader's word must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    Quorum,
    Lease,
}

/// Waits until this node's own copy may answer, and says how old it is if that is asked for.
pub(crate) async fn confirm(
    shared: &Shared,
    shard: &Shard,
    consistency: Consistency,
) -> Result<Option<Age>, Fault> {
    shared.meters.read(consistency);
    match consistency {
        Consistency::Linearizable | Consistency::Follower => by_round(shared, shard).await?,
        Consistency::Lease => by_lease(shared, shard).await?,
        Consistency::Stale => return Ok(Some(age(shared, shard))),
        Consistency::StaleWithin(most) => {
            let age = age(shared, shard);
            return within(most, age).map(Some);
        }
    }
    Ok(None)
}

/// Reads from this node's copy or at the leader, as `consistency` asks for.
pub(crate) async fn read(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    query: Query,
    consistency: Consistency,
) -> Result<Found, Fault> {
    shared.meters.read(consistency);
    shard.heat.ask(shared, || hot::keys_of(&query))?;
    if matches!(consistency, Consistency::Stale | Consistency::StaleWithin(_)) {
        shard.heat.set_apart();
    }
    match consistency {
        Consistency::Linearizable => after_round(shared, shard, query).await,
        Consistency::Lease => by_leader(shared, shard, query).await,
        Consistency::Follower => by_follower(shared, shard, query).await,
        Consistency::Stale => stale(shared, shard, query, None).await,
        Consistency::StaleWithin(most) => stale(shared, shard, query, Some(most)).await,
    }
}

async fn after_round(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    query: Query,
) -> Result<Found, Fault> {
    by_round(shared, shard).await?;
    local::serve(shared, shard, query).await
}

async fn by_leader(shared: &Arc<Shared>, shard: &Arc<Shard>, query: Query) -> Result<Found, Fault> {
    if shard.leadership().here {
        by_lease(shared, shard).await?;
        return local::serve(shared, shard, query).await;
    }
    match leader::ask_to_read(shared, shard, &query, Trust::Lease).await {
        // The answer is too large for the link between nodes.
        Err(fault) if fault.code == Code::LimitReached => after_round(shared, shard, query).await,
        answer => answer,
    }
}

async fn by_follower(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    query: Query,
) -> Result<Found, Fault> {
    let own = after_round(shared, shard, query.clone());
    if shard.leadership().here {
        return own.await;
    }
    let mut own = Box::pin(own);
    // A copy that is far behind does not get there soon.
    if !shard.is_far_behind()
        && let Ok(answer) = timeout(shared.config.follower_read_patience(), &mut own).await
    {
        match answer {
            Err(fault) if is_about_the_way(fault.code) => {
                return leader::ask_to_read(shared, shard, &query, Trust::Quorum).await;
            }
            answer => return answer,
        }
    }
    let mut asked = Box::pin(leader::ask_to_read(shared, shard, &query, Trust::Quorum));
    tokio::select! {
        biased;
        answer = &mut own => match answer {
            Err(fault) if is_about_the_way(fault.code) => asked.await,
            answer => answer,
        },
        answer = &mut asked => match answer {
            Err(fault) if is_about_the_way(fault.code) => own.await,
            answer => answer,
        },
    }
}

/// Whether another way to the same answer may do better.
const fn is_about_the_way(code: Code) -> bool {
    matches!(
        code,
        Code::NoLeader
            | Code::NotLeader
            | Code::LeaderChanged
            | Code::Timeout
            | Code::TooManyRequests
            | Code::LimitReached
            | Code::RegionNotFound
    )
}

async fn stale(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    query: Query,
    most: Option<Duration>,
) -> Result<Found, Fault> {
    // The copy only gets newer from here on; how long reading it takes is for the reader to know.
    let age = age(shared, shard);
    if let Some(most) = most {
        within(most, age)?;
    }
    let found = local::serve(shared, shard, query).await?;
    Ok(Found { age: Some(age), ..found })
}

/// How old this node's copy is now.
pub(crate) fn age(shared: &Shared, shard: &Shard) -> Age {
    let now = shared.clock.now();
    shared.live.note_quiet(shard);
    let Some(at) = shard.current_at(now) else { return Age::Unknown };
    let millis = now.since(at).as_nanos().div_ceil(1_000_000);
    Age::Known(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

fn within(most: Duration, age: Age) -> Result<Age, Fault> {
    let known = match age {
        Age::Known(age) if age <= most => return Ok(Age::Known(age)),
        Age::Known(age) => format!("it was caught up {} ms ago", age.as_millis()),
        Age::Unknown => "it was not caught up since the node was started".to_owned(),
    };
    let most = most.as_millis();
    let detail = format!("{known}, the request takes {most} ms; ask another node or allow more");
    Err(Fault::new(Code::TooStale, detail))
}
