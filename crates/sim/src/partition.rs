//! Shapes of partitions: who does not hear whom.

use types::NodeId;

use crate::counts::Counts;
use crate::disk::Random;

/// Directions that are cut, from whom to whom.
pub(crate) type Cuts = Vec<(NodeId, NodeId)>;

/// What a partition looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// One node alone.
    Alone,
    /// One link, both ways.
    Link,
    /// One node is not heard, or does not hear, by one other or by all.
    OneWay,
    /// Two sides.
    Split,
    /// Two sides and a node between that both see.
    Bridge,
    /// Everybody sees a majority, nobody the same one.
    Ring,
}

const ALL: [Shape; 6] =
    [Shape::Alone, Shape::Link, Shape::OneWay, Shape::Split, Shape::Bridge, Shape::Ring];

/// Draws a shape for `nodes` nodes and counts it.
pub(crate) fn draw(random: &mut Random, nodes: u64, counts: &mut Counts) -> Cuts {
    // Bridges and rings are nothing new among three.
    let kinds = if nodes >= 5 { ALL.len() as u64 } else { 3 };
    let which = if nodes < 2 { 0 } else { random.below(kinds) };
    let shape = ALL[usize::try_from(which).unwrap_or(0)];
    *match shape {
        Shape::Alone | Shape::Link | Shape::Split => &mut counts.partitions,
        Shape::OneWay => &mut counts.one_way_partitions,
        Shape::Bridge => &mut counts.bridges,
        Shape::Ring => &mut counts.rings,
    } += 1;
    cuts(shape, random, nodes)
}

/// The cuts of a shape.
fn cuts(shape: Shape, random: &mut Random, nodes: u64) -> Cuts {
    // A random order, so that every node may be in every place.
    let mut order: Vec<u64> = (1..=nodes).collect();
    for at in 1..order.len() {
        let other = random.below(at as u64 + 1);
        order.swap(at, usize::try_from(other).unwrap_or(0));
    }
    let odds = random.below(4);
    let side = 1 + random.below(nodes.max(2) - 1);
    let hears = |from: u64, to: u64| match shape {
        Shape::Alone => from != 0 && to != 0,
        Shape::Link => (from, to) != (0, 1) && (from, to) != (1, 0),
        Shape::OneWay => match odds {
            0 => from != 0,
            1 => to != 0,
            2 => (from, to) != (0, 1),
            _ => (from, to) != (1, 0),
        },
        Shape::Split => (from < side) == (to < side),
        Shape::Bridge => from == 0 || to == 0 || (from % 2) == (to % 2),
        Shape::Ring => (from + nodes - to) % nodes <= 1 || (to + nodes - from) % nodes <= 1,
    };
    let mut cuts = Cuts::new();
    for (from_at, from) in order.iter().enumerate() {
        for (to_at, to) in order.iter().enumerate() {
            if from != to && !hears(from_at as u64, to_at as u64) {
                cuts.push((NodeId(*from), NodeId(*to)));
            }
        }
    }
    cuts
}
