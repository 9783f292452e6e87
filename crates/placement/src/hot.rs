//! What a node is asked for too much, another one gets to lead; where none of those that have a replica can
//! take it, a replica goes first to one that can. The leader follows as for any load (`leaders`).
//!
//! It is the last thing that is moved for: a follower of a hot region goes from one node to another, one at
//! a time for each node that is asked for too much, and a replica that nobody asks for comes back for it
//! where balance would not bear it otherwise.

use std::collections::{BTreeMap, BTreeSet};

use types::NodeId;

use crate::board::{Board, Row};
use crate::even::Scale;
use crate::heal::{with, without};
use crate::leaders::{Field, Leaders, LedView};
use crate::view::Why;

/// Regions that a plan may look at for each node, those that are asked for most, and nodes that could take
/// one, those that are asked for least.
const CANDIDATES: usize = 16;
/// Nodes that are helped at once.
const SOURCES: usize = 8;

/// Moves replicas of regions that are asked for much to where they can be led.
pub(crate) fn spread<'r>(board: &mut Board<'_>, idle: &'r [Row<'r>]) {
    if board.view.regions.values().all(|region| region.load == 0) {
        return;
    }
    let leaders = leaders(board);
    let limits = board.limits;
    let Some(mut field) = Field::new(&leaders, &limits.load) else { return };
    // Who can be helped by a handover is not worth a copy; and whoever is to lead something soon is not known
    // to have room.
    if !field.is_settled() || !field.plan(1).is_empty() {
        return;
    }
    let Some(scale) = Scale::new(board) else { return };
    let mut led: BTreeMap<NodeId, Vec<&'r Row<'r>>> = BTreeMap::new();
    for row in idle.iter().filter(|row| row.is_well && field.is_hot(row.region.load)) {
        if let Some(leader) = row.region.leader {
            led.entry(leader).or_default().push(row);
        }
    }
    let waits: BTreeSet<NodeId> = board
        .view
        .regions
        .iter()
        .filter(|(id, _)| board.is_busy(**id))
        .filter_map(|(_, region)| region.leader)
        .collect();
    let mut on: Vec<Vec<&'r Row<'r>>> = vec![Vec::new(); board.nodes.len()];
    for row in idle.iter().filter(|row| row.is_well && !field.is_hot(row.region.load)) {
        row.places.iter().for_each(|at| on[*at].push(row));
    }
    for from in field.overloaded().into_iter().filter(|from| !waits.contains(from)).take(SOURCES) {
        if board.is_full() {
            return;
        }
        let Some(mut rows) = led.remove(&from) else { continue };
        rows.sort_by_key(|row| (u64::MAX - row.region.load, row.id));
        let best = {
            let search = Search { board, field: &field, scale: &scale, on: &on, from };
            let targets = search.targets();
            let rows = rows.into_iter().take(CANDIDATES);
            rows.filter_map(|row| search.best(row, &targets)).min_by_key(|best| best.rank)
        };
        let Some(best) = best else { continue };
        field.foresee(best.row.region.load, from, board.nodes[best.to].id);
        shift(board, best.row, best.leaves, best.to);
        if let Some(back) = best.back {
            shift(board, back, best.to, best.leaves);
        }
    }
}

fn shift(board: &mut Board<'_>, row: &Row<'_>, from: usize, to: usize) {
    let (source, target) = (board.nodes[from].id, board.nodes[to].id);
    board.begin(row.id, with(without(&row.region.wanted, source), target), Why::Load);
}

/// What to do for one node that is asked for too much.
struct Search<'s, 'r> {
    board: &'s Board<'s>,
    field: &'s Field<'s>,
    scale: &'s Scale,
    /// What next to nobody asks for, on each node.
    on: &'s [Vec<&'r Row<'r>>],
    from: NodeId,
}

struct Best<'r> {
    row: &'r Row<'r>,
    /// Who loses its replica, and who gets one.
    leaves: usize,
    to: usize,
    /// What comes back.
    back: Option<&'r Row<'r>>,
    /// The bytes to copy, then how little the node is asked for.
    rank: (u64, usize),
}

