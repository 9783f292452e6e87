//! What went to and came from every other node, for metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use types::NodeId;

/// Which of two ways a frame goes (feature C10).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(usize)]
pub enum Lane {
    /// What must not wait: beats, Raft's heartbeats and votes, renewals of leases.
    Urgent = 0,
    /// Everything else: entries, commands, their answers.
    Bulk = 1,
}

/// Counts of one lane, one way, since the node's start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LaneTraffic {
    /// Frames.
    pub frames: u64,
    /// Items in them.
    pub messages: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Sent: frames that the link did not take, because it is down or its queue full. Received:
    /// items for which there was no room.
    pub dropped: u64,
}

/// What went to and came from one other node since this one's start. Snapshots are not counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PeerTraffic {
    /// Sent ahead of everything else.
    pub sent_urgent: LaneTraffic,
    /// Sent otherwise.
    pub sent_bulk: LaneTraffic,
    /// Came ahead of everything else.
    pub received_urgent: LaneTraffic,
    /// Came otherwise.
    pub received_bulk: LaneTraffic,
    /// Raft's heartbeats and their answers, of all regions, sent.
    pub heartbeats_sent: u64,
    /// The same, received.
    pub heartbeats_received: u64,
    /// Beats of the node itself, sent.
    pub beats_sent: u64,
    /// The same, received.
    pub beats_received: u64,
    /// Frames that made no sense.
    pub malformed: u64,
}

#[derive(Default)]
struct LaneCounters {
    frames: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

impl LaneCounters {
    fn frame(&self, messages: u64, bytes: usize) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn read(&self) -> LaneTraffic {
        LaneTraffic {
            frames: self.frames.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

#[derive(Default)]
struct Counters {
    sent: [LaneCounters; 2],
    received: [LaneCounters; 2],
    heartbeats: [AtomicU64; 2],
    beats: [AtomicU64; 2],
    malformed: AtomicU64,
}

/// What a frame holds, counted while it is filled or taken apart.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Contents {
    pub(crate) messages: u64,
    pub(crate) heartbeats: u64,
    pub(crate) beats: u64,
    /// Received: items there was no room for.
    pub(crate) dropped: u64,
}

/// The counters of all peers.
#[derive(Default)]
pub(crate) struct Traffic {
    peers: RwLock<BTreeMap<NodeId, Arc<Counters>>>,
}

const SENT: usize = 0;
const RECEIVED: usize = 1;

impl Traffic {
    fn peer(&self, node: NodeId) -> Arc<Counters> {
        if let Some(counters) = self.peers.read().get(&node) {
            return Arc::clone(counters);
        }
        Arc::clone(self.peers.write().entry(node).or_default())
    }

    /// A frame was given to the link, which took it or did not.
    pub(crate) fn sent(
        &self,
        to: NodeId,
        lane: Lane,
        contents: Contents,
        bytes: usize,
        taken: bool,
    ) {
        let peer = self.peer(to);
        let counters = &peer.sent[lane as usize];
        if !taken {
            counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        counters.frame(contents.messages, bytes);
        peer.heartbeats[SENT].fetch_add(contents.heartbeats, Ordering::Relaxed);
        peer.beats[SENT].fetch_add(contents.beats, Ordering::Relaxed);
    }

    /// A frame came.
    pub(crate) fn received(&self, from: NodeId, lane: Lane, contents: Contents, bytes: usize) {
        let peer = self.peer(from);
        let counters = &peer.received[lane as usize];
        counters.frame(contents.messages, bytes);
        counters.dropped.fetch_add(contents.dropped, Ordering::Relaxed);
        peer.heartbeats[RECEIVED].fetch_add(contents.heartbeats, Ordering::Relaxed);
        peer.beats[RECEIVED].fetch_add(contents.beats, Ordering::Relaxed);
    }

    /// A frame came that made no sense.
    pub(crate) fn malformed(&self, from: NodeId) {
        self.peer(from).malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything so far, of every peer there was.
    pub(crate) fn read(&self) -> Vec<(NodeId, PeerTraffic)> {
        let peers = self.peers.read();
        let read = |(node, counters): (&NodeId, &Arc<Counters>)| {
            let [sent_urgent, sent_bulk] = &counters.sent;
            let [received_urgent, received_bulk] = &counters.received;
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let traffic = PeerTraffic {
                sent_urgent: sent_urgent.read(),
                sent_bulk: sent_bulk.read(),
                received_urgent: received_urgent.read(),
                received_bulk: received_bulk.read(),
                heartbeats_sent: load(&counters.heartbeats[SENT]),
                heartbeats_received: load(&counters.heartbeats[RECEIVED]),
                beats_sent: load(&counters.beats[SENT]),
                beats_received: load(&counters.beats[RECEIVED]),
                malformed: load(&counters.malformed),
            };
            (*node, traffic)
        };
        peers.iter().map(read).collect()
    }
}
