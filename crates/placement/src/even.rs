//! Every node has about as many bytes and about as many replicas as any other.
//!
//! Bytes and replicas are both counted as parts of all there are, and a move must bring the two nodes
//! nearer to each other in both taken together: the sum of the squares of what nodes have goes down with
//! every move, so no order of moves comes back to where it was. A move goes from a node with more than the
//! average to one with less, of which one is outside the tolerance, so that nothing is moved twice; and only
//! where it is worth a quarter of the best a replica of that size could do, so what grows and shrinks
//! a little moves nothing.

use std::collections::BTreeSet;

use crate::board::{Board, Row, Weight};
use crate::heal::{with, without};
use crate::view::{NodeState, Why};

/// Looks at a region and a zone that a plan may take; the rest waits for the next plan.
const LOOKS: usize = 4_000_000;

/// Plans moves from the fullest to the emptiest.
pub(crate) fn balance(board: &mut Board<'_>, idle: &[Row<'_>]) {
    let Some(scale) = Scale::new(board) else { return };
    if scale.nodes.iter().all(|at| scale.is_even(board.nodes[*at].fill)) {
        return;
    }
    let mut sources: BTreeSet<_> =
        scale.nodes.iter().map(|at| (board.nodes[*at].fill.sum(), *at)).collect();
    let mut shelves = Shelves::new(board, idle);
    let mut looks = LOOKS;
    while let Some((_, from)) = sources.pop_last() {
        if board.is_full() || looks == 0 {
            return;
        }
        if !shelves.could_take(&scale, board.nodes[from].fill) {
            continue;
        }
        let Some(best) = best_of(board, &scale, &shelves, from, &mut looks) else { continue };
        let source = board.nodes[from].id;
        let nodes = with(without(&best.row.region.wanted, source), board.nodes[best.to].id);
        shelves.take(board, from);
        shelves.take(board, best.to);
        board.begin(best.row.id, nodes, Why::Balance);
        shelves.put(board, from);
        shelves.put(board, best.to);
        // The target is a source of nothing that this plan should move.
        sources.retain(|(_, at)| *at != best.to);
        sources.insert((board.nodes[from].fill.sum(), from));
    }
}

/// What is even.
pub(crate) struct Scale {
    /// The nodes that are compared.
    nodes: Vec<usize>,
    average: Weight,
    over: Weight,
    under: Weight,
}

impl Scale {
    pub(crate) fn new(board: &Board<'_>) -> Option<Self> {
        let compares = |at: &usize| {
            let id = board.nodes[*at].id;
            board.state(id) == NodeState::Serving && !board.is_lost(id)
        };
        let nodes: Vec<usize> = (0..board.nodes.len()).filter(compares).collect();
        let count = i128::try_from(nodes.len()).ok().filter(|count| *count > 1)?;
        let tolerance = i128::from(board.limits.tolerance.min(100));
        let part = |of: fn(Weight) -> i128, percent: i128| {
            nodes.iter().map(|at| of(board.nodes[*at].fill)).sum::<i128>() * percent / (count * 100)
        };
        let at = |percent| Weight {
            bytes: part(|fill| fill.bytes, percent),
            count: part(|fill| fill.count, percent),
        };
        let (average, over, under) = (at(100), at(100 + tolerance), at(100 - tolerance));
        Some(Self { nodes, average, over, under })
    }

    fn is_even(&self, fill: Weight) -> bool {
        let is_within =
            |of: fn(Weight) -> i128| (of(self.under)..=of(self.over)).contains(&of(fill));
        is_within(|of| of.bytes) && is_within(|of| of.count)
    }

    /// Whether a replica may go from one to the other for something else than balance, which then does not
    /// call for it back: both stay within the tolerance, or come nearer to each other in both ways.
    pub(crate) fn bears(&self, weight: Weight, from: Weight, to: Weight) -> bool {
        let (less, more) = (from.minus(weight), to.plus(weight));
        // Also where more comes back than goes.
        let comes_nearer = |of: fn(Weight) -> i128| {
            let apart = of(from) - of(to);
            (apart - of(weight) * 2).abs() <= apart.abs()
        };
        (self.is_even(less) && self.is_even(more))
            || (comes_nearer(|of| of.bytes) && comes_nearer(|of| of.count))
    }

    /// Whether something should go from one to the other: in bytes or in replicas, they are on different
    /// sides of the average, and one of them is too far from it.
    fn calls_for(&self, from: Weight, to: Weight) -> bool {
        let calls = |of: fn(Weight) -> i128| {
            let [from, to] = [of(from), of(to)];
            let average = of(self.average);
            from > average && to < average && (from > of(self.over) || to < of(self.under))
        };
        calls(|of| of.bytes) || calls(|of| of.count)
    }
}

