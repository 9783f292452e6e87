//! What a plan is made on: how full every node will be once all moves have ended, who can still send and
//! take, and the moves so far.

use std::collections::{BTreeMap, BTreeSet};

use types::{NodeId, RegionId};

use crate::view::{Limits, Move, NodeState, NodeView, RegionView, View, Why};

/// What a replica costs a node beside its keys and values: many regions with next to nothing in them are
/// spread by their number, not by the little that is in them.
const BASE_BYTES: u64 = 1 << 20;

/// All bytes of the cluster, or all replicas, in the unit of [`Weight`].
const WHOLE: i128 = 1 << 40;

/// A part of all that the cluster has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Weight {
    /// Of the bytes.
    pub bytes: i128,
    /// Of the replicas.
    pub count: i128,
}

impl Weight {
    /// Both, as one number: who is fuller.
    pub(crate) fn sum(self) -> i128 {
        self.bytes + self.count
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, count: self.count + other.count }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, count: self.count - other.count }
    }
}

pub(crate) struct Node {
    pub id: NodeId,
    /// Its place among the zones.
    pub zone: usize,
    /// What it will have.
    pub fill: Weight,
    is_target: bool,
    is_well: bool,
    sends: usize,
    receives: usize,
}

/// A region that nothing is under way for.
pub(crate) struct Row<'a> {
    pub id: RegionId,
    pub region: &'a RegionView,
    /// What one replica is of the whole.
    pub weight: Weight,
    /// Where its replicas are, among the nodes; those that are gone are not.
    pub places: Vec<usize>,
    /// Whether nothing is wrong with it: only then is it moved for less than need.
    pub is_well: bool,
}

pub(crate) struct Board<'a> {
    pub view: &'a View,
    pub limits: &'a Limits,
    /// In the order of their numbers.
    pub nodes: Vec<Node>,
    /// For each zone, how many of its nodes may have more replicas.
    pub targets: Vec<usize>,
    /// For each zone, how many of those can take one now.
    takers: Vec<usize>,
    all_bytes: i128,
    all_count: i128,
    /// Moves that may yet begin.
    room: usize,
    /// Regions that move already, or will.
    busy: BTreeSet<RegionId>,
    moves: Vec<Move>,
    waits: bool,
}

impl<'a> Board<'a> {
    pub(crate) fn new(view: &'a View, limits: &'a Limits) -> Self {
        let names: BTreeSet<&str> = view.nodes.values().map(|node| node.zone.as_str()).collect();
        let zones: BTreeMap<&str, usize> = names.into_iter().zip(0..).collect();
        let nodes = view.nodes.iter().map(|(id, node)| Node {
            id: *id,
            zone: zones.get(node.zone.as_str()).copied().unwrap_or_default(),
            fill: Weight::default(),
            is_target: node.state == NodeState::Serving && node.accepts && node.down_seconds == 0,
            is_well: node.state == NodeState::Serving && node.down_seconds == 0,
            sends: 0,
            receives: 0,
        });
        let replicas = || view.regions.values().map(|region| (region, region.wanted.len()));
        let weigh = |(region, count)| bytes_of(region) * wide(count);
        let mut board = Self {
            view,
            limits,
            nodes: nodes.collect(),
            targets: vec![0; zones.len()],
            takers: vec![0; zones.len()],
            all_bytes: replicas().map(weigh).sum::<i128>().max(1),
            all_count: replicas().map(|(_, count)| wide(count)).sum::<i128>().max(1),
            room: limits.moves,
            busy: BTreeSet::new(),
            moves: Vec::new(),
            waits: false,
        };
        board.take_stock();
        board
    }

    /// Counts what the nodes have, and what is under way.
    fn take_stock(&mut self) {
        for (id, region) in &self.view.regions {
            let weight = self.weight(region);
            for node in &region.wanted {
                if let Some(at) = self.at(*node) {
                    self.fill(at, weight, 1);
                }
            }
            if region.wanted == region.current {
                continue;
            }
            self.busy.insert(*id);
            self.room = self.room.saturating_sub(1);
            for target in self.added(&region.current, &region.wanted) {
                self.nodes[target].receives += 1;
                if let Some(sender) = self.sender(region) {
                    self.nodes[sender].sends += 1;
                }
            }
        }
        for at in 0..self.nodes.len() {
            let zone = self.nodes[at].zone;
            self.targets[zone] += usize::from(self.nodes[at].is_target);
            self.takers[zone] += usize::from(self.can_take(at));
        }
    }

