//! What replicas say to one another about sleeping. It is no Raft message: it changes no term, no log
//! and no vote, and may be lost, repeated or late.

use types::{Index, PeerId, RegionId, Term};

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SleepKind {
    /// The leader asks a replica to sleep.
    Ask = 1,
    /// It sleeps now.
    Agree = 2,
    /// It does not.
    Refuse = 3,
    /// Whoever gets this is to be awake: the sender cannot sleep, or is gone.
    Wake = 4,
}

impl SleepKind {
    /// The kind with this number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Ask, Self::Agree, Self::Refuse, Self::Wake]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// A word between two replicas of a region about going to sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sleep {
    /// The region.
    pub region: RegionId,
    /// Who says it.
    pub from: PeerId,
    /// To whom.
    pub to: PeerId,
    /// The sender's term.
    pub term: Term,
    /// Where the log ends, committed and applied; in an answer, that of the question.
    pub index: Index,
    /// Which of the leader's attempts this is about.
    pub attempt: u32,
    /// What is said.
    pub kind: SleepKind,
}
