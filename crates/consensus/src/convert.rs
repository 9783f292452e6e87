//! Between the library's types and ours.

use raft::eraftpb;
use types::{ConfState, Entry, EntryKind, HardState, Index, PeerId, Term};

use crate::{Role, SnapshotMeta};

pub(crate) fn peer(id: u64) -> Option<PeerId> {
    (id != raft::INVALID_ID).then_some(PeerId(id))
}

pub(crate) fn role(role: raft::StateRole) -> Role {
    match role {
        raft::StateRole::Follower => Role::Follower,
        raft::StateRole::PreCandidate => Role::PreCandidate,
        raft::StateRole::Candidate => Role::Candidate,
        raft::StateRole::Leader => Role::Leader,
    }
}

pub(crate) fn entry_from_raft(entry: eraftpb::Entry) -> Entry {
    let kind = match entry.get_entry_type() {
        eraftpb::EntryType::EntryNormal => EntryKind::Normal,
        eraftpb::EntryType::EntryConfChange | eraftpb::EntryType::EntryConfChangeV2 => {
            EntryKind::ConfChange
        }
    };
    Entry { term: Term(entry.term), index: Index(entry.index), kind, data: entry.data }
}

pub(crate) fn entry_to_raft(entry: &Entry) -> eraftpb::Entry {
    let mut raw = eraftpb::Entry::default();
    raw.set_entry_type(match entry.kind {
        EntryKind::Normal => eraftpb::EntryType::EntryNormal,
        EntryKind::ConfChange => eraftpb::EntryType::EntryConfChangeV2,
    });
    raw.term = entry.term.get();
    raw.index = entry.index.get();
    raw.data = entry.data.clone();
    raw
}

pub(crate) fn hard_state_from_raft(raw: &eraftpb::HardState) -> HardState {
    HardState { term: Term(raw.term), vote: peer(raw.vote), commit: Index(raw.commit) }
}

pub(crate) fn hard_state_to_raft(hard: &HardState) -> eraftpb::HardState {
    eraftpb::HardState {
        term: hard.term.get(),
        vote: hard.vote.map_or(raft::INVALID_ID, PeerId::get),
        commit: hard.commit.get(),
        ..eraftpb::HardState::default()
    }
}

/// Sorted, so that equal configurations are equal values: the library keeps hash sets.
pub(crate) fn conf_state_from_raft(raw: &eraftpb::ConfState) -> ConfState {
    let sorted = |ids: &[u64]| {
        let mut peers: Vec<_> = ids.iter().copied().map(PeerId).collect();
        peers.sort_unstable();
        peers
    };
    ConfState {
        voters: sorted(raw.get_voters()),
        learners: sorted(raw.get_learners()),
        voters_outgoing: sorted(raw.get_voters_outgoing()),
        learners_next: sorted(raw.get_learners_next()),
        auto_leave: raw.auto_leave,
    }
}

pub(crate) fn conf_state_to_raft(conf: &ConfState) -> eraftpb::ConfState {
    let ids = |peers: &[PeerId]| peers.iter().map(|peer| peer.get()).collect::<Vec<_>>();
    let mut raw = eraftpb::ConfState::default();
    raw.set_voters(ids(&conf.voters));
    raw.set_learners(ids(&conf.learners));
    raw.set_voters_outgoing(ids(&conf.voters_outgoing));
    raw.set_learners_next(ids(&conf.learners_next));
    raw.auto_leave = conf.auto_leave;
    raw
}

pub(crate) fn snapshot_from_raft(raw: &eraftpb::Snapshot) -> SnapshotMeta {
    let meta = raw.get_metadata();
    SnapshotMeta {
        index: Index(meta.index),
        term: Term(meta.term),
        conf_state: conf_state_from_raft(meta.get_conf_state()),
        data: raw.data.clone(),
    }
}

pub(crate) fn snapshot_to_raft(snapshot: &SnapshotMeta) -> eraftpb::Snapshot {
    let mut raw = eraftpb::Snapshot { data: snapshot.data.clone(), ..eraftpb::Snapshot::default() };
    let meta = raw.mut_metadata();
    meta.index = snapshot.index.get();
    meta.term = snapshot.term.get();
    meta.set_conf_state(conf_state_to_raft(&snapshot.conf_state));
    raw
}