    /// Where a node is in the list; nowhere, if it is gone.
    pub(crate) fn at(&self, node: NodeId) -> Option<usize> {
        self.nodes.binary_search_by_key(&node, |known| known.id).ok()
    }

    /// Where those are that are in `after` and not in `before`.
    fn added(&self, before: &BTreeSet<NodeId>, after: &BTreeSet<NodeId>) -> Vec<usize> {
        after.difference(before).filter_map(|node| self.at(*node)).collect()
    }

    fn node(&self, node: NodeId) -> Option<&NodeView> {
        self.view.nodes.get(&node)
    }

    /// Whether it will not come back, as far as anybody can tell.
    pub(crate) fn is_lost(&self, node: NodeId) -> bool {
        self.node(node).is_none_or(|node| node.down_seconds >= self.limits.lost_after.max(1))
    }

    /// Whether it is there now.
    pub(crate) fn is_up(&self, node: NodeId) -> bool {
        self.node(node).is_some_and(|node| node.down_seconds == 0)
    }

    pub(crate) fn state(&self, node: NodeId) -> NodeState {
        self.node(node).map_or(NodeState::Serving, |node| node.state)
    }

    /// Whether a move to the node may never end.
    pub(crate) fn is_dead_end(&self, node: NodeId) -> bool {
        self.node(node).is_none_or(|node| {
            let is_stalled = node.down_seconds >= self.limits.stalled_after.max(1);
            is_stalled || !node.accepts || node.state == NodeState::Draining
        })
    }

    /// Whether a replica can be put on the node now.
    pub(crate) fn can_take(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        node.is_target && node.receives < self.limits.receives
    }

    /// Whether nothing is on its way to the node.
    pub(crate) fn is_quiet(&self, at: usize) -> bool {
        self.nodes[at].receives == 0
    }

    /// Whether the node may lead.
    pub(crate) fn may_lead(&self, at: usize) -> bool {
        self.nodes[at].is_target
    }

    /// Whether nothing that copies data can be begun any more.
    pub(crate) fn is_full(&self) -> bool {
        self.room == 0 || self.takers.iter().all(|takers| *takers == 0)
    }

    /// Whether no move at all can be begun any more.
    pub(crate) fn is_over(&self) -> bool {
        self.room == 0
    }

    /// Whether so many moves can yet be begun.
    pub(crate) fn has_room_for(&self, moves: usize) -> bool {
        self.room >= moves
    }

    /// Says that something more urgent than balance is due, and that there is no room for it now.
    pub(crate) fn wait(&mut self) {
        self.waits = true;
    }

    /// Whether nothing is more urgent than balance.
    pub(crate) fn is_calm(&self) -> bool {
        self.moves.is_empty() && !self.waits
    }

    pub(crate) fn is_busy(&self, region: RegionId) -> bool {
        self.busy.contains(&region)
    }

