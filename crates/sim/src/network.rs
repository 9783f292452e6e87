//! Links between nodes: each direction of each pair on its own.

use std::collections::BTreeMap;

use types::NodeId;

use crate::counts::Counts;
use crate::disk::Random;

/// The state of all links.
#[derive(Default)]
pub(crate) struct Network {
    /// How many faults cut this direction at the moment.
    cut: BTreeMap<(NodeId, NodeId), u32>,
    pub(crate) drop_percent: u64,
    pub(crate) duplicate_percent: u64,
    /// Packets that are held up so long that others overtake them.
    pub(crate) late_percent: u64,
}

impl Network {
    pub(crate) fn cut(&mut self, from: NodeId, to: NodeId) {
        *self.cut.entry((from, to)).or_default() += 1;
    }

    pub(crate) fn mend(&mut self, from: NodeId, to: NodeId) {
        if let Some(count) = self.cut.get_mut(&(from, to)) {
            *count = count.saturating_sub(1);
        }
    }

    pub(crate) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.get(&(from, to)).is_some_and(|count| *count > 0)
    }

    /// The directions that nothing passes.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.cut.iter().filter(|(_, count)| **count > 0).map(|(link, _)| *link)
    }

    pub(crate) fn mend_all(&mut self) {
        *self = Self::default();
    }

    /// The delay in microseconds of each copy of a packet that arrives.
    pub(crate) fn fates(
        &self,
        from: NodeId,
        to: NodeId,
        random: &mut Random,
        counts: &mut Counts,
    ) -> [Option<u64>; 2] {
        counts.packets += 1;
        if self.is_cut(from, to) {
            counts.packets_cut += 1;
            return [None, None];
        }
        if random.chance(self.drop_percent) {
            counts.packets_dropped += 1;
            return [None, None];
        }
        let first = self.delay(random, counts);
        let second = random.chance(self.duplicate_percent).then(|| {
            counts.packets_doubled += 1;
            self.delay(random, counts)
        });
        [Some(first), second]
    }

    fn delay(&self, random: &mut Random, counts: &mut Counts) -> u64 {
        if random.chance(self.late_percent) {
            counts.packets_late += 1;
            let longest = if random.chance(10) { 800_000 } else { 40_000 };
            return 1_000 + random.below(longest);
        }
        100 + random.below(500)
    }
}
