//! What must be: replicas of lost nodes are built elsewhere, nodes are emptied, and every region has as many
//! replicas as it is to have.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use types::NodeId;

use crate::board::{Board, Row};
use crate::view::{NodeState, Why};

/// Gives moves that may never end another end, so that they do not stand in the way of others.
pub(crate) fn redirect(board: &mut Board<'_>) {
    let view = board.view;
    for (id, region) in view.regions.iter().filter(|(_, region)| region.wanted != region.current) {
        // Where replicas only go, too: one that is lost is no part of the majority that is to stay.
        let only_goes = region.wanted.is_subset(&region.current);
        let mut dead_ends = region.wanted.iter().filter(|node| {
            (only_goes || !region.current.contains(node)) && board.is_dead_end(**node)
        });
        let Some(lost) = dead_ends.next().copied() else { continue };
        let keep = without(&region.wanted, lost);
        // Back to where it came from, if that still stands: nothing needs to be copied.
        let mut left = region.current.difference(&region.wanted).copied();
        let serves = |node: &NodeId| board.is_up(*node) && board.state(*node) == NodeState::Serving;
        let elsewhere = || {
            let avoid = region.wanted.union(&region.current).copied().collect();
            board.best_target(&keep, &avoid).map(|at| board.nodes[at].id)
        };
        // Without it there may be enough: then nothing needs to take its place, nor is there anything to wait
        // for where nothing could.
        let nodes = if keep.len() >= region.goal() {
            keep
        } else {
            let Some(target) = left.find(serves).or_else(elsewhere) else { continue };
            with(keep, target)
        };
        let why = match board.state(lost) {
            NodeState::Draining => Why::Drain,
            _ => Why::Repair,
        };
        if board.bears(region, &nodes) {
            board.begin(*id, nodes, why);
        }
    }
}

/// Replicas of lost nodes are built elsewhere; regions that can bear the least come first.
pub(crate) fn repair(board: &mut Board<'_>, idle: &[Row<'_>]) {
    replace_all(board, idle, Why::Repair, |board, node| board.is_lost(node));
}

/// Nodes that are to be emptied give their replicas away.
pub(crate) fn drain(board: &mut Board<'_>, idle: &[Row<'_>]) {
    let goes = |board: &Board<'_>, node| board.state(node) == NodeState::Draining;
    replace_all(board, idle, Why::Drain, goes);
}

fn replace_all(
    board: &mut Board<'_>,
    idle: &[Row<'_>],
    why: Why,
    goes: impl Fn(&Board<'_>, NodeId) -> bool,
) {
    let mut due: Vec<(usize, usize, NodeId)> = Vec::new();
    for (at, row) in idle.iter().enumerate().filter(|(_, row)| !row.is_well) {
        let wanted = &row.region.wanted;
        let Some(node) = wanted.iter().find(|node| goes(board, **node)) else { continue };
        // Of too many, those that are to go simply go.
        if wanted.len() <= row.region.goal() {
            let live = wanted.iter().filter(|node| board.is_up(**node)).count();
            due.push((live.saturating_sub(wanted.len() / 2), at, *node));
        }
    }
    due.sort_unstable();
    for (_, at, node) in due {
        add(board, &idle[at], without(&idle[at].region.wanted, node), why);
        if board.is_full() {
            return;
        }
    }
}

/// Regions with too few replicas get one more.
pub(crate) fn make_up(board: &mut Board<'_>, idle: &[Row<'_>]) {
    for row in idle.iter().filter(|row| row.region.wanted.len() < row.region.goal()) {
        add(board, row, row.region.wanted.clone(), Why::MakeUp);
        if board.is_full() {
            return;
        }
    }
}

/// Beside `keep`, one more replica on the best node there is.
fn add(board: &mut Board<'_>, row: &Row<'_>, keep: BTreeSet<NodeId>, why: Why) {
    let region = row.region;
    if board.is_busy(row.id) {
        return;
    }
    let can_begin = !board.is_over() && board.can_send(region);
    let target = can_begin.then(|| board.best_target(&keep, &region.wanted)).flatten();
    let Some(target) = target else {
        if board.has_target(&region.wanted) {
            board.wait();
        }
        return;
    };
    let nodes = with(keep, board.nodes[target].id);
    if board.bears(region, &nodes) {
        board.begin(row.id, nodes, why);
    }
}

/// Regions with too many replicas lose the one that is worth least.
pub(crate) fn remove_surplus(board: &mut Board<'_>, idle: &[Row<'_>]) {
    for row in idle.iter().filter(|row| row.region.wanted.len() > row.region.goal()) {
        if board.is_over() {
            board.wait();
            return;
        }
        let wanted = &row.region.wanted;
        let mut last: Vec<_> =
            wanted.iter().map(|node| (worth(board, row, *node), *node)).collect();
        last.sort_unstable();
        let mut rest = last.into_iter().map(|(_, node)| without(wanted, node));
        if let Some(nodes) = rest.find(|nodes| board.bears(row.region, nodes)) {
            board.begin(row.id, nodes, Why::Surplus);
        }
    }
}

/// What a replica is good for: least if its node is lost, is to be emptied or is silent, then if others are
/// in the same zone, then if its node is full. The leader's is worth more than others.
fn worth(board: &Board<'_>, row: &Row<'_>, node: NodeId) -> impl Ord + use<> {
    let place = board.at(node).map(|at| &board.nodes[at]);
    let shared = place.map(|place| board.in_zone(&row.places, place.zone));
    let stays = (!board.is_lost(node), board.state(node) != NodeState::Draining, board.is_up(node));
    let is_led = row.region.leader == Some(node);
    (stays, Reverse(shared), is_led, Reverse(place.map(|place| place.fill.sum())))
}

pub(crate) fn without(nodes: &BTreeSet<NodeId>, node: NodeId) -> BTreeSet<NodeId> {
    nodes.iter().copied().filter(|other| *other != node).collect()
}

pub(crate) fn with(mut nodes: BTreeSet<NodeId>, node: NodeId) -> BTreeSet<NodeId> {
    nodes.insert(node);
    nodes
}
