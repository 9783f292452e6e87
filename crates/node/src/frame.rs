//! What one frame between two nodes holds: Raft messages of any number of regions, requests to a
//! region's leader, and answers to such requests. Drawn in `docs/protocol.md`.

use bytes::{Buf, BufMut, Bytes};
use consensus::{Message, MessageKind};
use region::{RegionMessage, Sleep, SleepKind};
use spans::Context;
use types::{Code, Fault, Index, NodeId, PeerId, RegionId, Term};

use crate::liveness::Beat;
use crate::traffic::{Contents, Lane};
use crate::varint;

const RAFT: u8 = 1;
const REQUEST: u8 = 2;
const REPLY: u8 = 3;
const BEAT: u8 = 4;
const HEARTBEAT: u8 = 5;
const SLEEP: u8 = 6;
const HEARTBEAT_CURRENT: u8 = 7;
const COMMAND: u8 = 8;
const REFUSED: u8 = 9;
const KNOWN: u8 = 10;
const TRACE: u8 = 11;

/// What a node asks a region's leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Question {
    /// Bring a command through the log; the body is an encoded envelope. Answered only if that
    /// fails: the asking node sees success when it applies the command itself.
    Propose = 1,
    /// Renew leases; the body is their ids, the answer the seconds each lives, 0 for an unknown one.
    RenewLease = 2,
    /// What is left of a lease; the body is its id and whether keys are wanted.
    LeaseStatus = 3,
    /// Carry out a read; the body is whether the leader's lease is good enough (1) or a quorum is to
    /// be asked (0), and the read. The answer is the term, and the outcome.
    Read = 4,
    /// Have a quorum confirm that the asked node leads; the answer is the term.
    VerifyLeader = 5,
    /// Words to the leader's clock of a registry: beats, renewals, whether keys may be locked. The
    /// answer has a byte for each.
    Registry = 6,
    /// To any node with a replica, of one that has none: bring a command through the log and answer its
    /// outcome. The body is whether it may be carried out already, and an encoded envelope.
    ProposeFor = 7,
    /// The same for a read; the body is how fresh it must be, and the read.
    ReadFor = 8,
    /// To the meta region's leader: which regions of sharded keyspaces the asking node leads. The answer is
    /// which of them it is to hand over, and to whom.
    Report = 9,
    /// To any node: what its front door is asked by another one; the node only carries it.
    Door = 10,
}

impl Question {
    fn from_u8(number: u8) -> Option<Self> {
        [
            Self::Propose,
            Self::RenewLease,
            Self::LeaseStatus,
            Self::Read,
            Self::VerifyLeader,
            Self::Registry,
            Self::ProposeFor,
            Self::ReadFor,
            Self::Report,
            Self::Door,
        ]
        .into_iter()
        .find(|question| *question as u8 == number)
    }
}

impl Question {
    /// Leases, sessions and instances end when their renewals wait too long; everything else can wait.
    pub(crate) fn lane(self) -> Lane {
        if self.is_renewal() { Lane::Urgent } else { Lane::Bulk }
    }

    /// As traces call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Propose => "Propose",
            Self::RenewLease => "RenewLease",
            Self::LeaseStatus => "LeaseStatus",
            Self::Read => "Read",
            Self::VerifyLeader => "VerifyLeader",
            Self::Registry => "Registry",
            Self::ProposeFor => "ProposeFor",
            Self::ReadFor => "ReadFor",
            Self::Report => "Report",
            Self::Door => "Door",
        }
    }

    /// Whether something ends if it waits.
    pub(crate) fn is_renewal(self) -> bool {
        matches!(self, Self::RenewLease | Self::Registry)
    }
}

/// Which way a message of Raft goes. What keeps a leader in office or finds a new one must not wait
/// behind entries; Raft takes messages in any order, and the checks of each hold in any order, too:
/// a heartbeat never tells of a commit that its receiver has not acknowledged.
pub(crate) fn lane_of(kind: MessageKind) -> Lane {
    match kind {
        MessageKind::Append | MessageKind::AppendResponse | MessageKind::Snapshot => Lane::Bulk,
        MessageKind::Vote
        | MessageKind::VoteResponse
        | MessageKind::PreVote
        | MessageKind::PreVoteResponse
        | MessageKind::Heartbeat
        | MessageKind::HeartbeatResponse
        | MessageKind::TimeoutNow
        | MessageKind::ReadIndex
        | MessageKind::ReadIndexResponse => Lane::Urgent,
    }
}

