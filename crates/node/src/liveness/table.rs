//! What is known of every other node, and when that changes. Silence is counted in this node's own
//! ticks: a process that did not run has heard nothing and has not listened either.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use env::Moment;
use types::NodeId;

use super::beat::{Beat, Echo, Summary};
use super::link::{Link, Listening};
use crate::auth::Told;
use crate::strain::Strain;

/// Between two beats, where nobody says otherwise.
const EVERY: Duration = Duration::from_millis(200);
/// Beats whose time of leaving is remembered, for the round trip.
const REMEMBERED: usize = 64;

/// Whether a node is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NodeState {
    /// It was heard a moment ago.
    Alive,
    /// More than one of its beats is missing.
    Suspected,
    /// It was not heard for an election timeout, or its link broke.
    Lost,
}

/// What a node knows of another one, or of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeLiveness {
    /// Which.
    pub node: NodeId,
    /// Whether it is there.
    pub state: NodeState,
    /// Which run of it was heard last; 0 if none was.
    pub incarnation: u64,
    /// For how long it is in `state` (alive and suspected counted as one), by the monotonic clock.
    pub for_time: Duration,
    /// How long ago it was heard; `None` if never.
    pub last_heard: Option<Duration>,
    /// A frame's way there and back, smoothed; `None` until it was measured, and for the node itself.
    pub round_trip: Option<Duration>,
    /// How well it is heard.
    pub link: Link,
    /// Whether its last beat says that it hears this node.
    pub hears_us: bool,
    /// What it said of itself.
    pub summary: Summary,
}

/// What others must be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// It is not heard any more, or is not the one it was; and why.
    Lost(NodeId, &'static str),
    /// It is heard.
    Back(NodeId),
    /// It is a member now, and counts as there until it is too long silent.
    Joined(NodeId),
}

struct Peer {
    /// Ticks since the last beat, or since this node looked for it first.
    silent_ticks: u64,
    lost: bool,
    since: Moment,
    heard: Option<Heard>,
    round_trip: Option<Duration>,
    listening: Listening,
    hears_us: bool,
    /// The newest change of users and rights it ever said to know.
    auth: u64,
    /// When this node sent the newest of its beats that the peer answered while it could tell.
    answered: Option<Moment>,
}

struct Heard {
    at: Moment,
    /// The beat before this one, of the same run and link.
    before: Option<Moment>,
    incarnation: u64,
    sequence: u64,
    summary: Summary,
}

/// The other nodes as this one hears them.
pub(crate) struct Liveness {
    incarnation: u64,
    suspect_ticks: u64,
    lost_ticks: u64,
    beat_ticks: u64,
    /// Time between two beats.
    every: Duration,
    ticks: u64,
    sequence: u64,
    sent: VecDeque<(u64, Moment)>,
    peers: BTreeMap<NodeId, Peer>,
    /// The newest change of users and rights told by nodes that this one does not count as members
    /// yet, or any more: they may know of members that this node has not heard of.
    strangers_auth: u64,
    started: Moment,
}

impl Liveness {
    /// For a run of a node that beats every `beat_ticks` ticks and takes others for lost after
    /// `lost_ticks` of silence.
    pub(crate) fn new(incarnation: u64, beat_ticks: usize, lost_ticks: usize, now: Moment) -> Self {
        let beat_ticks = (beat_ticks as u64).max(1);
        let lost_ticks = (lost_ticks as u64).max(2);
        Self {
            incarnation,
            // One beat may be late or lost.
            suspect_ticks: (2 * beat_ticks + 1).min(lost_ticks - 1),
            lost_ticks,
            beat_ticks,
            every: EVERY,
            ticks: 0,
            sequence: 0,
            sent: VecDeque::new(),
            peers: BTreeMap::new(),
            strangers_auth: 0,
            started: now,
        }
    }

