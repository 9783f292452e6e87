use bytes::Bytes;
use state::command::{Command, Envelope};

/// Whether an encoded command leaves more on the disk than it found there. What cannot be decoded
/// counts: it is refused later for what it is.
pub(crate) fn needs_room(data: &Bytes) -> bool {
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
