//! What replicas say to one another.

mod check;
mod compact;
mod wire;

use bytes::Bytes;
use raft::eraftpb::{self, MessageType};
use types::{Index, PeerId, Term};

use crate::{Error, SnapshotMeta, convert};

/// No term and no index reaches this, so that none can overflow where the library adds to it.
pub(crate) const MAX_NUMBER: u64 = 1 << 62;

/// Bytes of a read context on the wire: peer, incarnation and attempt, 8 bytes each.
pub(crate) const READ_CONTEXT_BYTES: usize = 24;

/// What the hint of a heartbeat that binds is.
pub(crate) const BINDS: u64 = 1;

/// A message from one replica of a region to another. Opaque: it is moved, and read only for what a
/// transport needs to know.
#[derive(Clone, PartialEq)]
pub struct Message(pub(crate) eraftpb::Message);

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum MessageKind {
    /// Entries, and how far they are committed.
    Append = 1,
    /// How far entries are durable, or where logs differ.
    AppendResponse = 2,
    /// A candidate asks for a vote.
    Vote = 3,
    /// The answer.
    VoteResponse = 4,
    /// A replica asks whether it would get a vote.
    PreVote = 5,
    /// The answer.
    PreVoteResponse = 6,
    /// The leader is there; also confirms reads.
    Heartbeat = 7,
    /// The answer.
    HeartbeatResponse = 8,
    /// A snapshot replaces the log.
    Snapshot = 9,
    /// A leader hands over: stand for election now.
    TimeoutNow = 10,
    /// A follower asks for the read index.
    ReadIndex = 11,
    /// The answer.
    ReadIndexResponse = 12,
}

impl MessageKind {
    /// Every kind, in number order.
    pub const ALL: [Self; 12] = [
        Self::Append,
        Self::AppendResponse,
        Self::Vote,
        Self::VoteResponse,
        Self::PreVote,
        Self::PreVoteResponse,
        Self::Heartbeat,
        Self::HeartbeatResponse,
        Self::Snapshot,
        Self::TimeoutNow,
        Self::ReadIndex,
        Self::ReadIndexResponse,
    ];

    /// The kind with this number on the wire.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Whether a follower says it to the leader of its term.
    #[must_use]
    pub fn answers_leader(self) -> bool {
        matches!(self, Self::AppendResponse | Self::HeartbeatResponse)
    }

    /// Whether it is a snapshot: those go on a stream of their own.
    #[must_use]
    pub fn is_snapshot(self) -> bool {
        self == Self::Snapshot
    }

    fn from_raft(kind: MessageType) -> Option<Self> {
        Some(match kind {
            MessageType::MsgAppend => Self::Append,
            MessageType::MsgAppendResponse => Self::AppendResponse,
            MessageType::MsgRequestVote => Self::Vote,
            MessageType::MsgRequestVoteResponse => Self::VoteResponse,
            MessageType::MsgRequestPreVote => Self::PreVote,
            MessageType::MsgRequestPreVoteResponse => Self::PreVoteResponse,
            MessageType::MsgHeartbeat => Self::Heartbeat,
            MessageType::MsgHeartbeatResponse => Self::HeartbeatResponse,
            MessageType::MsgSnapshot => Self::Snapshot,
            MessageType::MsgTimeoutNow => Self::TimeoutNow,
            MessageType::MsgReadIndex => Self::ReadIndex,
            MessageType::MsgReadIndexResp => Self::ReadIndexResponse,
            // Local to a replica, or forwarding that this crate does not do.
            MessageType::MsgHup
            | MessageType::MsgBeat
            | MessageType::MsgPropose
            | MessageType::MsgUnreachable
            | MessageType::MsgSnapStatus
            | MessageType::MsgCheckQuorum
            | MessageType::MsgTransferLeader => return None,
        })
    }

    fn to_raft(self) -> MessageType {
        match self {
            Self::Append => MessageType::MsgAppend,
            Self::AppendResponse => MessageType::MsgAppendResponse,
            Self::Vote => MessageType::MsgRequestVote,
            Self::VoteResponse => MessageType::MsgRequestVoteResponse,
            Self::PreVote => MessageType::MsgRequestPreVote,
            Self::PreVoteResponse => MessageType::MsgRequestPreVoteResponse,
            Self::Heartbeat => MessageType::MsgHeartbeat,
            Self::HeartbeatResponse => MessageType::MsgHeartbeatResponse,
            Self::Snapshot => MessageType::MsgSnapshot,
            Self::TimeoutNow => MessageType::MsgTimeoutNow,
            Self::ReadIndex => MessageType::MsgReadIndex,
            Self::ReadIndexResponse => MessageType::MsgReadIndexResp,
        }
    }
}

impl Message {
    /// Takes over what the library wants sent.
    pub(crate) fn from_raft(raw: eraftpb::Message) -> Self {
        assert!(
            MessageKind::from_raft(raw.get_msg_type()).is_some(),
            "the library sent a local message: {raw:?}"
        );
        Self(raw)
    }

    /// Who sent it, by its own word.
    #[must_use]
    pub fn from(&self) -> PeerId {
        PeerId(self.0.from)
    }

    /// Whom it is for.
    #[must_use]
    pub fn to(&self) -> PeerId {
        PeerId(self.0.to)
    }

