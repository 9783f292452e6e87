//! Where the replicas of regions should be, and who should lead them. Pure: a view of the cluster goes in,
//! the next small moves come out; the same view gives the same plan. Nothing is remembered between two
//! plans, so a new leader of the meta region goes on where the last one ended.

mod board;
mod even;
mod heal;
mod hot;
mod leaders;
mod view;
mod zones;

use std::collections::BTreeSet;

use types::NodeId;

use board::Board;
pub use leaders::{Handover, Leaders, LedView, LoadLimits, handovers};
pub use view::{Limits, Move, NodeState, NodeView, RegionView, View, Why};

/// The moves that should begin now, the most urgent first, within `limits` and beside those that are under
/// way. No more than one for each region; each adds one node, or takes one away, or does both.
#[must_use]
pub fn plan(view: &View, limits: &Limits) -> Vec<Move> {
    let mut board = Board::new(view, limits);
    let idle = board.rows();
    heal::redirect(&mut board);
    heal::repair(&mut board, &idle);
    heal::drain(&mut board, &idle);
    heal::make_up(&mut board, &idle);
    heal::remove_surplus(&mut board, &idle);
    zones::spread(&mut board, &idle);
    // All that goes to the emptiest nodes or leaves the fullest, and so evens them out: what is moved for
    // balance beside it might have to be moved twice.
    if board.is_calm() {
        even::balance(&mut board, &idle);
    }
    if board.is_calm() {
        hot::spread(&mut board, &idle);
    }
    board.into_moves()
}

/// Where a new region's replicas should be born: `replicas` nodes, fewer where fewer can take one, in as
/// many zones as possible, the emptiest first.
#[must_use]
pub fn place(view: &View, replicas: usize) -> BTreeSet<NodeId> {
    // No limits of moves: what is born has nothing to copy.
    let limits = Limits { receives: usize::MAX, ..Limits::default() };
    let board = Board::new(view, &limits);
    let mut nodes = BTreeSet::new();
    while nodes.len() < replicas {
        let Some(node) = board.best_target(&nodes, &nodes) else { break };
        nodes.insert(board.nodes[node].id);
    }
    nodes
}