impl<'r> Search<'_, 'r> {
    /// The nodes that are asked for least and can take something.
    fn targets(&self) -> Vec<usize> {
        let able = (0..self.board.nodes.len())
            .filter(|at| self.board.can_take(*at) && self.board.is_quiet(*at));
        let mut able: Vec<_> = able.collect();
        able.sort_by_key(|at| (self.field.load(self.board.nodes[*at].id), *at));
        able.truncate(CANDIDATES);
        able
    }

    /// Where a replica of a region should go, if there is anybody who can lead it.
    fn best(&self, row: &'r Row<'r>, targets: &[usize]) -> Option<Best<'r>> {
        if self.board.is_busy(row.id) || !self.board.can_send(row.region) {
            return None;
        }
        let mut best: Option<Best<'_>> = None;
        for (place, to) in targets.iter().copied().enumerate() {
            let would_go = self.field.would_go(row.region.load, self.from, self.board.nodes[to].id);
            if row.places.contains(&to) || !would_go {
                continue;
            }
            for leaves in row.places.iter().copied() {
                if self.board.nodes[leaves].id == self.from || !self.may_go(row, leaves, to) {
                    continue;
                }
                let (source, target) = (self.board.nodes[leaves].fill, self.board.nodes[to].fill);
                let back = match self.scale.bears(row.weight, source, target) {
                    true => None,
                    false => match self.back(row, to, leaves) {
                        Some(back) => Some(back),
                        None => continue,
                    },
                };
                let bytes = row.region.bytes + back.map_or(0, |back| back.region.bytes);
                if best.as_ref().is_none_or(|best| (bytes, place) < best.rank) {
                    best = Some(Best { row, leaves, to, back, rank: (bytes, place) });
                }
            }
        }
        best
    }

    /// What could go the other way, so that balance bears both: about as many bytes, and rather what is not
    /// led there.
    fn back(&self, row: &Row<'_>, from: usize, to: usize) -> Option<&'r Row<'r>> {
        let (source, target) = (self.board.nodes[from].fill, self.board.nodes[to].fill);
        if !self.board.has_room_for(2) {
            return None;
        }
        let able = self.on[from].iter().copied().filter(|back| {
            let net = row.weight.minus(back.weight);
            !back.places.contains(&to)
                && !self.board.is_busy(back.id)
                && self.board.can_send(back.region)
                && self.board.sender(back.region) != self.board.sender(row.region)
                && self.board.can_take(to)
                && self.may_go(back, from, to)
                && self.scale.bears(net, target, source)
        });
        let leads = |back: &Row<'_>| back.region.leader == Some(self.board.nodes[from].id);
        able.min_by_key(|back| (leads(back), back.region.bytes.abs_diff(row.region.bytes), back.id))
    }

    /// Whether it would be in no worse company.
    fn may_go(&self, row: &Row<'_>, from: usize, to: usize) -> bool {
        let (zone, other) = (self.board.nodes[from].zone, self.board.nodes[to].zone);
        let count = |zone| self.board.in_zone(&row.places, zone);
        zone == other || count(other) < count(zone)
    }
}

/// Who leads what, as far as those can change that are placed.
fn leaders(board: &Board<'_>) -> Leaders {
    let may_lead = (0..board.nodes.len()).filter(|at| board.may_lead(*at));
    let nodes: BTreeMap<NodeId, u64> = may_lead
        .map(|at| board.nodes[at].id)
        .map(|id| (id, board.view.nodes.get(&id).map_or(0, |node| node.load)))
        .collect();
    let regions = board.view.regions.iter().filter_map(|(id, region)| {
        let homes = region.current.intersection(&region.wanted).copied().collect();
        Some((*id, LedView { leader: region.leader?, homes, load: region.load }))
    });
    let unled = board.view.regions.values().filter(|region| region.leader.is_none());
    let unled = unled.fold(0_u64, |sum, region| sum.saturating_add(region.load));
    let regions = regions.collect();
    Leaders { nodes, regions, unled }
}
