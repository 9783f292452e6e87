//! Links between nodes of one process, for embedded clusters: same promises as over the network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use env::{Inbox, Joined, Net, Refused, Spawn};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::task::spawn_blocking;
use types::{Code, Fault, NodeId};

use super::carrier::{Carrier, Chunks, SnapshotReceiver};
use super::limits::Limits;

/// Connects nodes of one process; cheap to clone. Every node that joined is linked to every other.
#[derive(Clone)]
pub struct MemoryNet {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    members: BTreeMap<NodeId, Arc<Member>>,
    /// Pairs that cannot reach each other, lower number first.
    cuts: BTreeSet<(NodeId, NodeId)>,
    /// With which data each node joined first, where that is known.
    identities: BTreeMap<NodeId, u128>,
}

/// A node's receiving end.
struct Member {
    /// No bound of its own, because `waiting` bounds what each sender may have in it.
    events: Events,
    waiting: Mutex<BTreeMap<(NodeId, bool), Waiting>>,
    snapshots: Arc<dyn SnapshotReceiver>,
}

#[derive(Default)]
struct Waiting {
    frames: usize,
    bytes: usize,
}

enum Event {
    Frame(NodeId, Bytes, bool),
    Link(NodeId, bool),
    Stop,
}

/// One node's end of a [`MemoryNet`].
pub struct MemoryCarrier {
    node: NodeId,
    shared: Arc<Shared>,
    worker: Mutex<Option<Joined>>,
}

impl Default for MemoryNet {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl MemoryNet {
    /// A net whose queues have these bounds; only those of queues and frames matter.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { limits, state: RwLock::default() }) }
    }

    /// Adds a node; what is sent to it is delivered on a thread of its own.
    ///
    /// # Errors
    /// `AlreadyExists` when the node is there; when the system refuses a thread.
    pub fn join(
        &self,
        node: NodeId,
        inbox: Arc<dyn Inbox>,
        snapshots: Arc<dyn SnapshotReceiver>,
        spawn: &dyn Spawn,
    ) -> io::Result<Arc<MemoryCarrier>> {
        self.join_as(node, 0, inbox, snapshots, spawn)
    }

    /// As [`Self::join`], for a node whose data directory has this identity; 0 for none.
    ///
    /// # Errors
    /// As for [`Self::join`]; `PermissionDenied` when the node was here with other data: what it had
    /// promised the others is gone.
    pub fn join_as(
        &self,
        node: NodeId,
        identity: u128,
        inbox: Arc<dyn Inbox>,
        snapshots: Arc<dyn SnapshotReceiver>,
        spawn: &dyn Spawn,
    ) -> io::Result<Arc<MemoryCarrier>> {
        let (events, waiting) = Default::default();
        let member = Arc::new(Member { events, waiting, snapshots });
        let mut state = self.shared.state.write();
        if state.members.contains_key(&node) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("node {node}")));
        }
        if state.identities.get(&node).is_some_and(|known| *known != identity) {
            let text = format!("node {node} was here with other data, and that is gone");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let taker = member.clone();
        let work = Box::new(move || deliver(&taker, &*inbox));
        let worker = spawn.spawn(&format!("net-{node}"), work)?;
        for (other, peer) in &state.members {
            if !state.cuts.contains(&pair(node, *other)) {
                peer.tell(node, true);
                member.tell(*other, true);
            }
        }
        state.members.insert(node, member);
        if identity != 0 {
            state.identities.insert(node, identity);
        }
        let (shared, worker) = (self.shared.clone(), Mutex::new(Some(worker)));
        Ok(Arc::new(MemoryCarrier { node, shared, worker }))
    }

    /// Cuts the link of two nodes, or heals it.
    pub fn set_link(&self, one: NodeId, other: NodeId, up: bool) {
        let mut state = self.shared.state.write();
        let pair = pair(one, other);
        let changed = if up { state.cuts.remove(&pair) } else { state.cuts.insert(pair) };
        if !changed {
            return;
        }
        if let (Some(first), Some(second)) = (state.members.get(&one), state.members.get(&other)) {
            first.tell(other, up);
            second.tell(one, up);
        }
    }
}

fn pair(one: NodeId, other: NodeId) -> (NodeId, NodeId) {
    (one.min(other), one.max(other))
}

impl Member {
    fn tell(&self, peer: NodeId, up: bool) {
        self.events.push(Event::Link(peer, up));
    }
}

fn deliver(member: &Member, inbox: &dyn Inbox) {
    loop {
        match member.events.pop() {
            Event::Frame(from, frame, urgent) => {
                if let Some(waiting) = member.waiting.lock().get_mut(&(from, urgent)) {
                    waiting.frames -= 1;
                    waiting.bytes -= frame.len();
                }
                inbox.deliver(from, frame);
            }
            Event::Link(peer, up) => inbox.link(peer, up),
            Event::Stop => return,
        }
    }
}

/// What waits for one node. Urgent frames overtake other frames, but nothing overtakes the news of
/// a link.
#[derive(Default)]
struct Events {
    stretches: Mutex<VecDeque<Stretch>>,
    wake: Condvar,
}

