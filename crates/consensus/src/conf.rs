//! Changes of a region's peers: our words for them, their bytes in the log, and what is a valid set.

use bytes::Bytes;
use raft::eraftpb;
use types::{ConfState, Entry, EntryKind, PeerId};

use crate::Error;

/// One step of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerChange {
    /// The peer votes; a learner is promoted.
    AddVoter(PeerId),
    /// The peer receives the log and does not vote; a voter is demoted.
    AddLearner(PeerId),
    /// The peer is no longer part of the region.
    Remove(PeerId),
}

/// A change of a region's peers, as it stands in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfChange {
    /// One step.
    Single(PeerChange),
    /// Several steps at once, by joint consensus. The joint configuration is left by itself once
    /// it is applied, also after a crash or under another leader.
    Joint(Vec<PeerChange>),
    /// Leaves a joint configuration. Leaders write this by themselves.
    LeaveJoint,
}

/// Steps in one change.
const STEPS: usize = 64;

impl PeerChange {
    /// Whom it is about.
    #[must_use]
    pub fn peer(self) -> PeerId {
        match self {
            Self::AddVoter(peer) | Self::AddLearner(peer) | Self::Remove(peer) => peer,
        }
    }
}

impl ConfChange {
    /// Adds a voter, or promotes a learner.
    #[must_use]
    pub fn add_voter(peer: PeerId) -> Self {
        Self::Single(PeerChange::AddVoter(peer))
    }

    /// Adds a learner, or demotes a voter.
    #[must_use]
    pub fn add_learner(peer: PeerId) -> Self {
        Self::Single(PeerChange::AddLearner(peer))
    }

    /// Removes a peer.
    #[must_use]
    pub fn remove(peer: PeerId) -> Self {
        Self::Single(PeerChange::Remove(peer))
    }

    /// The steps in order; none for `LeaveJoint`.
    #[must_use]
    pub fn steps(&self) -> &[PeerChange] {
        match self {
            Self::Single(step) => core::slice::from_ref(step),
            Self::Joint(steps) => steps,
            Self::LeaveJoint => &[],
        }
    }

    /// What a log entry changes, and the context it was proposed with.
    ///
    /// # Errors
    /// When the entry is no change of the peers, or not one this crate wrote.
    pub fn decode(entry: &Entry) -> Result<(Self, Bytes), Error> {
        if entry.kind != EntryKind::ConfChange {
            return Err(Error::InvalidConfChange("not a change of the peers".to_owned()));
        }
        let parsed = Fields::new(&entry.data)
            .and_then(|raw| Self::from_raw(&raw).map(|change| (change, raw.context)));
        parsed.ok_or_else(|| Error::InvalidConfChange("malformed entry".to_owned()))
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let steps = self.steps();
        let wrong = |what: &str| Err(Error::InvalidConfChange(what.to_owned()));
        if matches!(self, Self::Joint(steps) if steps.is_empty()) {
            return wrong("no steps");
        }
        if steps.len() > STEPS {
            return wrong("too many steps");
        }
        if steps.iter().any(|step| step.peer().get() == 0) {
            return wrong("peer 0");
        }
        let mut peers: Vec<_> = steps.iter().map(|step| step.peer()).collect();
        peers.sort_unstable();
        peers.dedup();
        if peers.len() != steps.len() {
            return wrong("a peer is named twice");
        }
        Ok(())
    }

    pub(crate) fn to_raft(&self, context: Bytes) -> eraftpb::ConfChangeV2 {
        let mut raw = eraftpb::ConfChangeV2::default();
        if matches!(self, Self::Joint(_)) {
            raw.set_transition(eraftpb::ConfChangeTransition::Implicit);
        }
        for step in self.steps() {
            let mut one = eraftpb::ConfChangeSingle::default();
            one.set_change_type(match step {
                PeerChange::AddVoter(_) => eraftpb::ConfChangeType::AddNode,
                PeerChange::AddLearner(_) => eraftpb::ConfChangeType::AddLearnerNode,
                PeerChange::Remove(_) => eraftpb::ConfChangeType::RemoveNode,
            });
            one.node_id = step.peer().get();
            raw.mut_changes().push(one);
        }
        raw.context = context;
        raw
    }

    fn from_raw(raw: &Fields) -> Option<Self> {
        let change = match (raw.transition, raw.steps.as_slice()) {
            (0, []) => Self::LeaveJoint,
            (0, [step]) => Self::Single(*step),
            (1, steps) => Self::Joint(steps.to_vec()),
            _ => return None,
        };
        change.check().ok()?;
        Some(change)
    }
}

