//! What the leader of the meta region is told that a region is asked for: all requests, not a sample,
//! smoothed so that a burst counts for a quarter, and told anew only when it is clearly another rate.

use env::Moment;

/// Requests per second below which nothing is told.
const LEAST: u64 = 10;
/// Fractions of a request, so that what is smoothed does not stand still above what it is.
const FINE: u64 = 16;

/// One region's.
#[derive(Default)]
pub(super) struct Told {
    /// The requests so far, and when they were counted.
    seen: Option<(u64, Moment)>,
    /// Per second, in parts of [`FINE`]. A quarter of it is the last rate, so half of it is gone after five
    /// seconds, with a report every two.
    smooth: u64,
    told: u64,
}

impl Told {
    /// So many requests came so far; answers the rate that is told, per second.
    pub(super) fn look(&mut self, asked: u64, now: Moment) -> u64 {
        let Some((seen, at)) = self.seen.replace((asked, now)) else { return 0 };
        let millis = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            self.seen = Some((seen, at));
            return self.told;
        }
        // A little may be taken back between two looks.
        let rate = asked.saturating_sub(seen).saturating_mul(1_000 * FINE) / millis;
        self.smooth = (self.smooth / 4).saturating_mul(3).saturating_add(rate / 4);
        let rate = self.smooth / FINE;
        if rate < LEAST {
            self.told = 0;
        } else if rate.abs_diff(self.told).saturating_mul(4) > self.told {
            self.told = rate;
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;

    use super::Told;

    /// What is told in so many reports of two seconds with a rate each.
    fn told(told: &mut Told, begin: u64, asked: &mut u64, rates: &[u64]) -> Vec<u64> {
        let reports = rates.iter().zip(begin..);
        let told = reports.map(|(rate, at)| {
            *asked += rate * 2;
            told.look(*asked, Moment(Duration::from_secs(2 * at)))
        });
        told.collect()
    }

    #[test]
    fn a_lasting_rate_is_told_within_seconds_and_then_nothing_new() {
        let (mut region, mut asked) = (Told::default(), 0);
        let first = told(&mut region, 0, &mut asked, &[0, 1_000, 1_000, 1_000]);
        assert_eq!(first[0], 0);
        assert!(first[3] > 500 && first.is_sorted(), "{first:?}");
        let steady = told(&mut region, 4, &mut asked, &[1_000; 20]);
        let last = *steady.last().unwrap_or(&0);
        assert!((750..=1_000).contains(&last), "{steady:?}");
        let wavering = told(&mut region, 24, &mut asked, &[900, 1_100, 1_000, 950, 1_050, 800]);
        assert!(wavering.iter().all(|told| *told == last), "{wavering:?}");
        // One report with next to nothing is no reason to do anything; the end of the load is.
        let end = told(&mut region, 30, &mut asked, &[0; 24]);
        assert!(end[0] >= 700 && end.last() == Some(&0), "{end:?}");
    }

    #[test]
    fn a_burst_is_told_as_a_part_of_itself_and_a_trickle_not_at_all() {
        let (mut region, mut asked) = (Told::default(), 0);
        let burst = told(&mut region, 0, &mut asked, &[0, 1_000, 0, 0, 0, 0]);
        assert!(burst.iter().all(|told| *told <= 250), "{burst:?}");
        let (mut region, mut asked) = (Told::default(), 0);
        assert_eq!(told(&mut region, 0, &mut asked, &[9; 30]), [0; 30]);
        // A clock that stands still, and a count that began anew.
        let now = Moment(Duration::from_secs(60));
        assert_eq!((region.look(asked, now), region.look(asked, now)), (0, 0));
    }
}