/// What can be taken from where, and put where.
struct Shelves<'a> {
    /// The regions on each node that may be moved.
    regions: Vec<Vec<&'a Row<'a>>>,
    /// The nodes of each zone that can take one, the emptiest first: in all, in bytes, in replicas.
    targets: Vec<[BTreeSet<(i128, usize)>; 3]>,
}

/// In what ways a node can be the emptiest.
const WAYS: [fn(Weight) -> i128; 3] = [Weight::sum, |of| of.bytes, |of| of.count];

impl<'a> Shelves<'a> {
    fn new(board: &Board<'_>, idle: &'a [Row<'a>]) -> Self {
        let mut regions = vec![Vec::new(); board.nodes.len()];
        for row in idle.iter().filter(|row| row.is_well) {
            for at in &row.places {
                regions[*at].push(row);
            }
        }
        let targets = vec![<[BTreeSet<_>; 3]>::default(); board.targets.len()];
        let mut shelves = Self { regions, targets };
        for at in 0..board.nodes.len() {
            shelves.put(board, at);
        }
        shelves
    }

    /// Whether there is any target at all that calls for something of a node: it is the emptiest, in
    /// bytes or in replicas.
    fn could_take(&self, scale: &Scale, from: Weight) -> bool {
        let least = |way: usize| {
            let firsts = self.targets.iter().filter_map(|zone| zone[way].first());
            firsts.map(|(fill, _)| *fill).min().unwrap_or(i128::MAX)
        };
        scale.calls_for(from, Weight { bytes: least(1), count: least(2) })
    }

    fn put(&mut self, board: &Board<'_>, at: usize) {
        let node = &board.nodes[at];
        if board.can_take(at) {
            for (order, way) in self.targets[node.zone].iter_mut().zip(WAYS) {
                order.insert((way(node.fill), at));
            }
        }
    }

    fn take(&mut self, board: &Board<'_>, at: usize) {
        let node = &board.nodes[at];
        for (order, way) in self.targets[node.zone].iter_mut().zip(WAYS) {
            order.remove(&(way(node.fill), at));
        }
    }
}

struct Best<'a> {
    row: &'a Row<'a>,
    to: usize,
}

/// The best region to take from a node: one that can go to the emptiest, that is not led there, and
/// whose size evens out bytes and replicas together.
fn best_of<'a>(
    board: &Board<'_>,
    scale: &Scale,
    shelves: &Shelves<'a>,
    from: usize,
    looks: &mut usize,
) -> Option<Best<'a>> {
    let source = &board.nodes[from];
    let mut best = None;
    for row in &shelves.regions[from] {
        *looks = looks.checked_sub(board.targets.len())?;
        if board.is_busy(row.id) || !board.can_send(row.region) {
            continue;
        }
        let is_led = row.region.leader == Some(source.id);
        for to in emptiest(board, shelves, row, source.zone).into_iter().flatten() {
            let target = board.nodes[to].fill;
            let gap = Weight {
                bytes: source.fill.bytes - target.bytes,
                count: source.fill.count - target.count,
            };
            if !scale.calls_for(source.fill, target) || !is_worth(row.weight, gap) {
                continue;
            }
            let misfit = (row.weight.bytes - fitting(row.weight, gap)).abs();
            let rank = (target.sum(), is_led, misfit);
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, Best { row, to }));
            }
        }
    }
    best.map(|(_, best)| best)
}

/// The emptiest nodes, in each way, that a replica can go to from a zone without being in worse company
/// there.
fn emptiest(
    board: &Board<'_>,
    shelves: &Shelves<'_>,
    row: &Row<'_>,
    from: usize,
) -> [Option<usize>; 3] {
    let own = board.in_zone(&row.places, from);
    let mut best = [None; 3];
    for (zone, targets) in shelves.targets.iter().enumerate() {
        if zone != from && board.in_zone(&row.places, zone) >= own {
            continue;
        }
        for (best, order) in best.iter_mut().zip(targets) {
            let first = order.iter().find(|(_, at)| !row.places.contains(at)).copied();
            *best = match (*best, first) {
                (Some(one), Some(other)) => Some(other.min(one)),
                (one, other) => one.or(other),
            };
        }
    }
    best.map(|best| best.map(|(_, at)| at))
}

/// Whether moving a replica over a gap brings both sides clearly nearer.
fn is_worth(weight: Weight, gap: Weight) -> bool {
    let Weight { bytes, count } = weight;
    let gain = bytes * (gap.bytes - bytes) + count * (gap.count - count);
    gain * 4 >= bytes * bytes + count * count
}

/// The bytes of a replica that closes both gaps at the same time.
fn fitting(weight: Weight, gap: Weight) -> i128 {
    match gap {
        Weight { bytes, .. } if bytes <= 0 => 0,
        Weight { bytes, count } if count <= 0 => bytes,
        Weight { bytes, count } => weight.count * bytes / count,
    }
}
