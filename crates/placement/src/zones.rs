//! What fails together should have no more replicas of a region than it must.

use crate::board::{Board, Row};
use crate::heal::{with, without};
use crate::view::Why;

/// Moves a replica from a zone that has two more of the region's than another, to that one.
pub(crate) fn spread(board: &mut Board<'_>, idle: &[Row<'_>]) {
    if board.targets.len() < 2 {
        return;
    }
    for row in idle.iter().filter(|row| row.is_well) {
        let Some((node, shared)) = crowded(board, row) else { continue };
        board.wait();
        if board.is_full() {
            return;
        }
        if board.is_busy(row.id) || !board.can_send(row.region) {
            continue;
        }
        let keep = without(&row.region.wanted, board.nodes[node].id);
        let Some(target) = board.best_target(&keep, &row.region.wanted) else { continue };
        let target = &board.nodes[target];
        // Else the picture would be the same with other names.
        if board.in_zone(&row.places, target.zone) + 1 < shared {
            let nodes = with(keep, target.id);
            board.begin(row.id, nodes, Why::Zones);
        }
    }
}

/// Which replica should leave the zone that has most of them, and how many that zone has: the fullest
/// node's, and the leader's last. `None` where no other zone that could have one more has at least two
/// fewer.
fn crowded(board: &Board<'_>, row: &Row<'_>) -> Option<(usize, usize)> {
    let shared = |at: &usize| board.in_zone(&row.places, board.nodes[*at].zone);
    let most = row.places.iter().map(shared).max().filter(|most| *most > 1)?;
    (0..board.targets.len()).find(|zone| {
        board.in_zone(&row.places, *zone) + 1 < most && board.has_target_in(*zone, &row.places)
    })?;
    let crowd = row.places.iter().copied().filter(|at| shared(at) == most);
    let node = crowd.max_by_key(|at| {
        let node = &board.nodes[*at];
        (row.region.leader != Some(node.id), node.fill.sum(), *at)
    })?;
    Some((node, most))
}
