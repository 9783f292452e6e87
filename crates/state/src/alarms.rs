//! Alarms: what makes a keyspace refuse writes until somebody puts it down.

use std::collections::BTreeSet;

use bytes::Bytes;
use types::{Batch, Code, Fault, NodeId, RegionId};

use crate::command::Command;
use crate::keys;
use crate::registry::{RegistryCommand, TxnOp};
use crate::response::Response;

/// Alarms a keyspace holds at most; more were made up.
const ALARMS: usize = 1_000;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum AlarmKind {
    /// A node has no room: nothing is taken that needs any.
    NoSpace = 1,
    /// A node's copy is not what it should be: nothing is changed any more.
    Corrupt = 2,
}

impl AlarmKind {
    pub(crate) fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::NoSpace),
            2 => Some(Self::Corrupt),
            _ => None,
        }
    }
}

/// One node's alarm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Alarm {
    /// What is wrong.
    pub kind: AlarmKind,
    /// Whose it is; any number, as the one who raised it said.
    pub node: NodeId,
}

/// The alarms that stand in a keyspace.
#[derive(Default)]
pub(crate) struct Alarms(BTreeSet<Alarm>);

impl Alarms {
    pub(crate) fn load(&mut self, alarm: Alarm) {
        self.0.insert(alarm);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Alarm> {
        self.0.iter().copied()
    }

    /// Why a command is not carried out now.
    pub(crate) fn refuse(&self, command: &Command) -> Result<(), Code> {
        if self.0.is_empty() {
            return Ok(());
        }
        let stands = |kind| self.0.iter().any(|alarm| alarm.kind == kind);
        let (changes, needs_room) = match command {
            Command::Put(_) | Command::LeaseGrant { .. } => (true, true),
            Command::Txn(txn) => (true, txn.has_puts()),
            Command::Delete(_) | Command::Compact { .. } | Command::LeaseRevoke { .. } => {
                (true, false)
            }
            Command::Registry(command) => {
                let ends = matches!(command, RegistryCommand::Expire(_));
                let reads = match command {
                    RegistryCommand::RenewSession { .. } => true,
                    RegistryCommand::Txn(ops) => !ops.iter().any(TxnOp::writes),
                    _ => false,
                };
                let changes = !ends && !reads;
                (changes, command.needs_room())
            }
            // What is over ends all the same: whoever holds it relies on that.
            _ => (false, false),
        };
        if changes && stands(AlarmKind::Corrupt) {
            return Err(Code::Corrupt);
        }
        if needs_room && stands(AlarmKind::NoSpace) {
            return Err(Code::NoSpace);
        }
        Ok(())
    }

    /// Raises an alarm, or puts it down; answers it if it stands or stood.
    pub(crate) fn set(
        &mut self,
        region: RegionId,
        alarm: Alarm,
        raise: bool,
        batch: &mut Batch,
    ) -> Result<Response, Fault> {
        let key = keys::alarm(region, alarm);
        let stood = self.0.contains(&alarm);
        if raise && !stood {
            if self.0.len() >= ALARMS {
                let detail = format!("a keyspace holds at most {ALARMS} alarms");
                return Err(Fault::new(Code::LimitReached, detail));
            }
            self.0.insert(alarm);
            batch.put(key, Bytes::new());
        } else if !raise && stood {
            self.0.remove(&alarm);
            batch.delete(key);
        }
        Ok(Response::Alarms(if raise || stood { vec![alarm] } else { Vec::new() }))
    }
}
