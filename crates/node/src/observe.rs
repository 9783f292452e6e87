//! News for programs that embed a node: who leads, who is there, what regions can do (features C5, L9).
//!
//! Whoever tells never waits for whoever listens: of each thing only the newest value is kept, with
//! the number of its change, and an observer that was slow gets what is newest now.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use state::directory::Directory;
use tokio::sync::watch;
use types::{NodeId, RegionId, Term};

use crate::region_state::StateKind;

/// A region as this node sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionSight {
    /// Which.
    pub region: RegionId,
    /// Who leads, if known.
    pub leader: Option<NodeId>,
    /// In which term.
    pub term: Term,
    /// Whether this node leads.
    pub here: bool,
    /// What it can do.
    pub state: StateKind,
}

/// Another node as this one sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeSight {
    /// Which.
    pub node: NodeId,
    /// Whether it is heard.
    pub is_alive: bool,
}

/// What changed since the observer looked last; at first, all there is.
#[derive(Clone, Default, Debug)]
pub struct Observation {
    /// Regions with a replica here whose leader or state changed, in the order of their last changes.
    pub regions: Vec<RegionSight>,
    /// Nodes that were lost or heard, in the same order.
    pub nodes: Vec<NodeSight>,
    /// The cluster's configuration, if it changed.
    pub directory: Option<Arc<Directory>>,
}

impl Observation {
    fn is_empty(&self) -> bool {
        self.regions.is_empty() && self.nodes.is_empty() && self.directory.is_none()
    }
}

/// Follows what a node sees. It costs the node nothing how often, or whether, it is asked; and it does
/// not keep the node's directory in use.
#[derive(Debug)]
pub struct Observer {
    observatory: Arc<Observatory>,
    news: watch::Receiver<News>,
    seen: u64,
    directory: watch::Receiver<Arc<Directory>>,
    told_directory: bool,
}