/// The frames between two pieces of other news.
#[derive(Default)]
struct Stretch {
    urgent: VecDeque<Event>,
    bulk: VecDeque<Event>,
    end: Option<Event>,
}

impl Events {
    fn push(&self, event: Event) {
        let mut stretches = self.stretches.lock();
        if stretches.back().is_none_or(|last| last.end.is_some()) {
            stretches.push_back(Stretch::default());
        }
        if let Some(last) = stretches.back_mut() {
            match event {
                Event::Frame(_, _, true) => last.urgent.push_back(event),
                Event::Frame(_, _, false) => last.bulk.push_back(event),
                Event::Link(..) | Event::Stop => last.end = Some(event),
            }
        }
        self.wake.notify_one();
    }

    fn pop(&self) -> Event {
        let mut stretches = self.stretches.lock();
        loop {
            if let Some(first) = stretches.front_mut() {
                if let Some(frame) = first.urgent.pop_front().or_else(|| first.bulk.pop_front()) {
                    return frame;
                }
                if let Some(end) = first.end.take() {
                    stretches.pop_front();
                    return end;
                }
            }
            self.wake.wait(&mut stretches);
        }
    }
}

impl Net for MemoryCarrier {
    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), Refused> {
        self.put(to, frame, false)
    }

    fn send_urgent(&self, to: NodeId, frame: Bytes) -> Result<(), Refused> {
        self.put(to, frame, true)
    }
}

impl MemoryCarrier {
    fn put(&self, to: NodeId, frame: Bytes, urgent: bool) -> Result<(), Refused> {
        let limits = &self.shared.limits;
        let state = self.shared.state.read();
        let linked =
            state.members.contains_key(&self.node) && !state.cuts.contains(&pair(self.node, to));
        let member = state.members.get(&to).filter(|_| linked && to != self.node).ok_or(Refused)?;
        let mut all = member.waiting.lock();
        let waiting = all.entry((self.node, urgent)).or_default();
        let bytes = waiting.bytes.saturating_add(frame.len());
        if frame.len() > limits.frame_bytes
            || waiting.frames >= limits.queue_frames
            || bytes > limits.queue_bytes
        {
            return Err(Refused);
        }
        waiting.frames += 1;
        waiting.bytes = bytes;
        member.events.push(Event::Frame(self.node, frame, urgent));
        Ok(())
    }
}

impl Carrier for MemoryCarrier {
    /// Does nothing: who joined the net is linked.
    fn set_peers(&self, _peers: Vec<(NodeId, String)>) {}

    /// Does nothing: nodes of one process are who they say.
    fn review(&self) {}

    /// As over the network, but the throttle is not needed: nothing else waits for the same wire.
    fn send_snapshot(
        &self,
        to: NodeId,
        chunks: Chunks,
        _throttle: Option<NonZeroU64>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        let (from, shared) = (self.node, self.shared.clone());
        async move {
            let moved = spawn_blocking(move || shared.move_snapshot(from, to, chunks)).await;
            moved.unwrap_or_else(|_| Err(Fault::new(Code::Internal, "the snapshot's thread died")))
        }
        .boxed()
    }

    fn trouble(&self, node: NodeId) -> Option<String> {
        let state = self.shared.state.read();
        if state.cuts.contains(&pair(self.node, node)) {
            return Some("the link is cut".into());
        }
        (!state.members.contains_key(&node)).then(|| "the node is not there".into())
    }

    fn identity(&self, node: NodeId) -> Option<u128> {
        self.shared.state.read().identities.get(&node).copied()
    }

    fn shutdown(self: Arc<Self>) -> BoxFuture<'static, ()> {
        self.leave();
        let worker = self.worker.lock().take();
        async move {
            if let Some(worker) = worker {
                drop(spawn_blocking(worker).await);
            }
        }
        .boxed()
    }
}

impl Shared {
    fn move_snapshot(&self, from: NodeId, to: NodeId, chunks: Chunks) -> Result<(), Fault> {
        let there = || {
            let state = self.state.read();
            let linked = !state.cuts.contains(&pair(from, to)) && state.members.contains_key(&from);
            state.members.get(&to).filter(|_| linked).cloned()
        };
        let lost = || Fault::new(Code::Timeout, format!("node {to} cannot be reached"));
        let mut sink = there().ok_or_else(lost)?.snapshots.begin(from)?;
        for chunk in chunks {
            let taken = match chunk {
                Ok(_) if there().is_none() => Err(lost()),
                Ok(chunk) => sink.accept(chunk),
                Err(why) => {
                    let detail = format!("the snapshot could not be read: {why}");
                    Err(Fault::new(Code::Internal, detail))
                }
            };
            if let Err(fault) = taken {
                sink.abort();
                return Err(fault);
            }
        }
        sink.finish()
    }
}

impl MemoryCarrier {
    fn leave(&self) {
        let mut state = self.shared.state.write();
        let Some(member) = state.members.remove(&self.node) else { return };
        for (other, peer) in &state.members {
            if !state.cuts.contains(&pair(self.node, *other)) {
                peer.tell(self.node, false);
            }
        }
        member.events.push(Event::Stop);
    }
}

impl Drop for MemoryCarrier {
    fn drop(&mut self) {
        self.leave();
    }
}
