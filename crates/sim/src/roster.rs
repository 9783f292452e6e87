//! Which nodes there are. A world has as many seats as nodes at its beginning; whoever is lost for good is
//! followed by a node with a number that nobody had, in the same seat.

use types::NodeId;

/// Who sits where.
pub(crate) struct Roster {
    /// The node of each seat.
    seated: Vec<NodeId>,
    /// The seat of each node there ever was, by number.
    seats: Vec<usize>,
}

impl Roster {
    pub(crate) fn new(nodes: u64) -> Self {
        let seated: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        Self { seats: (0..seated.len()).collect(), seated }
    }

    /// Where a node sits, or sat.
    pub(crate) fn seat(&self, node: NodeId) -> usize {
        let at = usize::try_from(node.get()).unwrap_or(1) - 1;
        self.seats.get(at).copied().unwrap_or(0)
    }

    /// Who sits there.
    pub(crate) fn at(&self, seat: usize) -> NodeId {
        self.seated.get(seat).copied().unwrap_or_default()
    }

    /// All who sit somewhere.
    pub(crate) fn seated(&self) -> &[NodeId] {
        &self.seated
    }

    pub(crate) fn others(&self, than: NodeId) -> Vec<NodeId> {
        self.seated.iter().copied().filter(|node| *node != than).collect()
    }

    /// Who sits beside a node.
    pub(crate) fn next_to(&self, node: NodeId) -> NodeId {
        self.at((self.seat(node) + 1) % self.seated.len())
    }

    /// Whether a node was there from the beginning.
    pub(crate) fn is_founder(&self, node: NodeId) -> bool {
        node.get() <= self.seated.len() as u64
    }

    /// A new node takes a seat; answers its number.
    pub(crate) fn replace(&mut self, seat: usize) -> NodeId {
        self.seats.push(seat);
        let node = NodeId(self.seats.len() as u64);
        if let Some(place) = self.seated.get_mut(seat) {
            *place = node;
        }
        node
    }
}
