use std::collections::BTreeMap;
use std::time::Duration;

use env::Moment;
use parking_lot::Mutex;
use types::{NodeId, RegionId, Term};

/// Changes told one by one in a second; a node that goes away may cost a thousand regions their
/// leader at once.
const ONE_BY_ONE: u64 = 32;
/// Regions of which is told who led them last when they are told together; with more, none is.
const REGIONS: usize = 1_000;
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    began: Moment,
    told: u64,
    more: BTreeMap<u64, u64>,
    last: BTreeMap<u64, Last>,
}

struct Last {
    leader: u64,
    term: u64,
    at: Moment,
}

/// Changes that were not told one by one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// How many, by new leader; 0 for nobody.
    pub by_leader: BTreeMap<u64, u64>,
    /// Of each region that changed, if they are not too many: region, its last leader, term, and how many
    /// milliseconds ago that was.
    pub last: Vec<(u64, u64, u64, u64)>,
}

/// Keeps many changes of leaders at once from flooding log and record.
#[derive(Default)]
pub(crate) struct LeaderNews(Mutex<State>);

impl LeaderNews {
    /// A leader changed; answers whether to tell of it now. What is not comes with [`Self::rest`].
    pub(crate) fn is_told_now(
        &self,
        now: Moment,
        region: RegionId,
        leader: Option<NodeId>,
        term: Term,
    ) -> bool {
        let mut state = self.0.lock();
        if now.since(state.began) >= WINDOW && state.more.is_empty() {
            (state.began, state.told) = (now, 0);
        }
        if state.told < ONE_BY_ONE {
            state.told += 1;
            return true;
        }
        let leader = leader.map_or(0, NodeId::get);
        *state.more.entry(leader).or_default() += 1;
        // One over the limit is kept: it says that there were too many.
        if state.last.len() <= REGIONS || state.last.contains_key(&region.get()) {
            state.last.insert(region.get(), Last { leader, term: term.get(), at: now });
        }
        false
    }

    /// What was not told, once a second of it is over.
    pub(crate) fn rest(&self, now: Moment) -> Option<Rest> {
        let mut state = self.0.lock();
        if state.more.is_empty() || now.since(state.began) < WINDOW {
            return None;
        }
        // While they go on, they go on being told together.
        state.began = now;
        let last = std::mem::take(&mut state.last);
        let ago = |at| u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
        let told = |(region, it): (u64, Last)| (region, it.leader, it.term, ago(it.at));
        let are_few = last.len() <= REGIONS;
        Some(Rest {
            by_leader: std::mem::take(&mut state.more),
            last: if are_few { last.into_iter().map(told).collect() } else { Vec::new() },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;
    use types::{NodeId, RegionId, Term};

    use super::{LeaderNews, ONE_BY_ONE, REGIONS};

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(10_000 + ms))
    }

    fn is_told(news: &LeaderNews, ms: u64, region: u64, leader: u64, term: u64) -> bool {
        news.is_told_now(
            at(ms),
            RegionId(region),
            (leader > 0).then_some(NodeId(leader)),
            Term(term),
        )
    }

    #[test]
    fn a_thousand_changes_are_few_lines() {
        let news = LeaderNews::default();
        let told = (0..1000).filter(|ms| is_told(&news, *ms, *ms, 2, 3)).count();
        assert_eq!(told as u64, ONE_BY_ONE);
        assert_eq!(news.rest(at(999)), None);
        assert_eq!(news.rest(at(1000)).unwrap().by_leader[&2], 1000 - ONE_BY_ONE);
        // Nothing new: the next is told again, one by one.
        assert_eq!(news.rest(at(2000)), None);
        assert!(is_told(&news, 2000, 1, 0, 4));
    }

    #[test]
    fn what_is_told_together_says_who_leads_since_when() {
        let news = LeaderNews::default();
        assert_eq!(
            (0..ONE_BY_ONE).filter(|region| is_told(&news, 0, *region, 0, 3)).count() as u64,
            ONE_BY_ONE
        );
        assert!(!is_told(&news, 100, 7, 0, 3));
        assert!(!is_told(&news, 207, 7, 2, 4));
        assert!(!is_told(&news, 300, 8, 0, 5));
        let rest = news.rest(at(1007)).unwrap();
        assert_eq!(rest.last, [(7, 2, 4, 800), (8, 0, 5, 707)]);
        assert_eq!(rest.by_leader, [(0, 2), (2, 1)].into());
        // Of too many, none is told, rather than some as if they were all.
        let many = REGIONS as u64 + 1;
        assert!((0..many).all(|region| !is_told(&news, 1100, region, 1, 6)));
        let rest = news.rest(at(2100)).unwrap();
        assert_eq!((rest.by_leader[&1], rest.last.len()), (many, 0));
        assert!(!is_told(&news, 2200, 7, 1, 7));
        assert_eq!(news.rest(at(3200)).unwrap().last, [(7, 1, 7, 1000)]);
    }
}
