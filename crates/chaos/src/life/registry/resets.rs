//! When the registry's leader was another one: then everything gets its full time again, and the grace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, Options};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::fleet::Common;
use crate::life::lead::registry;

/// What a leader that begins gives on top of the full time.
pub(super) const GRACE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(500);
/// A leader may have begun so long before it was seen; and what is due is proposed, carried out and told.
pub(super) const SLACK: Duration = Duration::from_secs(8);

#[derive(Default)]
pub(super) struct Resets(Mutex<Vec<Instant>>);

impl Resets {
    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn last(&self) -> Option<Instant> {
        self.0.lock().last().copied()
    }

    /// By when who is lost after `time` from `since` is told to be, whoever began to lead meanwhile.
    pub(super) fn due(&self, since: Instant, time: Duration) -> Instant {
        let due = since + time;
        let later = self.0.lock().iter().fold(due, |due, reset| match *reset <= due + SLACK {
            true => due.max(*reset + time + GRACE),
            false => due,
        });
        later + SLACK
    }
}

/// Follows who leads, for as long as the run goes on.
pub(super) async fn follow(common: Arc<Common>) {
    let options = Options { timeout: LOOK * 4, ..Options::default() };
    let Ok(client) = Client::lazy(common.clients.clone(), options) else { return };
    let mut newest = (0, 0);
    while !common.is_stopped() {
        for at in (0..common.clients.len()).filter(|at| common.near(*at) == *at) {
            let Ok(status) = client.node_status(&common.clients[at]).await else { continue };
            let region = registry(&status).filter(|region| region.leader != 0);
            let Some(region) = region else { continue };
            let seen = (region.term, region.leader);
            if seen > newest {
                newest = seen;
                common.resets.0.lock().push(Instant::now());
            }
        }
        sleep(LOOK).await;
    }
}
