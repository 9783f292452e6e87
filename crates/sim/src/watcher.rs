//! Watchers: each follows the keys of a region over whatever node it is connected to, is cut off and
//! goes on elsewhere where it stopped, and must see every event once, in order, in whole revisions.

use state::response::{Event as Change, EventKind};
use types::{Code, KeyRange, RegionId, Revision};

use crate::event::Event;
use crate::node::Node;
use crate::sky::Sky;
use crate::trace::hash;
use crate::watch::{WatchControl, WatchCreate, WatchEvent, WatchMessage, WatchMessages};

/// Messages taken at once.
const AT_ONCE: u64 = 12;

/// An event as the oracle keeps it.
pub(crate) type Seen = (bool, bytes::Bytes, Revision, u64);

struct Connection {
    node: usize,
    life: u64,
    messages: WatchMessages,
    _control: WatchControl,
}

/// One watcher.
pub(crate) struct Watcher {
    pub(crate) region: RegionId,
    range: KeyRange,
    /// The first revision not seen yet.
    pub(crate) next: Revision,
    connection: Option<Connection>,
}

pub(crate) fn seen(change: &Change) -> Seen {
    let kv = &change.kv;
    (change.kind == EventKind::Put, kv.key.clone(), kv.mod_revision, hash(&kv.value))
}

fn told(event: &WatchEvent) -> Seen {
    let kv = &event.kv;
    (event.kind == EventKind::Put, kv.key.clone(), kv.mod_revision, hash(&kv.value))
}

impl Watcher {
    pub(crate) fn new(region: RegionId, range: KeyRange) -> Self {
        Self { region, range, next: Revision(1), connection: None }
    }

    /// Whether something was committed that it has not seen.
    pub(crate) fn is_behind(&self, sky: &Sky) -> bool {
        !sky.oracles
            .events
            .between(self.region, self.next, Revision(i64::MAX), &self.range)
            .is_empty()
    }

    /// It looks what there is.
    pub(crate) fn look(&mut self, sky: &mut Sky, nodes: &[Node], at: usize) {
        let again = sky.between(5_000, if sky.calm { 60_000 } else { 250_000 });
        sky.after(again, Event::Watch { watcher: at });
        let is_cut = !sky.calm && sky.random.chance(6);
        let is_gone =
            |it: &Connection| nodes[it.node].running.is_none() || nodes[it.node].life != it.life;
        if is_cut || self.connection.as_ref().is_some_and(is_gone) {
            self.connection = None;
        }
        let node = match &self.connection {
            Some(connection) => connection.node,
            None => usize::try_from(sky.random.below(nodes.len() as u64)).unwrap_or(0),
        };
        if nodes[node].paused_until > sky.now {
            return;
        }
        if self.connection.is_none() {
            self.connect(sky, node, &nodes[node]);
        }
        for _ in 0..1 + sky.random.below(AT_ONCE) {
            let message = self.connection.as_mut().and_then(|it| it.messages.poll_blocking());
            let Some(message) = message else { return };
            self.take(sky, message);
        }
    }

    fn connect(&mut self, sky: &mut Sky, at: usize, node: &Node) {
        let Some(running) = node.running.as_ref().filter(|it| it.shards.contains_key(&self.region))
        else {
            return;
        };
        let Ok((control, messages)) = running.hub.open(self.region) else { return };
        let create =
            WatchCreate { range: self.range.clone(), start: self.next, ..WatchCreate::default() };
        if control.create(create).and_then(|()| control.progress()).is_err() {
            return;
        }
        sky.counts.watches += 1;
        let life = node.life;
        self.connection = Some(Connection { node: at, life, messages, _control: control });
    }

    fn take(&mut self, sky: &mut Sky, message: WatchMessage) {
        match message {
            WatchMessage::Created { .. } => {}
            WatchMessage::Events { revision, events, .. } => {
                sky.counts.watch_events += events.len() as u64;
                self.compare(sky, revision, events.iter().map(told).collect());
            }
            WatchMessage::Progress { revision, .. } => self.compare(sky, revision, Vec::new()),
            WatchMessage::Canceled { compacted, fault, .. } => {
                self.connection = None;
                let code = fault.map(|fault| fault.code);
                if code == Some(Code::Compacted) && compacted > self.next {
                    sky.counts.watches_compacted += 1;
                    self.next = compacted;
                } else {
                    let what = format!("a watch from {} ended: {code:?}", self.next);
                    sky.fail("watch completeness", what);
                }
            }
        }
    }

    /// Everything up to `revision` must be here now.
    fn compare(&mut self, sky: &mut Sky, revision: Revision, got: Vec<Seen>) {
        if revision < self.next && got.is_empty() {
            return;
        }
        let expected = sky.oracles.events.between(self.region, self.next, revision, &self.range);
        if expected != got {
            let at = self.connection.as_ref().map_or(0, |it| it.node + 1);
            let what = format!(
                "region {}: from {} to {revision} node {at} told {got:?}, committed was {expected:?}",
                self.region, self.next
            );
            sky.fail("watch completeness", what);
        }
        self.next = Revision(revision.get() + 1);
    }
}