    /// The sender's term; the term asked about in a pre-vote; 0 in a read-index request.
    #[must_use]
    pub fn term(&self) -> Term {
        Term(self.0.term)
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        // Held by the constructors: `from_raft` asserts it, `decode` knows no other kinds.
        MessageKind::from_raft(self.0.get_msg_type()).unwrap_or(MessageKind::Heartbeat)
    }

    /// Whether it is a snapshot: those go on a stream of their own.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.kind().is_snapshot()
    }

    /// Whether it is a heartbeat that binds who hears it to its leader for a while.
    #[must_use]
    pub fn binds(&self) -> bool {
        self.kind() == MessageKind::Heartbeat && self.0.reject_hint == BINDS
    }

    /// Makes a heartbeat bind who hears it.
    pub(crate) fn bind(&mut self) {
        if self.kind() == MessageKind::Heartbeat {
            self.0.reject_hint = BINDS;
        }
    }

    /// What a snapshot message carries.
    #[must_use]
    pub fn snapshot_meta(&self) -> Option<SnapshotMeta> {
        self.is_snapshot().then(|| convert::snapshot_from_raft(self.0.get_snapshot()))
    }

    /// What a leader says to be committed: that of its whole log in an append, and as far as it knows
    /// the receiver to have it in a heartbeat. `None` for what no leader says.
    #[must_use]
    pub fn committed(&self) -> Option<Index> {
        match self.kind() {
            MessageKind::Append | MessageKind::Heartbeat => Some(Index(self.0.commit)),
            MessageKind::Snapshot => self.snapshot_meta().map(|meta| meta.index),
            _ => None,
        }
    }

    /// The entries of an append: the first one's index and how many. `None` if there are none.
    #[must_use]
    pub fn entries(&self) -> Option<(Index, usize)> {
        if self.kind() != MessageKind::Append {
            return None;
        }
        let entries = self.0.get_entries();
        entries.first().map(|entry| (Index(entry.index), entries.len()))
    }

    /// Adds the message's bytes to `out`. The format is in `docs/architecture/consensus.md`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        wire::encode(self, out);
    }

    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size_hint());
        self.encode_into(&mut out);
        out
    }

    /// The index it speaks of; of an answer to an append, how far it acknowledges.
    #[must_use]
    pub fn index(&self) -> Index {
        Index(self.0.index)
    }

    /// Whether it refuses what it answers.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.0.reject
    }

    /// About how many bytes it takes; never less than its payload.
    #[must_use]
    pub fn size_hint(&self) -> usize {
        let entries: usize = self.0.get_entries().iter().map(|entry| entry.data.len() + 16).sum();
        64 + entries + self.0.get_snapshot().data.len()
    }

    /// Reads a message and validates all that can be judged without knowing the replica. Copies
    /// the bytes once.
    ///
    /// # Errors
    /// [`Error::Malformed`], for anything that is not exactly a message. Never panics.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::decode_shared(Bytes::copy_from_slice(bytes))
    }

    /// As [`Message::decode`], but payloads share `bytes` and keep all of it alive.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn decode_shared(bytes: Bytes) -> Result<Self, Error> {
        let message = wire::decode(bytes).map_err(Error::Malformed)?;
        check::check(&message.0).map_err(Error::Malformed)?;
        Ok(message)
    }

    /// Adds a heartbeat, or the answer to one, to `out` in a shorter form than [`Self::encode_into`]
    /// has, from a handful of bytes. Answers `false`, with `out` as it was, for any other message.
    pub fn encode_compact_into(&self, out: &mut Vec<u8>) -> bool {
        compact::encode(self, out)
    }

    /// Takes one message of the form of [`Self::encode_compact_into`] off the front of `input`, and
    /// validates it like [`Message::decode`].
    ///
    /// # Errors
    /// [`Error::Malformed`]; what is left of `input` is of no use then. Never panics.
    pub fn decode_compact(input: &mut Bytes) -> Result<Self, Error> {
        let message = compact::decode(input).map_err(Error::Malformed)?;
        check::check(&message.0).map_err(Error::Malformed)?;
        Ok(message)
    }

    /// What `decode` checks, for a message that did not come from there.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        check::check(&self.0)
    }
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let raw = &self.0;
        write!(f, "{}->{} {:?} term={}", raw.from, raw.to, self.kind(), raw.term)?;
        let fields = [
            ("index", raw.index),
            ("log_term", raw.log_term),
            ("commit", raw.commit),
            ("commit_term", raw.commit_term),
            ("hint", if self.binds() { 0 } else { raw.reject_hint }),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| *value != 0) {
            write!(f, " {name}={value}")?;
        }
        if self.binds() {
            f.write_str(" binds")?;
        }
        if raw.reject {
            f.write_str(" reject")?;
        }
        if self.kind() == MessageKind::Append {
            f.write_str(" [")?;
            for (at, entry) in raw.get_entries().iter().enumerate() {
                let space = if at == 0 { "" } else { " " };
                write!(f, "{space}{}/{}", entry.index, entry.term)?;
            }
            f.write_str("]")?;
        }
        if let Some(snapshot) = self.snapshot_meta() {
            write!(f, " snapshot={}/{}", snapshot.index, snapshot.term)?;
        }
        Ok(())
    }
}
