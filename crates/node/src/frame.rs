//! What one frame between two nodes holds: Raft messages of any number of regions, requests to a
//! region's leader, and answers to such requests. Drawn in `docs/protocol.md`.

use bytes::{Buf, BufMut, Bytes};
use consensus::Message;
use region::RegionMessage;
use types::{Code, Fault, NodeId, RegionId};

const RAFT: u8 = 1;
const REQUEST: u8 = 2;
const REPLY: u8 = 3;

/// What a node asks a region's leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Question {
    /// Bring a command through the log; the body is an encoded envelope. Answered only if that
    /// fails: the asking node sees success when it applies the command itself.
    Propose = 1,
    /// Renew a lease; the body is its id.
    RenewLease = 2,
    /// What is left of a lease; the body is its id and whether keys are wanted.
    LeaseStatus = 3,
    /// Carry out a read; the body is whether the leader's lease is good enough (1) or a quorum is to
    /// be asked (0), and the read. The answer is the term, and the outcome.
    Read = 4,
    /// Have a quorum confirm that the asked node leads; the answer is the term.
    VerifyLeader = 5,
}

impl Question {
    fn from_u8(number: u8) -> Option<Self> {
        [Self::Propose, Self::RenewLease, Self::LeaseStatus, Self::Read, Self::VerifyLeader]
            .into_iter()
            .find(|question| *question as u8 == number)
    }
}

/// One item of a frame.
#[derive(Debug)]
pub(crate) enum Item {
    /// For a replica, with its bytes.
    Raft(RegionMessage, usize),
    /// For a region's leader.
    Request { id: u64, region: RegionId, question: Question, body: Bytes },
    /// To a request of ours.
    Reply { id: u64, result: Result<Bytes, Fault> },
}

/// A frame this long is full: others on the same link get a turn, and none comes near the transport's
/// bound. One item may go over it.
const FRAME_BYTES: usize = 1 << 20;

/// Frames being filled, for each receiver in order, each sent whole.
#[derive(Default)]
pub(crate) struct Frames {
    open: Vec<(NodeId, Vec<u8>)>,
}

impl Frames {
    pub(crate) fn raft(&mut self, to: NodeId, message: &RegionMessage) {
        let frame = self.open(to);
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
        to: NodeId,
        id: u64,
        region: RegionId,
        question: Question,
        body: &[u8],
    ) {
        let frame = self.open(to);
        frame.put_u8(REQUEST);
        frame.put_u64(id);
        frame.put_u64(region.get());
        frame.put_u8(question as u8);
        put_bytes(frame, body);
    }

    pub(crate) fn reply(&mut self, to: NodeId, id: u64, result: Result<&[u8], &Fault>) {
        let frame = self.open(to);
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

    /// The frames, ready to be sent.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (NodeId, Bytes)> + '_ {
        self.open.drain(..).map(|(to, frame)| (to, Bytes::from(frame)))
    }

    fn open(&mut self, to: NodeId) -> &mut Vec<u8> {
        let last = self.open.iter().rposition(|(node, _)| *node == to);
        let at = last.filter(|at| self.open[*at].1.len() < FRAME_BYTES).unwrap_or_else(|| {
            self.open.push((to, Vec::with_capacity(1024)));
            self.open.len() - 1
        });
        &mut self.open[at].1
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
        RAFT => {
            let region = RegionId(frame.try_get_u64().map_err(short)?);
            let bytes = get_bytes(frame)?;
            let length = bytes.len();
            let message = Message::decode_shared(bytes).map_err(|error| error.to_string())?;
            Ok(Item::Raft(RegionMessage { region, message }, length))
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
            let result = if number == 0 {
                Ok(body)
            } else {
                let code = Code::from_u8(number).unwrap_or(Code::Internal);
                Err(Fault::new(code, String::from_utf8_lossy(&body).into_owned()))
            };
            Ok(Item::Reply { id, result })
        }
        tag => Err(format!("an item with unknown tag {tag}")),
    }
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
mod tests {
    use super::{FRAME_BYTES, Frames, Item, Question, decode};
    use types::{NodeId, RegionId};

    #[test]
    fn frames_stay_short_and_every_item_arrives_in_order() {
        let mut frames = Frames::default();
        let body = vec![7; 300_000];
        for id in 0..40 {
            for to in [NodeId(1), NodeId(2)] {
                frames.request(to, id, RegionId(3), Question::Propose, &body);
            }
        }
        let mut next = [0, 0];
        for (to, frame) in frames.drain() {
            assert!(frame.len() < FRAME_BYTES + body.len() + 64, "{} bytes", frame.len());
            decode(frame, |item| {
                let Item::Request { id, body: got, .. } = item else { panic!("{item:?}") };
                let next = &mut next[usize::from(to == NodeId(2))];
                assert_eq!((id, got.as_ref()), (*next, body.as_slice()));
                *next += 1;
            })
            .unwrap();
        }
        assert_eq!(next, [40, 40]);
    }
}
