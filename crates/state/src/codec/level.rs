//! Which level each thing that goes through the log came with.

use crate::command::{Command, level};

impl Command {
    /// The level it came with: a node that knows less cannot apply it.
    #[must_use]
    pub fn level(&self) -> u32 {
        match self {
            Self::Limited { command, .. } => command.level(),
            Self::Put(_)
            | Self::Delete(_)
            | Self::Txn(_)
            | Self::Compact { .. }
            | Self::Alarm { .. }
            | Self::LeaseGrant { .. }
            | Self::LeaseRevoke { .. }
            | Self::LeaseExpire { .. }
            | Self::Initialize { .. }
            | Self::RegisterNode(_)
            | Self::TellLevel { .. }
            | Self::RaiseLevel { .. }
            | Self::AddNode { .. }
            | Self::IntroduceNode { .. }
            | Self::PromoteNode { .. }
            | Self::RemoveNode { .. }
            | Self::UpdateNode { .. }
            | Self::RecordPeers { .. }
            | Self::CreateKeyspace { .. }
            | Self::CreateMachine { .. }
            | Self::CreateSharded { .. }
            | Self::PlanSplit { .. }
            | Self::Place { .. }
            | Self::DrainNode { .. }
            | Self::Split { .. }
            | Self::Auth(_)
            | Self::Registry(_)
            | Self::Execute { .. } => level::FIRST,
        }
    }
}
