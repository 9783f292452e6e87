//! How much lies in a part of a region, found out beside the log.

use std::sync::Arc;

use bytes::Bytes;
use state::sharded::{Measure, Shape, measure};
use types::{Code, Fault, KeyRange};

use crate::shared::Shared;

/// What lies in a region from `at` on.
pub(super) async fn behind(
    shared: &Arc<Shared>,
    shape: &Shape,
    at: &Bytes,
) -> Result<Measure, Fault> {
    let range = KeyRange { start: at.clone(), end: shape.range.end.clone() };
    walk(shared, shape, range, None).await
}

/// The key with half of the region's bytes in front of it; `None` where one key has them all.
pub(super) async fn middle(shared: &Arc<Shared>, shape: &Shape) -> Result<Option<Bytes>, Fault> {
    let range = shape.range.clone();
    let all = walk(shared, shape, range.clone(), Some(shape.bytes / 2)).await?;
    let is_even = all.bytes_behind >= all.bytes / 4 && all.bytes_behind <= all.bytes / 4 * 3;
    if all.middle.is_some() && is_even {
        return Ok(all.middle);
    }
    // What was counted was not what there is.
    Ok(walk(shared, shape, range, Some(all.bytes / 2)).await?.middle)
}

async fn walk(
    shared: &Arc<Shared>,
    shape: &Shape,
    range: KeyRange,
    half: Option<u64>,
) -> Result<Measure, Fault> {
    let (view, keyspace) = (shared.engine.snapshot(), shape.keyspace);
    let walking = move || measure(view.as_ref(), keyspace, &range, half);
    let walked = tokio::task::spawn_blocking(walking).await;
    let walked = walked.map_err(|error| Fault::new(Code::Internal, error.to_string()))?;
    walked.map_err(|failure| {
        shared.fail_disk("the engine could not be read", &failure);
        Fault::new(Code::Corrupt, failure.to_string())
    })
}