    /// With so much time between two beats; a fifth of a second if it is not said.
    pub(crate) fn with_interval(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Which other nodes there are.
    pub(crate) fn set_peers(
        &mut self,
        now: Moment,
        nodes: impl IntoIterator<Item = NodeId>,
        changes: &mut Vec<Change>,
    ) {
        let mut before = std::mem::take(&mut self.peers);
        for node in nodes {
            let known = before.remove(&node);
            self.peers.insert(
                node,
                known.unwrap_or_else(|| {
                    changes.push(Change::Joined(node));
                    Peer::new(now)
                }),
            );
        }
        let gone = before.into_iter().filter(|(_, peer)| !peer.lost);
        changes.extend(gone.map(|(node, _)| Change::Lost(node, "it is no member any more")));
    }

    /// One tick of this node; answers whether beats are due.
    pub(crate) fn tick(&mut self, now: Moment, changes: &mut Vec<Change>) -> bool {
        self.ticks += 1;
        for (node, peer) in &mut self.peers {
            peer.silent_ticks += 1;
            if !peer.lost && peer.silent_ticks >= self.lost_ticks {
                peer.lose(now);
                changes.push(Change::Lost(*node, "it is silent"));
            }
            peer.listening.look(now, !peer.lost, peer.round_trip);
        }
        self.ticks.is_multiple_of(self.beat_ticks)
    }

    /// The next beat to every peer.
    pub(crate) fn beats(
        &mut self,
        now: Moment,
        summary: Summary,
        auth: u64,
    ) -> Vec<(NodeId, Beat)> {
        self.sequence += 1;
        self.sent.push_back((self.sequence, now));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        let beat = |(node, peer): (&NodeId, &Peer)| {
            let echo = peer.heard.as_ref().map(|heard| Echo {
                incarnation: heard.incarnation,
                sequence: heard.sequence,
                held_micros: u64::try_from(now.since(heard.at).as_micros()).unwrap_or(u64::MAX),
            });
            let (incarnation, sequence) = (self.incarnation, self.sequence);
            (*node, Beat { incarnation, sequence, echo, summary, auth })
        };
        self.peers.iter().map(beat).collect()
    }

    /// A beat came. One of a node nobody told of is no sign of life of a member.
    pub(crate) fn heard(
        &mut self,
        now: Moment,
        from: NodeId,
        beat: &Beat,
        changes: &mut Vec<Change>,
    ) {
        let Some(peer) = self.peers.get_mut(&from) else {
            self.strangers_auth = self.strangers_auth.max(beat.auth);
            return;
        };
        if let Some(before) = &peer.heard {
            if before.incarnation == beat.incarnation && before.sequence >= beat.sequence {
                return;
            }
            if before.incarnation == beat.incarnation {
                peer.listening.heard(now, now.since(before.at), self.every);
            } else if !peer.lost {
                peer.lose(now);
                changes.push(Change::Lost(from, "it was started anew"));
            }
        }
        let echo = beat.echo.filter(|echo| echo.incarnation == self.incarnation);
        let missed = echo.map(|echo| self.sequence.saturating_sub(echo.sequence));
        peer.hears_us = missed.is_some_and(|missed| missed * self.beat_ticks < self.lost_ticks);
        let sent = echo.and_then(|echo| {
            let sent = self.sent.iter().find(|(sequence, _)| *sequence == echo.sequence);
            sent.map(|(_, at)| (*at, Duration::from_micros(echo.held_micros)))
        });
        if let Some((at, held)) = sent {
            let measured = now.since(at).saturating_sub(held);
            peer.round_trip = Some(match peer.round_trip {
                None => measured,
                Some(before) => (before * 7 + measured) / 8,
            });
            if beat.auth > 0 {
                peer.answered = peer.answered.max(Some(at));
            }
        }
        peer.auth = peer.auth.max(beat.auth);
        peer.silent_ticks = 0;
        let before = peer.heard.as_ref().filter(|_| !peer.lost).map(|heard| heard.at);
        peer.heard = Some(Heard {
            at: now,
            before,
            incarnation: beat.incarnation,
            sequence: beat.sequence,
            summary: beat.summary,
        });
        if peer.lost {
            (peer.lost, peer.since) = (false, now);
            changes.push(Change::Back(from));
        }
    }

    /// A node said, between its beats, what it knows of users and rights.
    pub(crate) fn knows(&mut self, from: NodeId, auth: u64) {
        let known = self.peers.get_mut(&from).map(|peer| &mut peer.auth);
        let known = known.unwrap_or(&mut self.strangers_auth);
        *known = auth.max(*known);
    }

    /// How many of the others know a change of users and rights, and how many there are.
    pub(crate) fn auth_known(&self, change: u64) -> (usize, usize) {
        let know = self.peers.values().filter(|peer| peer.auth >= change);
        (know.count(), self.peers.len())
    }

    /// What was told of users and rights.
    pub(crate) fn auth_told(&self, now: Moment) -> Told {
        let newest = self.peers.values().map(|peer| peer.auth).max().unwrap_or(0);
        let newest = newest.max(self.strangers_auth);
        let mut answered: Vec<_> = self.peers.values().map(|peer| peer.answered).collect();
        answered.sort_unstable();
        // With this node, a majority; the oldest of the newest answers counts.
        let majority = match self.peers.len().div_ceil(2) {
            0 => Some(now),
            others => answered[answered.len() - others],
        };
        Told { newest, majority }
    }

    /// The link to a node broke: what was under way is lost, and the node may be, too.
    pub(crate) fn link_down(&mut self, now: Moment, node: NodeId, changes: &mut Vec<Change>) {
        if let Some(peer) = self.peers.get_mut(&node)
            && !peer.lost
        {
            peer.lose(now);
            changes.push(Change::Lost(node, "its link broke"));
        }
    }

    /// Whether a node is taken for alive, suspected ones included. One that nobody told of is, for as
    /// long after the start as it may be silent.
    pub(crate) fn is_alive(&self, node: NodeId) -> bool {
        match self.peers.get(&node) {
            Some(peer) => !peer.lost,
            None => self.ticks < self.lost_ticks,
        }
    }

    /// The newest moment at which nothing can have been new in a region that sleeps under a leader on
    /// the node, as far as that node is concerned: its beat before the last. If the leader had been
    /// woken by then, its heartbeat would have come with the last one.
    pub(crate) fn quiet_at(&self, node: NodeId) -> Option<Moment> {
        let peer = self.peers.get(&node).filter(|peer| !peer.lost && peer.hears_us)?;
        peer.heard.as_ref()?.before
    }

    /// The nodes that said with their last beat that they take no writes.
    pub(crate) fn read_only(&self) -> Vec<NodeId> {
        self.peers.keys().copied().filter(|node| self.is_read_only(*node)).collect()
    }

    /// Whether a node said with its last beat that it takes no writes.
    pub(crate) fn is_read_only(&self, node: NodeId) -> bool {
        let heard = self.peers.get(&node).and_then(|peer| peer.heard.as_ref());
        heard.is_some_and(|heard| heard.summary.read_only)
    }

    /// What a node said with its last beat that strains it.
    pub(crate) fn strain(&self, node: NodeId) -> Strain {
        let heard = self.peers.get(&node).and_then(|peer| peer.heard.as_ref());
        heard.map(|heard| heard.summary.strain).unwrap_or_default()
    }

    /// Whether a node was heard since this one started, and is not lost.
    pub(crate) fn is_heard(&self, node: NodeId) -> bool {
        let peer = self.peers.get(&node).filter(|peer| peer.heard.is_some());
        peer.is_some_and(|peer| !peer.lost)
    }

    /// Whether slow links keep this node from a majority that the rest of the links would not.
    pub(crate) fn is_far(&self) -> bool {
        let needed = self.peers.len().div_ceil(2);
        let there = self.peers.values().filter(|peer| !peer.lost && peer.heard.is_some());
        let (slow, fast): (Vec<_>, Vec<_>) = there.partition(|peer| peer.listening.is_slow());
        fast.len() < needed && fast.len() + slow.len() >= needed
    }

    /// Whether a node said with its last beat that it wants to be told of traces; not one whose link has
    /// broken since, for it may come back as another build.
    pub(crate) fn takes_traces(&self, node: NodeId) -> bool {
        let peer = self.peers.get(&node).filter(|peer| !peer.lost);
        let heard = peer.and_then(|peer| peer.heard.as_ref());
        heard.is_some_and(|heard| heard.summary.traces)
    }

    /// Whether a node said with its last beat that it stops.
    pub(crate) fn is_stopping(&self, node: NodeId) -> bool {
        let heard = self.peers.get(&node).and_then(|peer| peer.heard.as_ref());
        heard.is_some_and(|heard| heard.summary.stopping)
    }

    /// How long ago a node was taken for lost; `None` for one that is there. A node nobody told of counts as
    /// lost since this one started.
    pub(crate) fn lost_for(&self, now: Moment, node: NodeId) -> Option<Duration> {
        let Some(peer) = self.peers.get(&node) else { return Some(self.running_for(now)) };
        peer.lost.then(|| now.since(peer.since))
    }

    /// For how long a node has been silent; one that was never heard, since this one started.
    pub(crate) fn silent_for(&self, now: Moment, node: NodeId) -> Duration {
        let heard = self.peers.get(&node).and_then(|peer| peer.heard.as_ref());
        now.since(heard.map_or(self.started, |heard| heard.at))
    }

    /// How long this node runs.
    pub(crate) fn running_for(&self, now: Moment) -> Duration {
        now.since(self.started)
    }

    pub(crate) fn view(&self, now: Moment) -> Vec<NodeLiveness> {
        let view = |(node, peer): (&NodeId, &Peer)| {
            let heard = peer.heard.as_ref();
            NodeLiveness {
                node: *node,
                state: self.state(peer),
                incarnation: heard.map_or(0, |heard| heard.incarnation),
                for_time: now.since(peer.since),
                last_heard: heard.map(|heard| now.since(heard.at)),
                round_trip: peer.round_trip,
                link: peer.listening.link(now),
                hears_us: peer.hears_us && !peer.lost,
                summary: heard.map(|heard| heard.summary).unwrap_or_default(),
            }
        };
        self.peers.iter().map(view).collect()
    }

    fn state(&self, peer: &Peer) -> NodeState {
        if peer.lost {
            NodeState::Lost
        } else if peer.silent_ticks >= self.suspect_ticks {
            NodeState::Suspected
        } else {
            NodeState::Alive
        }
    }
}

impl Peer {
    /// Nothing is known yet: it has as long to be heard as one that was heard just now.
    fn new(now: Moment) -> Self {
        Self {
            silent_ticks: 0,
            lost: false,
            since: now,
            heard: None,
            round_trip: None,
            listening: Listening::default(),
            hears_us: false,
            auth: 0,
            answered: None,
        }
    }

    fn lose(&mut self, now: Moment) {
        (self.lost, self.since) = (true, now);
        self.round_trip = None;
    }
}

#[cfg(test)]
mod tests;
