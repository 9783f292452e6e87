use bytes::Bytes;
use state::command::{Command, Envelope};
use types::{Fault, RegionId};

use crate::shared::Shared;

/// Whether there is room for what an encoded command leaves in a region.
///
/// # Errors
/// `NoSpace`, with what to do about it.
pub(crate) fn must_have_room(shared: &Shared, region: RegionId, data: &Bytes) -> Result<(), Fault> {
    let space = &shared.space;
    if space.is_read_only() && needs_room(data) {
        return Err(space.refusal());
    }
    let is_in_memory =
        || shared.shard(region).is_some_and(|shard| shard.record.keyspace.is_in_memory());
    if space.is_memory_full() && is_in_memory() && needs_room(data) {
        return Err(space.memory_refusal());
    }
    Ok(())
}

/// Whether an encoded command leaves more on the disk than it found there. What cannot be decoded
/// counts: it is refused later for what it is.
pub(super) fn needs_room(data: &Bytes) -> bool {
    Envelope::decode(data.clone()).map_or(true, |envelope| leaves_more(&envelope.command))
}

fn leaves_more(command: &Command) -> bool {
    match command {
        Command::Put(_)
        | Command::LeaseGrant { .. }
        | Command::CreateKeyspace { .. }
        | Command::CreateMachine { .. }
        | Command::CreateRegistry { .. }
        | Command::CreateSharded { .. } => true,
        // What a machine of others makes of it is not known here.
        Command::Execute { .. } => true,
        Command::Txn(txn) => txn.has_puts(),
        Command::Registry(command) => command.needs_room(),
        Command::Limited { command, .. } => leaves_more(command),
        // Also what is new here one day: the log has room for it, or there would be no reserve.
        _ => false,
    }
}
