//! What clients ask of regions: each node tells the leader of the meta region what it is asked itself,
//! wherever the region is led, and that one adds it up. So a region is asked for the same whoever leads it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Moment;
use types::{NodeId, RegionId};

use crate::shared::Shared;
use crate::varint;

/// Regions one node tells of at most, those that are asked for most.
const MOST: usize = 1_024;

/// A node's word: regions, and requests per second.
pub(super) type Word = Vec<(RegionId, u64)>;

/// The words of all nodes.
#[derive(Default)]
pub(super) struct Loads {
    words: BTreeMap<NodeId, (Moment, Word)>,
    /// Added up, until a word changes.
    sums: Option<Arc<BTreeMap<RegionId, u64>>>,
}

impl Loads {
    /// Answers whether it is another word than the last one.
    pub(super) fn hear(&mut self, from: NodeId, now: Moment, word: Word) -> bool {
        let is_same = match self.words.get(&from) {
            Some((_, last)) => *last == word,
            None => word.is_empty(),
        };
        if word.is_empty() {
            self.words.remove(&from);
        } else {
            self.words.insert(from, (now, word));
        }
        if !is_same {
            self.sums = None;
        }
        !is_same
    }

    /// Forgets who said nothing for so long; answers whether there was any.
    pub(super) fn forget_older(&mut self, now: Moment, patience: Duration) -> bool {
        let known = self.words.len();
        self.words.retain(|_, (at, _)| now.since(*at) < patience);
        let has_forgotten = self.words.len() != known;
        if has_forgotten {
            self.sums = None;
        }
        has_forgotten
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What each region is asked for, of all nodes together.
    pub(super) fn sums(&mut self) -> Arc<BTreeMap<RegionId, u64>> {
        let words = &self.words;
        let sums = self.sums.get_or_insert_with(|| {
            let mut sums: BTreeMap<RegionId, u64> = BTreeMap::new();
            for (region, load) in words.values().flat_map(|(_, word)| word) {
                let sum = sums.entry(*region).or_default();
                *sum = sum.saturating_add(*load);
            }
            Arc::new(sums)
        });
        Arc::clone(sums)
    }
}

/// What this node is asked for. A region that nobody leads is left out: what is asked of it again and again
/// is nobody's work.
pub(super) fn own(shared: &Shared) -> Word {
    let now = shared.clock.now();
    let shards = shared.shards();
    let all = shards.iter().map(|(region, shard)| {
        let load = shard.heat.load(now);
        (*region, shard.leadership().leader.map_or(0, |_| load))
    });
    let mut word: Word = all.filter(|(_, load)| *load > 0).collect();
    if word.len() > MOST {
        word.sort_by_key(|(region, load)| (Reverse(*load), *region));
        word.truncate(MOST);
        word.sort_unstable();
    }
    word
}

pub(super) fn encode(kind: u8, word: &Word) -> Bytes {
    let mut out = vec![kind];
    for (region, load) in word {
        varint::put(&mut out, region.get());
        varint::put(&mut out, *load);
    }
    out.into()
}

pub(super) fn decode(mut body: Bytes) -> Option<Word> {
    let mut word = Word::new();
    while !body.is_empty() {
        if word.len() >= MOST {
            return None;
        }
        let region = RegionId(varint::get(&mut body)?);
        word.push((region, varint::get(&mut body)?));
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;
    use types::{NodeId, RegionId};

    use super::{Loads, MOST, decode, encode};

    #[test]
    fn a_word_is_read_as_it_was_written_and_no_longer_than_it_may_be() {
        let word = vec![(RegionId(3), 10), (RegionId(u64::MAX), u64::MAX)];
        let bytes = encode(3, &word);
        assert_eq!(decode(bytes.slice(1..)), Some(word));
        assert_eq!(decode(bytes.slice(1..bytes.len() - 1)), None);
        let long = (0..=MOST as u64).map(|region| (RegionId(region), 1)).collect();
        assert_eq!(decode(encode(3, &long).slice(1..)), None);
    }

    #[test]
    fn words_are_added_up_replaced_and_forgotten() {
        let (mut loads, at) = (Loads::default(), |second| Moment(Duration::from_secs(second)));
        let word = |load| vec![(RegionId(5), load)];
        assert!(loads.hear(NodeId(1), at(0), word(u64::MAX)));
        assert!(loads.hear(NodeId(1), at(1), word(100)));
        assert!(!loads.hear(NodeId(1), at(2), word(100)));
        assert!(loads.hear(NodeId(2), at(4), word(50)));
        assert!(!loads.hear(NodeId(3), at(4), Vec::new()));
        assert_eq!(
            loads.sums().iter().map(|(region, load)| (*region, *load)).collect::<Vec<_>>(),
            [(RegionId(5), 150)]
        );
        assert!(loads.forget_older(at(10), Duration::from_secs(8)));
        assert_eq!(
            loads.sums().iter().map(|(region, load)| (*region, *load)).collect::<Vec<_>>(),
            [(RegionId(5), 50)]
        );
        assert!(loads.hear(NodeId(2), at(10), Vec::new()));
        assert!(loads.sums().is_empty());
    }
}
