//! Reading this node's copy.

use std::sync::Arc;

use state::request::{Query, RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use types::{Code, Fault, Revision};

use super::Found;
use crate::shard::Shard;
use crate::shared::Shared;

/// Above this many records a range is read on a thread that may block.
const INLINE_RECORDS: usize = 128;

/// Answers from the copy as it is.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    query: Query,
) -> Result<Found, Fault> {
    shard.keys_only()?;
    let (response, revision) = match query {
        Query::Range(request) => {
            let (range, revision) = range(shared, shard, &request).await?;
            (Response::Range(range), revision)
        }
        Query::Txn(request) => txn(shared, shard, request).await?,
    };
    Ok(Found { response, revision, term: shard.leadership().term, age: None })
}

/// A range of few records, from the copy as it is; `None` if it is one of many.
pub(crate) fn range_now(
    shared: &Shared,
    shard: &Shard,
    request: &RangeRequest,
) -> Option<Result<(RangeResponse, Revision), Fault>> {
    let (selection, view, revision) = {
        let machine = shard.machine.read();
        let selection = match machine.select(request) {
            Ok(selection) if selection.len() > INLINE_RECORDS => return None,
            Ok(selection) => selection,
            Err(fault) => return Some(Err(fault)),
        };
        // A frozen view costs several times what one record does. Records stay where they are until
        // they are compacted or a snapshot takes their place; then the view is taken after all.
        let view = (selection.len() > 1).then(|| shared.engine.snapshot());
        (selection, view, machine.revision())
    };
    let fetched = match view {
        Some(view) => selection.fetch(view.as_ref()),
        None => match selection.fetch(shared.engine.as_ref()) {
            Ok(body) => Ok(body),
            // Compacted in this moment: the way with a view will tell.
            Err(_) => return None,
        },
    };
    Some(fetched.map(|body| (body, revision)).map_err(|error| failed(shared, &error)))
}

async fn range(
    shared: &Shared,
    shard: &Shard,
    request: &RangeRequest,
) -> Result<(RangeResponse, Revision), Fault> {
    // A frozen view costs several times what one record does. Records stay where they are until
    // they are compacted or a snapshot takes their place; then the view is taken after all.
    let direct = {
        let machine = shard.machine.read();
        let selection = machine.select(request)?;
        (selection.len() <= 1).then(|| (selection, machine.revision()))
    };
    if let Some((selection, revision)) = direct
        && let Ok(body) = selection.fetch(shared.engine.as_ref())
    {
        return Ok((body, revision));
    }
    let (selection, view, revision) = {
        let machine = shard.machine.read();
        let selection = machine.select(request)?;
        (selection, shared.engine.snapshot(), machine.revision())
    };
    let large = selection.len() > INLINE_RECORDS;
    let fetch = move || selection.fetch(view.as_ref());
    let result = if large {
        let fetched = tokio::task::spawn_blocking(fetch).await;
        fetched.map_err(|error| Fault::new(Code::Internal, error.to_string()))?
    } else {
        fetch()
    };
    Ok((result.map_err(|error| failed(shared, &error))?, revision))
}

async fn txn(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    request: TxnRequest,
) -> Result<(Response, Revision), Fault> {
    let (engine, reading) = (Arc::clone(&shared.engine), Arc::clone(shard));
    let read = move || {
        let machine = reading.machine.read();
        let revision = machine.revision();
        machine.read_txn(&request, engine.as_ref()).map(|body| (body, revision))
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.map_err(|error| Fault::new(Code::Internal, error.to_string()))?;
    read.map_err(|error| failed(shared, &error))
}

pub(crate) fn failed(shared: &Shared, error: &state::FetchError) -> Fault {
    match error {
        state::FetchError::Fault(fault) => fault.clone(),
        state::FetchError::Read(failure) => {
            shared.fail_disk("the engine could not be read", failure);
            Fault::new(Code::Corrupt, failure.to_string())
        }
    }
}
