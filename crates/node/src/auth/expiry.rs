//! Tokens that come to their end: whoever asks later is refused by the clock, and what was let in before has
//! to be told, as of any other change of rights.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::shared::Shared;

/// Wakes open streams and those that wait whenever a token of Consul's ends, so that they look whether they
/// may go on.
pub(crate) async fn tell_of_ends(shared: Arc<Shared>) {
    let mut changes = shared.auth.listeners().listen();
    // Ends until then were told.
    let mut told_ms = shared.clock.wall_millis();
    loop {
        let next_ms = shared.auth.auth().acl.next_end(told_ms);
        tokio::select! {
            () = changes.next() => {}
            () = until(&shared, next_ms) => {
                told_ms = next_ms.unwrap_or(told_ms);
                shared.auth.listeners().wake();
            }
        }
    }
}

/// Until the clock says so, by which tokens end; for ever, if there is nothing to wait for.
async fn until(shared: &Shared, wall_ms: Option<u64>) {
    let Some(wall_ms) = wall_ms else { return std::future::pending().await };
    loop {
        match wall_ms.saturating_sub(shared.clock.wall_millis()) {
            0 => return,
            left => sleep(Duration::from_millis(left)).await,
        }
    }
}
