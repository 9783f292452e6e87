//! Tokens that come to their end: whoever asks later is refused by the clock, and what was let in before has
//! to be told, as of any other change of rights.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::shared::Shared;

/// How late a clock that was set is noticed at most.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Wakes open streams and those that wait whenever a token of Consul's ends, so that they look whether they
/// may go on.
pub(crate) async fn tell_of_ends(shared: Arc<Shared>) {
    let mut changes = shared.auth.listeners().listen();
    // Ends until then were told.
    let mut told_ms = shared.clock.wall_millis();
    loop {
        // The clock may have been set back: what ends from now on is told, though it was before.
        told_ms = told_ms.min(shared.clock.wall_millis());
        let next_ms = shared.auth.auth().acl.next_end(told_ms);
        tokio::select! {
            () = changes.next() => {}
            is_over = until(&shared, next_ms) => if is_over {
                told_ms = next_ms.unwrap_or(told_ms);
                shared.auth.listeners().wake();
            }
        }
    }
}

/// Until the clock says so, by which tokens end; answers whether it does. It may be set meanwhile, so that it
/// is looked at again after a while at most.
async fn until(shared: &Shared, wall_ms: Option<u64>) -> bool {
    let left = wall_ms.map(|at| at.saturating_sub(shared.clock.wall_millis()));
    let left = left.map_or(LOOK_AGAIN, Duration::from_millis);
    sleep(left.min(LOOK_AGAIN)).await;
    wall_ms.is_some_and(|at| at <= shared.clock.wall_millis())
}