/// A message of Raft as it travels.
#[derive(Debug)]
pub(crate) struct RaftItem {
    pub(crate) message: RegionMessage,
    /// What it takes up while it waits: its bytes on the wire and [`HELD_BYTES`].
    pub(crate) bytes: usize,
    /// Whether what it says to be committed is all that its sender knows to be. A heartbeat names no
    /// more than its receiver has acknowledged, which is less for one that is behind.
    pub(crate) is_current: bool,
}

/// A question whether to sleep comes after the entries before it, or it is refused; whoever is to be
/// awake is to be so at once.
pub(crate) fn lane_of_sleep(kind: SleepKind) -> Lane {
    if kind == SleepKind::Wake { Lane::Urgent } else { Lane::Bulk }
}

/// One item of a frame.
#[derive(Debug)]
pub(crate) enum Item {
    /// A sign of life of the node itself.
    Beat(Beat),
    /// The newest change of users and rights that the node knows.
    Known(u64),
    /// For a replica, about going to sleep.
    Sleep(Sleep),
    /// For a replica.
    Raft(RaftItem),
    /// For a region's leader.
    Request { id: u64, region: RegionId, question: Question, body: Bytes },
    /// To a request of ours.
    Reply { id: u64, result: Result<Bytes, Fault> },
    /// A command for a region's leader that nobody waits for by itself; `sequence` is its number.
    Command { region: RegionId, sequence: u64, data: Bytes },
    /// The trace of the request or the command that follows; `None` if it makes no sense.
    Trace(Option<Context>),
    /// Such a command of ours was not taken.
    Refused { region: RegionId, sequence: u64, fault: Fault },
}

impl Item {
    pub(crate) fn lane(&self) -> Lane {
        match self {
            Self::Beat(_) | Self::Known(_) => Lane::Urgent,
            Self::Sleep(word) => lane_of_sleep(word.kind),
            Self::Raft(item) => lane_of(item.message.message.kind()),
            Self::Request { question, .. } => question.lane(),
            Self::Reply { .. } | Self::Command { .. } | Self::Refused { .. } | Self::Trace(_) => {
                Lane::Bulk
            }
        }
    }
}

/// What an item takes up in memory beside its bytes on the wire, about: a short heartbeat is ten bytes
/// there, and what waits for a poller is bounded by what it takes up.
pub(crate) const HELD_BYTES: usize = 256;
/// A frame this long is full: others on the same link get a turn, and none comes near the transport's
/// bound. One item may go over it.
const FRAME_BYTES: usize = 1 << 20;

/// A frame being filled.
pub(crate) struct Frame {
    pub(crate) lane: Lane,
    pub(crate) bytes: Vec<u8>,
    pub(crate) contents: Contents,
}

/// Frames being filled, for each receiver and lane in order, each sent whole.
#[derive(Default)]
pub(crate) struct Frames {
    open: Vec<(NodeId, Frame)>,
}

impl Frames {
    pub(crate) fn beat(&mut self, to: NodeId, beat: &Beat) {
        let frame = self.open(to, Lane::Urgent);
        frame.contents.beats += 1;
        frame.bytes.put_u8(BEAT);
        let at = frame.bytes.len();
        frame.bytes.put_u8(0);
        beat.encode_into(&mut frame.bytes);
        frame.bytes[at] = u8::try_from(frame.bytes.len() - at - 1).unwrap_or(u8::MAX);
    }

    pub(crate) fn known(&mut self, to: NodeId, auth: u64) {
        let frame = &mut self.open(to, Lane::Urgent).bytes;
        frame.put_u8(KNOWN);
        varint::put(frame, auth);
    }

    pub(crate) fn sleep(&mut self, to: NodeId, word: &Sleep) {
        let frame = &mut self.open(to, lane_of_sleep(word.kind)).bytes;
        frame.put_u8(SLEEP);
        frame.put_u8(word.kind as u8);
        let (region, from, to) = (word.region.get(), word.from.get(), word.to.get());
        let about = [word.term.get(), word.index.get(), u64::from(word.attempt)];
        for number in [region, from, to].into_iter().chain(about) {
            varint::put(frame, number);
        }
    }