/// The fields of the log's bytes: protobuf's `{1: transition, 2: [{1: kind, 2: peer}], 3: context}`.
/// Read here by hand, because the library's own decoder recurses without bound on hostile bytes.
#[derive(Default)]
struct Fields {
    transition: u64,
    steps: Vec<PeerChange>,
    context: Bytes,
}

impl Fields {
    fn new(data: &Bytes) -> Option<Self> {
        let mut fields = Self::default();
        let mut rest = data.clone();
        while !rest.is_empty() {
            match varint(&mut rest)? {
                0x08 => fields.transition = varint(&mut rest)?,
                0x12 => fields.steps.push(Self::step(chunk(&mut rest)?)?),
                0x1a => fields.context = chunk(&mut rest)?,
                _ => return None,
            }
            if fields.steps.len() > STEPS {
                return None;
            }
        }
        Some(fields)
    }

    fn step(mut bytes: Bytes) -> Option<PeerChange> {
        let (mut kind, mut peer) = (0, PeerId(0));
        while !bytes.is_empty() {
            match varint(&mut bytes)? {
                0x08 => kind = varint(&mut bytes)?,
                0x10 => peer = PeerId(varint(&mut bytes)?),
                _ => return None,
            }
        }
        Some(match kind {
            0 => PeerChange::AddVoter(peer),
            1 => PeerChange::Remove(peer),
            2 => PeerChange::AddLearner(peer),
            _ => return None,
        })
    }
}

fn varint(bytes: &mut Bytes) -> Option<u64> {
    let mut value = 0_u64;
    for at in 0..10 {
        let byte = *bytes.get(at)?;
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte < 0x80 {
            bytes::Buf::advance(bytes, at + 1);
            return Some(value);
        }
    }
    None
}

fn chunk(bytes: &mut Bytes) -> Option<Bytes> {
    let len = usize::try_from(varint(bytes)?).ok()?;
    (len <= bytes.len()).then(|| bytes.split_to(len))
}

/// Whether a set of peers is one a region can have; an empty one is (nobody told the replica yet).
///
/// # Errors
/// What is wrong with it.
pub fn check_conf_state(conf: &ConfState) -> Result<(), &'static str> {
    let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = conf;
    for list in [voters, learners, voters_outgoing, learners_next] {
        let mut sorted = list.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != list.len() {
            return Err("a peer is listed twice");
        }
        if sorted.first() == Some(&PeerId(0)) {
            return Err("peer 0");
        }
    }
    if voters.is_empty()
        && !(learners.is_empty() && voters_outgoing.is_empty() && learners_next.is_empty())
    {
        return Err("no voters");
    }
    if learners.iter().any(|peer| voters.contains(peer) || voters_outgoing.contains(peer)) {
        return Err("a learner that votes");
    }
    if learners_next.iter().any(|peer| !voters_outgoing.contains(peer) || voters.contains(peer)) {
        return Err("a future learner that is no outgoing voter");
    }
    if voters_outgoing.is_empty() && *auto_leave {
        return Err("leaves a joint configuration it is not in");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use types::{Entry, EntryKind, Index, PeerId, Term};

    use super::{ConfChange, Fields, PeerChange};

    fn entry(data: Bytes) -> Entry {
        Entry { term: Term(1), index: Index(1), kind: EntryKind::ConfChange, data }
    }

    #[test]
    fn bytes_in_the_log_are_as_documented() {
        // AddLearner(7) with the context "n3".
        let data = Bytes::from_static(&[0x12, 4, 0x08, 2, 0x10, 7, 0x1a, 2, b'n', b'3']);
        let (change, context) = ConfChange::decode(&entry(data)).unwrap();
        assert_eq!(change, ConfChange::add_learner(PeerId(7)));
        assert_eq!(context, "n3");
        // What a leader writes to leave a joint configuration.
        let (leave, _) = ConfChange::decode(&entry(Bytes::new())).unwrap();
        assert_eq!(leave, ConfChange::LeaveJoint);
    }

    #[test]
    fn other_bytes_are_refused() {
        for data in [
            &[0x12, 4, 0x08, 2, 0x10][..],
            &[0x0b],
            &[0x12, 2, 0x10, 0],
            &[0x08, 2, 0x12, 2, 0x10, 1],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(ConfChange::decode(&entry(Bytes::copy_from_slice(data))).is_err(), "{data:?}");
        }
        assert!(Fields::new(&Bytes::from([0x12, 0].repeat(65))).is_none());
    }

    #[test]
    fn a_joint_change_names_each_peer_once() {
        let twice =
            ConfChange::Joint(vec![PeerChange::AddVoter(PeerId(1)), PeerChange::Remove(PeerId(1))]);
        assert!(twice.check().is_err());
        assert!(ConfChange::Joint(vec![]).check().is_err());
    }
}
