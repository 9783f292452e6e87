//! Changing users and rights so that the change holds on every node for whatever begins after it was
//! acknowledged.

use std::sync::Arc;
use std::time::Duration;

use env::Moment;
use state::auth::{AuthCommand, Secret};
use state::command::Command;
use tokio::time::{Instant, sleep};
use types::{Code, Fault, RegionId};

use super::password::fill;
use crate::shared::Shared;
use crate::{forward, levels, liveness, read};

/// Between two looks at what the others have told.
const LOOK: Duration = Duration::from_millis(2);
/// Between two attempts at the start.
const AGAIN: Duration = Duration::from_millis(100);

/// Carries out a change, and answers once no node goes by what was before.
///
/// # Errors
/// What the state machine refuses; as any command's. `Timeout` also when it was carried out and too
/// few nodes know of it yet.
pub(crate) async fn change(shared: &Arc<Shared>, command: AuthCommand) -> Result<(), Fault> {
    let command = Command::Auth(command);
    state::check(&command)?;
    levels::settle(shared, command.level()).await;
    let meta = shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
    forward::propose(shared, &meta, command).await?.outcome.result?;
    known_everywhere(shared).await
}

/// Waits until no node goes by what was before any more.
async fn known_everywhere(shared: &Shared) -> Result<(), Fault> {
    let wanted = shared.auth.auth().changes + 1;
    let deadline = Instant::now() + forward::REQUEST_TIMEOUT;
    let mut spread = Spread::new(shared.auth.leave_for());
    loop {
        let known = liveness::auth_known(shared, wanted);
        if spread.is_done(shared.clock.now(), known) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let detail = "users and rights are changed, but too few nodes are known to have it yet";
            return Err(Fault::new(Code::Timeout, detail));
        }
        sleep(LOOK).await;
    }
}

/// How far a change has come.
pub(super) struct Spread {
    leave_for: Duration,
    by_majority: Option<Moment>,
}

impl Spread {
    pub(super) fn new(leave_for: Duration) -> Self {
        Self { leave_for, by_majority: None }
    }

    /// Whether every node has it; or a majority has it, and so much time went by since that whoever
    /// has not may not go by its own copy any more. The clocks of two nodes run alike within far
    /// less than the half that is added.
    pub(super) fn is_done(&mut self, now: Moment, (know, others): (usize, usize)) -> bool {
        if know >= others {
            return true;
        }
        if know < others.div_ceil(2) {
            return false;
        }
        let since = *self.by_majority.get_or_insert(now);
        now.since(since) >= self.leave_for * 3 / 2
    }
}

/// A node that was just started may be behind what it had told in an earlier life: it goes by
/// nothing, and tells nothing, until it was once as new as the meta region.
pub(crate) async fn confirm_at_start(shared: Arc<Shared>) {
    loop {
        if let Some(meta) = shared.shard(RegionId::META)
            && read::by_round(&shared, &meta).await.is_ok()
        {
            shared.auth.confirm(shared.clock.now());
            return;
        }
        if shared.has_ended() {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// What tokens are sealed with from now on.
pub(crate) fn random_key(shared: &Shared) -> Secret {
    let mut key = vec![0; 32];
    fill(shared.rng.as_ref(), &mut key);
    Secret(key.into())
}
