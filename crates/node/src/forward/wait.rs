//! Waiting for an answer.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use types::{Code, Fault};

use crate::shard::Shard;
use crate::shared::Shared;

/// Nearly every answer comes within this. Only who waits longer subscribes to what may make waiting
/// vain: doing so for every request costs more than the rest of waiting.
pub(super) const SOON: Duration = Duration::from_millis(50);

/// Waits for `work`, for so long and while the node serves.
///
/// # Errors
/// `Timeout`, `ShuttingDown`.
pub(crate) async fn patiently<T>(
    shared: &Shared,
    patience: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Fault> {
    let start = Instant::now();
    let deadline = start + patience;
    let mut work = pin!(work);
    if let Ok(done) = timeout_at(deadline.min(start + SOON), &mut work).await {
        return Ok(done);
    }
    tokio::select! {
        biased;
        done = timeout_at(deadline, work) => done.map_err(|_| Code::Timeout.into()),
        () = shared.ended() => Err(Code::ShuttingDown.into()),
    }
}

/// Answers when no time is left: `left` says how much would be, if nothing happened until then, and is asked
/// again when it is over.
pub(crate) async fn until_none_is_left(left: impl Fn() -> Duration) {
    loop {
        let left = left();
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

/// `code` with what is known of the region where that may be the reason.
pub(crate) fn explain(shared: &Shared, shard: &Shard, code: Code) -> Fault {
    if !matches!(code, Code::NoLeader | Code::Timeout) {
        return code.into();
    }
    let state = shared.region_state(shard.record.id);
    Fault::new(code, state.map(|state| state.detail).unwrap_or_default())
}
