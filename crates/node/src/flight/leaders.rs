use std::collections::BTreeMap;
use std::time::Duration;

use env::Moment;
use parking_lot::Mutex;
use types::NodeId;

/// Changes told one by one in a second; a node that goes away may cost a thousand regions their
/// leader at once.
const ONE_BY_ONE: u64 = 8;
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    began: Moment,
    told: u64,
    more: BTreeMap<u64, u64>,
}

/// Keeps many changes of leaders at once from flooding log and record.
#[derive(Default)]
pub(crate) struct LeaderNews(Mutex<State>);

impl LeaderNews {
    /// A leader changed; answers whether to tell of it now. What is not comes with [`Self::rest`].
    pub(crate) fn is_told_now(&self, now: Moment, leader: Option<NodeId>) -> bool {
        let mut state = self.0.lock();
        if now.since(state.began) >= WINDOW && state.more.is_empty() {
            (state.began, state.told) = (now, 0);
        }
        if state.told < ONE_BY_ONE {
            state.told += 1;
            return true;
        }
        *state.more.entry(leader.map_or(0, NodeId::get)).or_default() += 1;
        false
    }

    /// How many changes were not told, by new leader, once a second of them is over.
    pub(crate) fn rest(&self, now: Moment) -> Option<BTreeMap<u64, u64>> {
        let mut state = self.0.lock();
        if state.more.is_empty() || now.since(state.began) < WINDOW {
            return None;
        }
        // While they go on, they go on being told together.
        state.began = now;
        Some(std::mem::take(&mut state.more))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;
    use types::NodeId;

    use super::LeaderNews;

    #[test]
    fn a_thousand_changes_are_few_lines() {
        let news = LeaderNews::default();
        let at = |ms: u64| Moment(Duration::from_millis(10_000 + ms));
        let told = (0..1000).filter(|ms| news.is_told_now(at(*ms), Some(NodeId(2)))).count();
        assert_eq!(told, 8);
        assert_eq!(news.rest(at(999)), None);
        assert_eq!(news.rest(at(1000)).unwrap()[&2], 992);
        // Nothing new: the next is told again, one by one.
        assert_eq!(news.rest(at(2000)), None);
        assert!(news.is_told_now(at(2000), None));
    }
}