    /// The regions that nothing is under way for.
    pub(crate) fn rows(&self) -> Vec<Row<'a>> {
        let idle = self.view.regions.iter().filter(|(id, _)| !self.is_busy(**id));
        let rows = idle.map(|(id, region)| Row {
            id: *id,
            region,
            weight: self.weight(region),
            places: region.wanted.iter().filter_map(|node| self.at(*node)).collect(),
            is_well: false,
        });
        let with_health = rows.map(|row| {
            let is_whole = row.places.len() == row.region.goal();
            let are_well = row.places.iter().all(|at| self.nodes[*at].is_well);
            Row {
                is_well: is_whole && row.region.wanted.len() == row.places.len() && are_well,
                ..row
            }
        });
        with_health.collect()
    }

    /// How many of `places` are in the zone.
    pub(crate) fn in_zone(&self, places: &[usize], zone: usize) -> usize {
        places.iter().filter(|at| self.nodes[**at].zone == zone).count()
    }

    /// What one replica of the region is of the whole.
    fn weight(&self, region: &RegionView) -> Weight {
        Weight { bytes: bytes_of(region) * WHOLE / self.all_bytes, count: WHOLE / self.all_count }
    }

    /// Who sends a new replica its data.
    pub(crate) fn sender(&self, region: &RegionView) -> Option<usize> {
        let leader = region.leader.filter(|node| self.is_up(*node));
        let first = || region.current.iter().copied().find(|node| self.is_up(*node));
        leader.or_else(first).and_then(|node| self.at(node))
    }

    /// Whether the region's data can be sent now.
    pub(crate) fn can_send(&self, region: &RegionView) -> bool {
        let sender = self.sender(region);
        sender.is_some_and(|sender| self.nodes[sender].sends < self.limits.sends)
    }

    /// Where a replica should go beside those on `keep`: to the zone with the fewest of them, there to
    /// the emptiest node. Never to one of `avoid`.
    pub(crate) fn best_target(
        &self,
        keep: &BTreeSet<NodeId>,
        avoid: &BTreeSet<NodeId>,
    ) -> Option<usize> {
        let kept: Vec<usize> = keep.iter().filter_map(|node| self.at(*node)).collect();
        let able = (0..self.nodes.len())
            .filter(|at| self.can_take(*at) && !avoid.contains(&self.nodes[*at].id));
        able.min_by_key(|at| {
            (self.in_zone(&kept, self.nodes[*at].zone), self.nodes[*at].fill.sum(), *at)
        })
    }

    /// Whether there is any node beside `avoid` that may have more, now or later.
    pub(crate) fn has_target(&self, avoid: &BTreeSet<NodeId>) -> bool {
        self.nodes.iter().any(|node| node.is_target && !avoid.contains(&node.id))
    }

    /// Whether the zone has a node that may have more, now or later, beside those in `places`.
    pub(crate) fn has_target_in(&self, zone: usize, places: &[usize]) -> bool {
        let there = places.iter().map(|at| &self.nodes[*at]);
        self.targets[zone] > there.filter(|node| node.zone == zone && node.is_target).count()
    }

    /// Whether the region can be brought to `nodes`: now, on the way and afterwards a majority is there.
    pub(crate) fn bears(&self, region: &RegionView, nodes: &BTreeSet<NodeId>) -> bool {
        let has_majority = |nodes: &BTreeSet<NodeId>| {
            nodes.iter().filter(|node| self.is_up(**node)).count() * 2 > nodes.len()
        };
        has_majority(&region.current)
            && has_majority(nodes)
            && has_majority(&region.current.union(nodes).copied().collect())
    }

    /// Writes a move down.
    pub(crate) fn begin(&mut self, id: RegionId, nodes: BTreeSet<NodeId>, why: Why) {
        let Some(region) = self.view.regions.get(&id) else { return };
        let weight = self.weight(region);
        for at in self.added(&nodes, &region.wanted) {
            self.fill(at, weight, -1);
        }
        for at in self.added(&region.wanted, &nodes) {
            self.fill(at, weight, 1);
            // What the region never left holds its data.
            if region.current.contains(&self.nodes[at].id) {
                continue;
            }
            let could_take = self.can_take(at);
            self.nodes[at].receives += 1;
            if could_take && !self.can_take(at) {
                let zone = self.nodes[at].zone;
                self.takers[zone] -= 1;
            }
            if let Some(sender) = self.sender(region) {
                self.nodes[sender].sends += 1;
            }
        }
        if self.busy.insert(id) {
            self.room = self.room.saturating_sub(1);
        }
        self.moves.push(Move { region: id, nodes, why });
    }

    pub(crate) fn into_moves(self) -> Vec<Move> {
        self.moves
    }

    fn fill(&mut self, at: usize, weight: Weight, times: i128) {
        let fill = &mut self.nodes[at].fill;
        fill.bytes += weight.bytes * times;
        fill.count += weight.count * times;
    }
}

fn bytes_of(region: &RegionView) -> i128 {
    i128::from(region.bytes.saturating_add(BASE_BYTES))
}

fn wide(count: usize) -> i128 {
    // More than that is in no memory.
    i128::try_from(count).unwrap_or(i128::MAX)
}
