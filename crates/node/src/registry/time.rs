//! Ending what the leader's clock says is over.

use std::sync::Arc;

use env::Moment;
use state::command::{Command, Envelope};
use state::registry::{Expiry, RegistryCommand};
use types::limits;

use super::Share;
use crate::leadership::propose_housekeeping;
use crate::shard::Shard;
use crate::shared::Shared;

/// Proposes the end of what is due in a registry that this node leads. What nothing comes of is told
/// again by the deadlines, so the fate of the command is not waited for.
pub(crate) fn expire(shared: &Arc<Shared>, shard: &Arc<Shard>, share: &Share, now: Moment) {
    let Some(due) = share.clock.expired(now, limits::REGISTRY_EXPIRIES) else {
        tracing::info!(region = %shard.record.id, "this process stood still: deadlines begin again");
        // Only these: the clock of the leases would forget which of them are being ended.
        if let Some(registry) = shard.machine.read().registry() {
            share.clock.lead_on(now, registry.timers());
        }
        return;
    };
    if due.is_empty() {
        return;
    }
    let expiries: Vec<Expiry> = {
        let machine = shard.machine.read();
        let Some(registry) = machine.registry() else { return };
        due.into_iter().filter_map(|due| registry.expiry(due)).collect()
    };
    if expiries.is_empty() {
        return;
    }
    tracing::debug!(region = %shard.record.id, count = expiries.len(), "the registry expires");
    let command = Command::Registry(RegistryCommand::Expire(expiries));
    let envelope = Envelope { epoch: shard.record.epoch, session: None, command };
    drop(propose_housekeeping(shared, shard.record.id, &envelope));
}
