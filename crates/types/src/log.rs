//! What a Raft log is made of, as the log, the consensus core and the driver hand it to one another.

use bytes::Bytes;

use crate::{Index, PeerId, Term};

/// What an entry carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EntryKind {
    /// A command of the state machine; empty data is the no-op of a new leader.
    #[default]
    Normal,
    /// A change of the region's peers, encoded by `consensus`.
    ConfChange,
}

/// One entry of one region's log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// The term of the leader that wrote it.
    pub term: Term,
    /// Its position.
    pub index: Index,
    /// What `data` is.
    pub kind: EntryKind,
    /// The payload.
    pub data: Bytes,
}

/// What a replica must have on disk before it answers (Raft paper, figure 2, "persistent state").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HardState {
    /// The latest term seen.
    pub term: Term,
    /// Who got this replica's vote in `term`.
    pub vote: Option<PeerId>,
    /// The highest index known committed; a hint, made good by `applied` at a restart.
    pub commit: Index,
}

/// Who takes part in a region, as of some applied index.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfState {
    /// Replicas that vote.
    pub voters: Vec<PeerId>,
    /// Replicas that only receive.
    pub learners: Vec<PeerId>,
    /// During a joint change: the voters of the old configuration.
    pub voters_outgoing: Vec<PeerId>,
    /// During a joint change: who becomes a learner when it ends.
    pub learners_next: Vec<PeerId>,
    /// Whether the joint change ends by itself.
    pub auto_leave: bool,
}

impl ConfState {
    /// The same with each list in order. Replicas come in that of the changes that led to them, which differs
    /// where one was told of them together.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        let lists = [
            &mut self.voters,
            &mut self.learners,
            &mut self.voters_outgoing,
            &mut self.learners_next,
        ];
        lists.into_iter().for_each(|list| list.sort_unstable());
        self
    }
}
