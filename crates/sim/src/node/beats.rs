//! What `node::liveness` does: nodes hear one another, and the host is told who is lost or back.

use std::collections::BTreeMap;

use types::NodeId;

use super::Running;
use super::poller::ToPoller;
use crate::event::Packet;
use crate::sky::Sky;

/// Ticks of silence after which a node counts as lost.
const LOST_TICKS: u64 = 10;
/// Ticks between two beats.
const BEAT_TICKS: u64 = 2;

#[derive(Default)]
struct Other {
    silent: u64,
    lost: bool,
    incarnation: Option<u64>,
}

/// The other nodes as this one hears them.
#[derive(Default)]
pub(super) struct Beats {
    ticks: u64,
    others: BTreeMap<NodeId, Other>,
}

impl Running {
    /// One tick: who is silent is lost, and beats leave when they are due.
    pub(super) fn beat(&mut self, sky: &mut Sky) {
        self.beats.ticks += 1;
        let is_due = self.beats.ticks.is_multiple_of(BEAT_TICKS);
        let there = sky.roster.others(self.node);
        // Who is no member any more is lost, however short it was silent.
        self.beats.others.retain(|node, other| {
            let stays = there.contains(node);
            if !stays && !other.lost {
                self.mailbox.push(ToPoller::NodeLost(*node));
            }
            stays
        });
        for to in there {
            let other = self.beats.others.entry(to).or_default();
            other.silent += 1;
            if !other.lost && other.silent >= LOST_TICKS {
                other.lost = true;
                self.mailbox.push(ToPoller::NodeLost(to));
            }
            if is_due {
                let incarnation = self.incarnation;
                sky.send(self.node, to, Packet::Beat { incarnation });
            }
        }
    }

    pub(crate) fn link_broke(&mut self, sky: &mut Sky, from: NodeId) {
        let other = self.beats.others.entry(from).or_default();
        if !std::mem::replace(&mut other.lost, true) {
            self.tell(sky, ToPoller::NodeLost(from));
        }
    }

    pub(super) fn heard(&mut self, sky: &mut Sky, from: NodeId, incarnation: u64) {
        let other = self.beats.others.entry(from).or_default();
        other.silent = 0;
        let is_another = other.incarnation.replace(incarnation).is_some_and(|it| it != incarnation);
        if is_another && !other.lost {
            other.lost = true;
            self.tell(sky, ToPoller::NodeLost(from));
        }
        let other = self.beats.others.entry(from).or_default();
        if std::mem::take(&mut other.lost) {
            self.tell(sky, ToPoller::NodeBack(from));
        }
    }
}