    /// A message of Raft; `is_current` as in [`RaftItem`], and of no meaning but for heartbeats.
    pub(crate) fn raft(&mut self, to: NodeId, message: &RegionMessage, is_current: bool) {
        let kind = message.message.kind();
        let frame = self.open(to, lane_of(kind));
        if matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse) {
            frame.contents.heartbeats += 1;
            let at = frame.bytes.len();
            frame.bytes.put_u8(if is_current { HEARTBEAT_CURRENT } else { HEARTBEAT });
            varint::put(&mut frame.bytes, message.region.get());
            if message.message.encode_compact_into(&mut frame.bytes) {
                return;
            }
            frame.bytes.truncate(at);
        }
        let frame = &mut frame.bytes;
        frame.put_u8(RAFT);
        frame.put_u64(message.region.get());
        let at = frame.len();
        frame.put_u32(0);
        message.message.encode_into(frame);
        let length = u32::try_from(frame.len() - at - 4).unwrap_or(u32::MAX);
        frame[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    pub(crate) fn request(
        &mut self,
        (to, id): (NodeId, u64),
        region: RegionId,
        question: Question,
        body: &[u8],
        trace: Option<Context>,
    ) {
        let frame = &mut self.open(to, question.lane()).bytes;
        put_trace(frame, trace);
        frame.put_u8(REQUEST);
        frame.put_u64(id);
        frame.put_u64(region.get());
        frame.put_u8(question as u8);
        put_bytes(frame, body);
    }

    /// A command that is answered only if it is refused.
    pub(crate) fn command(
        &mut self,
        to: NodeId,
        region: RegionId,
        sequence: u64,
        data: &[u8],
        trace: Option<Context>,
    ) {
        let frame = &mut self.open(to, Lane::Bulk).bytes;
        put_trace(frame, trace);
        frame.put_u8(COMMAND);
        varint::put(frame, region.get());
        varint::put(frame, sequence);
        put_bytes(frame, data);
    }

    /// A command of another node is not taken.
    pub(crate) fn refused(&mut self, to: NodeId, region: RegionId, sequence: u64, fault: &Fault) {
        let frame = &mut self.open(to, Lane::Bulk).bytes;
        frame.put_u8(REFUSED);
        varint::put(frame, region.get());
        varint::put(frame, sequence);
        frame.put_u8(fault.code as u8);
        put_bytes(frame, fault.detail.as_bytes());
    }

    /// The answer to a question of another node.
    pub(crate) fn reply(&mut self, to: NodeId, id: u64, result: Result<&[u8], &Fault>) {
        self.reply_in(Lane::Bulk, to, id, result);
    }

    /// The same, in the lane that the question came in.
    pub(crate) fn reply_in(
        &mut self,
        lane: Lane,
        to: NodeId,
        id: u64,
        result: Result<&[u8], &Fault>,
    ) {
        let frame = &mut self.open(to, lane).bytes;
        frame.put_u8(REPLY);
        frame.put_u64(id);
        match result {
            Ok(body) => {
                frame.put_u8(0);
                put_bytes(frame, body);
            }
            Err(fault) => {
                frame.put_u8(fault.code as u8);
                put_bytes(frame, fault.detail.as_bytes());
            }
        }
    }

    /// The frames, ready to be sent; urgent ones first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (NodeId, Frame)> + '_ {
        self.open.sort_by_key(|(_, frame)| frame.lane);
        self.open.drain(..)
    }

    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    /// The frame for the next item.
    fn open(&mut self, to: NodeId, lane: Lane) -> &mut Frame {
        let last = self.open.iter().rposition(|(node, frame)| *node == to && frame.lane == lane);
        let at =
            last.filter(|at| self.open[*at].1.bytes.len() < FRAME_BYTES).unwrap_or_else(|| {
                let (bytes, contents) = (Vec::with_capacity(256), Contents::default());
                self.open.push((to, Frame { lane, bytes, contents }));
                self.open.len() - 1
            });
        let frame = &mut self.open[at].1;
        frame.contents.messages += 1;
        frame
    }
}