impl Observer {
    /// Waits for changes and answers all of them, each thing once, with its newest value. The first
    /// answer comes at once and is everything. `None` when the node has ended, after the last changes.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Observation> {
        loop {
            let ended = self.news.borrow_and_update().ended;
            let changes = self.changes();
            if !changes.is_empty() {
                return Some(changes);
            }
            if ended {
                return None;
            }
            tokio::select! {
                _ = self.news.changed() => {}
                // Without a directory's sender the node is gone, and `news` says so.
                Ok(()) = self.directory.changed() => self.told_directory = false,
            }
        }
    }

    fn changes(&mut self) -> Observation {
        let mut found = Observation::default();
        {
            let board = self.observatory.board.lock();
            for (number, key) in board.order.range(self.seen + 1..) {
                self.seen = *number;
                match board.values.get(key) {
                    Some((_, Sight::Region(region))) => found.regions.push(*region),
                    Some((_, Sight::Node(node))) => found.nodes.push(*node),
                    None => {}
                }
            }
        }
        if !self.told_directory || self.directory.has_changed().unwrap_or(false) {
            self.told_directory = true;
            found.directory = Some(Arc::clone(&self.directory.borrow_and_update()));
        }
        found
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Region(RegionId),
    Node(NodeId),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sight {
    Region(RegionSight),
    Node(NodeSight),
}

#[derive(Clone, Copy, Default, Debug)]
struct News {
    newest: u64,
    ended: bool,
}

/// The newest value of each thing, and the order in which they got it.
#[derive(Default, Debug)]
struct Board {
    values: BTreeMap<Key, (u64, Sight)>,
    order: BTreeMap<u64, Key>,
}

/// Where a node posts what it sees.
#[derive(Default, Debug)]
pub(crate) struct Observatory {
    board: Mutex<Board>,
    news: watch::Sender<News>,
}

impl Observatory {
    pub(crate) fn region(&self, region: RegionSight) {
        self.post(Key::Region(region.region), Sight::Region(region));
    }

    pub(crate) fn node(&self, node: NodeSight) {
        self.post(Key::Node(node.node), Sight::Node(node));
    }

    fn post(&self, key: Key, sight: Sight) {
        let mut board = self.board.lock();
        let before = board.values.get(&key).copied();
        if before.is_some_and(|(_, before)| before == sight) {
            return;
        }
        let number = board.order.last_key_value().map_or(0, |(last, _)| *last) + 1;
        if let Some((old, _)) = before {
            board.order.remove(&old);
        }
        board.order.insert(number, key);
        board.values.insert(key, (number, sight));
        // Under the lock, so that nobody is told of an older number later.
        self.news.send_modify(|news| news.newest = number);
    }

    /// Nothing more will be posted.
    pub(crate) fn end(&self) {
        self.news.send_modify(|news| news.ended = true);
    }

    pub(crate) fn observe(
        self: &Arc<Self>,
        directory: watch::Receiver<Arc<Directory>>,
    ) -> Observer {
        Observer {
            observatory: Arc::clone(self),
            news: self.news.subscribe(),
            seen: 0,
            directory,
            told_directory: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use tokio::sync::watch;
    use types::{NodeId, RegionId, Term};

    use super::{NodeSight, Observation, Observatory, Observer, RegionSight};
    use crate::region_state::StateKind;

    fn sight(region: u64, term: u64) -> RegionSight {
        let leader = Some(NodeId(term % 3 + 1));
        let (region, term) = (RegionId(region), Term(term));
        RegionSight { region, leader, term, here: false, state: StateKind::Active }
    }

    fn now(observer: &mut Observer) -> Option<Observation> {
        observer.next().now_or_never().flatten()
    }

    #[test]
    fn a_slow_observer_misses_what_was_in_between_and_ends_with_the_newest() {
        let observatory = Arc::new(Observatory::default());
        let directory = watch::Sender::new(Arc::default());
        observatory.region(sight(1, 1));
        let (mut slow, mut quick) = (
            observatory.observe(directory.subscribe()),
            observatory.observe(directory.subscribe()),
        );
        for observer in [&mut slow, &mut quick] {
            let first = now(observer).expect("everything at first");
            assert_eq!(first.regions, [sight(1, 1)]);
            assert!(first.directory.is_some());
            assert!(now(observer).is_none(), "and nothing twice");
        }
        for term in 2..10_000 {
            observatory.region(sight(term % 7 + 1, term));
            let seen = now(&mut quick).expect("each change at once");
            assert_eq!(seen.regions, [sight(term % 7 + 1, term)]);
        }
        observatory.node(NodeSight { node: NodeId(2), is_alive: false });
        observatory.region(sight(9_999 % 7 + 1, 9_999));
        let seen = now(&mut slow).expect("the newest of each");
        let terms: Vec<u64> = seen.regions.iter().map(|region| region.term.get()).collect();
        assert_eq!(terms, (9_993..=9_999).collect::<Vec<_>>(), "in the order of the last changes");
        assert_eq!(seen.nodes, [NodeSight { node: NodeId(2), is_alive: false }]);
        assert!(seen.directory.is_none());
        assert!(now(&mut slow).is_none(), "the same value is no change");
        let board = observatory.board.lock();
        assert_eq!((board.values.len(), board.order.len()), (8, 8), "only the newest is kept");
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_every_kind_of_change_and_by_the_end() {
        let observatory = Arc::new(Observatory::default());
        let directory = watch::Sender::new(Arc::default());
        let mut observer = observatory.observe(directory.subscribe());
        assert!(observer.next().await.expect("the directory").directory.is_some());
        let (there, posted) = (Arc::clone(&observatory), sight(4, 2));
        let (seen, ()) = tokio::join!(observer.next(), async move { there.region(posted) });
        assert_eq!(seen.expect("a region").regions, [posted]);
        let (seen, _) =
            tokio::join!(observer.next(), async { directory.send_replace(Arc::default()) });
        assert!(seen.expect("a directory").directory.is_some());
        observatory.region(sight(4, 3));
        observatory.end();
        assert_eq!(observer.next().await.expect("the last news").regions, [sight(4, 3)]);
        assert!(observer.next().await.is_none());
    }
}
