//! Reads of sharded keyspaces: of one region, or of one after the other.

use std::sync::Arc;

use state::request::{Query, RangeRequest, SortOrder, SortTarget, TxnRequest};
use state::response::{KeyValue, RangeResponse, Response};
use types::{Code, Fault, KeyRange, KeyspaceId};

use super::far::Far;
use super::route::{Home, Journey, Route, across, is_astray};
use crate::answer::Consistency;
use crate::read::{self, Found};
use crate::shared::Shared;

/// Bytes of keys and values that one answer is made of: it is in memory as a whole.
const GATHERED_BYTES: usize = 256 << 20;
/// Records of a piece of a large answer from another node, to begin with.
const PIECE: u64 = 4_096;

/// Reads a range. Where it lies in several regions they are read one after the other: each key as it is at
/// some moment of the read, and not all at the same one. The revision is the highest of them.
pub(crate) async fn range(
    shared: &Arc<Shared>,
    keyspace: KeyspaceId,
    request: RangeRequest,
    consistency: Consistency,
) -> Result<Found, Fault> {
    let mut journey = Journey::new(shared);
    let mut rest = request.range.clone();
    let mut found: Option<Found> = None;
    let mut gathered = RangeResponse::default();
    let mut bytes = 0;
    loop {
        let Some(Route { home, plot }) = journey.route(shared, keyspace, &rest)? else {
            journey.again(shared, false).await?;
            continue;
        };
        let is_whole = plot.range.covers(&request.range);
        if !is_whole && !is_plain(&request) {
            return Err(across());
        }
        let part = RangeRequest {
            range: rest.shared_with(&plot.range),
            limit: left(&request, &gathered),
            ..request.clone()
        };
        let query = Query::Range(part);
        let answer = match read_at(shared, &home, query, consistency).await {
            Err(fault) if is_astray(fault.code) => {
                journey.again(shared, false).await?;
                continue;
            }
            answer => answer?,
        };
        let Response::Range(part) = &answer.response else {
            return Err(Fault::new(Code::Internal, "a range was asked for"));
        };
        if is_whole {
            return Ok(answer);
        }
        gathered.kvs.extend(part.kvs.iter().cloned());
        gathered.count += part.count;
        gathered.more |= part.more;
        bytes += part.kvs.iter().map(size).sum::<usize>();
        if bytes > GATHERED_BYTES {
            return Err(too_large());
        }
        found = Some(match found {
            None => answer,
            Some(before) => Found {
                revision: before.revision.max(answer.revision),
                age: before.age.max(answer.age),
                ..answer
            },
        });
        rest = match plot.range.end {
            Some(end) if !gathered.more => KeyRange { start: end, end: rest.end },
            _ => break,
        };
        if rest.is_empty() {
            break;
        }
        if is_full(&request, &gathered) {
            // The limit is reached at a border: whether there is more is for the next region to say.
            let next = RangeRequest { range: rest, limit: 1, keys_only: true, ..request };
            let next = Box::pin(range(shared, keyspace, next, consistency)).await?;
            if let Response::Range(next) = next.response {
                gathered.more = !next.kvs.is_empty();
                gathered.count += i64::from(gathered.more);
            }
            break;
        }
    }
    let found = found.ok_or(Code::Internal)?;
    Ok(Found { response: Response::Range(gathered), ..found })
}

/// Reads a transaction that writes nothing, of one region.
pub(crate) async fn txn(
    shared: &Arc<Shared>,
    keyspace: KeyspaceId,
    request: TxnRequest,
    consistency: Consistency,
) -> Result<Found, Fault> {
    let span = state::sharded::span(&state::command::Command::Txn(request.clone()));
    let span = span.ok_or_else(state::sharded::ordered_only)?;
    let mut journey = Journey::new(shared);
    loop {
        let Some(Route { home, plot }) = journey.route(shared, keyspace, &span)? else {
            journey.again(shared, false).await?;
            continue;
        };
        if !plot.range.covers(&span) {
            return Err(across());
        }
        match read_at(shared, &home, Query::Txn(request.clone()), consistency).await {
            Err(fault) if is_astray(fault.code) => {
                journey.again(shared, false).await?;
            }
            answer => return answer,
        }
    }
}

/// Reads where the region is.
async fn read_at(
    shared: &Arc<Shared>,
    home: &Home,
    query: Query,
    consistency: Consistency,
) -> Result<Found, Fault> {
    match home {
        Home::Here(shard) => {
            let answer = read::read(shared, shard, query, consistency).await;
            // The region left while it was read: what went wrong is that.
            if answer.is_err() { shard.broken().and(answer) } else { answer }
        }
        Home::Far(far) => match (far.read(shared, &query, consistency).await, query) {
            (Err(fault), Query::Range(request))
                if fault.code == Code::LimitReached && is_plain(&request) =>
            {
                in_pieces(shared, far, request, consistency).await
            }
            (answer, _) => answer,
        },
    }
}

/// A range that is too large for one answer between nodes, read piece by piece: each key as it is at some
/// moment of the read.
async fn in_pieces(
    shared: &Arc<Shared>,
    far: &Far,
    request: RangeRequest,
    consistency: Consistency,
) -> Result<Found, Fault> {
    let mut gathered = RangeResponse::default();
    let (mut piece, mut bytes) = (PIECE, 0);
    let mut range = request.range.clone();
    loop {
        let wanted = left(&request, &gathered);
        let limit = if wanted == 0 { piece } else { piece.min(wanted) };
        let part = RangeRequest { range: range.clone(), limit, ..request.clone() };
        let found = match far.read(shared, &Query::Range(part), consistency).await {
            Err(fault) if fault.code == Code::LimitReached && piece > 1 => {
                piece = (piece / 8).max(1);
                continue;
            }
            found => found?,
        };
        let Response::Range(part) = found.response else {
            return Err(Fault::new(Code::Internal, "a range was asked for"));
        };
        let last = part.kvs.last().map(|kv| kv.key.clone());
        bytes += part.kvs.iter().map(size).sum::<usize>();
        if bytes > GATHERED_BYTES {
            return Err(too_large());
        }
        gathered.count = gathered.kvs.len() as i64 + part.count;
        gathered.more = part.more;
        gathered.kvs.extend(part.kvs);
        let Some(last) = last.filter(|_| gathered.more && !is_full(&request, &gathered)) else {
            return Ok(Found { response: Response::Range(gathered), ..found });
        };
        range.start = [&last[..], &[0]].concat().into();
    }
}

fn size(kv: &KeyValue) -> usize {
    kv.key.len() + kv.value.len()
}

fn too_large() -> Fault {
    let detail = "the answer is too large: ask with a limit, and go on behind the last key";
    Fault::new(Code::LimitReached, detail)
}

/// Whether parts of the answer make the answer, one behind the other.
fn is_plain(request: &RangeRequest) -> bool {
    let bounds = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
        request.revision,
    ];
    request.sort_target == SortTarget::Key
        && request.sort_order != SortOrder::Descend
        && bounds.iter().all(|bound| bound.get() <= 0)
}

fn left(request: &RangeRequest, gathered: &RangeResponse) -> u64 {
    match request.limit {
        0 => 0,
        limit => limit.saturating_sub(gathered.kvs.len() as u64).max(1),
    }
}

fn is_full(request: &RangeRequest, gathered: &RangeResponse) -> bool {
    request.limit != 0 && !request.count_only && gathered.kvs.len() as u64 >= request.limit
}