/// In front of what it is about, in the same frame. Only for who said that it takes it: any other drops the
/// frame from there on.
fn put_trace(frame: &mut Vec<u8>, trace: Option<Context>) {
    if let Some(trace) = trace {
        let bytes = trace.to_bytes();
        frame.put_u8(TRACE);
        frame.put_u8(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        frame.put_slice(&bytes);
    }
}

fn put_bytes(frame: &mut Vec<u8>, bytes: &[u8]) {
    // A frame is bounded far below 4 GiB by what Raft puts into one message.
    frame.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    frame.put_slice(bytes);
}

/// Takes a frame apart; stops at the first thing that makes no sense.
pub(crate) fn decode(mut frame: Bytes, mut item: impl FnMut(Item)) -> Result<(), String> {
    while frame.has_remaining() {
        item(decode_item(&mut frame)?);
    }
    Ok(())
}

fn decode_item(frame: &mut Bytes) -> Result<Item, String> {
    match frame.try_get_u8().map_err(short)? {
        BEAT => {
            let len = usize::from(frame.try_get_u8().map_err(short)?);
            if len > frame.len() {
                return Err(format!("a beat of {len} bytes where {} are left", frame.len()));
            }
            let beat = Beat::decode(frame.split_to(len)).ok_or("a beat that makes no sense")?;
            Ok(Item::Beat(beat))
        }
        KNOWN => Ok(Item::Known(varint::get(frame).ok_or("a change that is no number")?)),
        SLEEP => Ok(Item::Sleep(decode_sleep(frame).ok_or("a word about sleep without sense")?)),
        tag @ (HEARTBEAT | HEARTBEAT_CURRENT) => {
            let before = frame.len();
            let region = varint::get(frame).ok_or("a region that is no number")?;
            let message = Message::decode_compact(frame).map_err(|error| error.to_string())?;
            let region = RegionId(region);
            let bytes = before - frame.len() + HELD_BYTES;
            let is_current = tag == HEARTBEAT_CURRENT;
            Ok(Item::Raft(RaftItem {
                message: RegionMessage { region, message },
                bytes,
                is_current,
            }))
        }
        RAFT => {
            let region = RegionId(frame.try_get_u64().map_err(short)?);
            let bytes = get_bytes(frame)?;
            let length = bytes.len() + HELD_BYTES;
            let message = Message::decode_shared(bytes).map_err(|error| error.to_string())?;
            // Its receiver would throw away a log for it, and find nothing to put in its place.
            if message.is_snapshot() {
                return Err("a snapshot is announced without its records".to_owned());
            }
            let is_current = message.kind() != MessageKind::Heartbeat;
            let message = RegionMessage { region, message };
            Ok(Item::Raft(RaftItem { message, bytes: length, is_current }))
        }
        REQUEST => {
            let id = frame.try_get_u64().map_err(short)?;
            let region = RegionId(frame.try_get_u64().map_err(short)?);
            let number = frame.try_get_u8().map_err(short)?;
            let question = Question::from_u8(number)
                .ok_or_else(|| format!("a request of unknown kind {number}"))?;
            Ok(Item::Request { id, region, question, body: get_bytes(frame)? })
        }
        REPLY => {
            let id = frame.try_get_u64().map_err(short)?;
            let number = frame.try_get_u8().map_err(short)?;
            let body = get_bytes(frame)?;
            let result = if number == 0 { Ok(body) } else { Err(fault(number, &body)) };
            Ok(Item::Reply { id, result })
        }
        COMMAND => {
            let region = RegionId(varint::get(frame).ok_or("a region that is no number")?);
            let sequence = varint::get(frame).ok_or("a command without its number")?;
            Ok(Item::Command { region, sequence, data: get_bytes(frame)? })
        }
        REFUSED => {
            let region = RegionId(varint::get(frame).ok_or("a region that is no number")?);
            let sequence = varint::get(frame).ok_or("a command without its number")?;
            let number = frame.try_get_u8().map_err(short)?;
            let fault = fault(number, &get_bytes(frame)?);
            Ok(Item::Refused { region, sequence, fault })
        }
        TRACE => {
            let len = usize::from(frame.try_get_u8().map_err(short)?);
            if len > frame.len() {
                return Err(format!("a trace of {len} bytes where {} are left", frame.len()));
            }
            Ok(Item::Trace(Context::from_bytes(&frame.split_to(len))))
        }
        tag => Err(format!("an item with unknown tag {tag}")),
    }
}

fn fault(code: u8, words: &[u8]) -> Fault {
    let code = Code::from_u8(code).unwrap_or(Code::Internal);
    Fault::new(code, String::from_utf8_lossy(words).into_owned())
}

fn decode_sleep(frame: &mut Bytes) -> Option<Sleep> {
    let kind = SleepKind::from_u8(frame.try_get_u8().ok()?)?;
    let mut next = || varint::get(frame);
    Some(Sleep {
        kind,
        region: RegionId(next()?),
        from: PeerId(next()?),
        to: PeerId(next()?),
        term: Term(next()?),
        index: Index(next()?),
        attempt: u32::try_from(next()?).ok()?,
    })
}

fn get_bytes(frame: &mut Bytes) -> Result<Bytes, String> {
    let len = frame.try_get_u32().map_err(short)? as usize;
    if len > frame.len() {
        return Err(format!("an item of {len} bytes where {} are left", frame.len()));
    }
    Ok(frame.split_to(len))
}

fn short(_: bytes::TryGetError) -> String {
    "a frame that ends in the middle of an item".to_owned()
}

#[cfg(test)]
mod tests;
