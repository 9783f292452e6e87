use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use env::Moment;
use parking_lot::Mutex;

use super::window::{Recent, Window};

/// A sync that takes so long is slow, and a disk is on which these add up to [`MUCH`], however many quick
/// ones are between them.
const SYNC: Duration = Duration::from_millis(100);
const MUCH: Duration = Duration::from_millis(1_500);
/// Ticks that come late for so much of ten seconds are those of a node that lacks processor time.
const LATE: Duration = Duration::from_secs(2);

/// What makes this node a bad neighbour. Told with every beat.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Strain {
    /// Its log is slow to sync.
    pub slow_disk: bool,
    /// Its threads are kept from running.
    pub starved: bool,
    /// Its links to so many of the others are slow that it is no majority with the rest.
    pub far: bool,
    /// It has no file descriptors left for clients, and refuses them. It can lead all the same.
    pub crowded: bool,
}

const SLOW_DISK: u64 = 1;
const STARVED: u64 = 2;
const FAR: u64 = 4;
const CROWDED: u64 = 8;

impl Strain {
    /// Whether others had better lead.
    #[must_use]
    pub const fn hinders(self) -> bool {
        self.slow_disk || self.starved || self.far
    }

    pub(crate) fn bits(self) -> u64 {
        let flags = [
            (self.slow_disk, SLOW_DISK),
            (self.starved, STARVED),
            (self.far, FAR),
            (self.crowded, CROWDED),
        ];
        flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum()
    }

    /// What later versions say beside it is not understood.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self {
            slow_disk: bits & SLOW_DISK != 0,
            starved: bits & STARVED != 0,
            far: bits & FAR != 0,
            crowded: bits & CROWDED != 0,
        }
    }
}

/// What threads note of their waits, and what comes of it.
pub(crate) struct Gauge {
    /// A sync that takes longer than others wait for a leader is too slow by itself.
    patience: Duration,
    disk: Mutex<Disk>,
    ticks: Mutex<Window>,
    strain: AtomicU64,
}

#[derive(Default)]
struct Disk {
    window: Window,
    /// Those that were slow.
    slow: Window,
    /// When the sync that is under way began.
    since: Option<Moment>,
}

impl Gauge {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            disk: Mutex::default(),
            ticks: Mutex::default(),
            strain: AtomicU64::new(0),
        }
    }

    pub(crate) fn sync_began(&self, now: Moment) {
        self.disk.lock().since = Some(now);
    }

    /// Answers how long it took.
    pub(crate) fn sync_ended(&self, now: Moment) -> Duration {
        let mut disk = self.disk.lock();
        let took = disk.since.take().map_or(Duration::ZERO, |since| now.since(since));
        disk.window.add(now, took);
        if took >= SYNC {
            disk.slow.add(now, took);
        }
        took
    }

    /// A tick came so late.
    pub(crate) fn ticked(&self, now: Moment, late: Duration) {
        self.ticks.lock().add(now, late);
    }

    /// Syncs of the log, the one included that is under way.
    pub(crate) fn syncs(&self, now: Moment) -> Recent {
        let disk = self.disk.lock();
        let recent = disk.window.recent(now);
        let under_way = disk.since.map_or(Duration::ZERO, |since| now.since(since));
        Recent { longest: recent.longest.max(under_way), ..recent }
    }

    /// How late ticks were.
    pub(crate) fn lateness(&self, now: Moment) -> Recent {
        self.ticks.lock().recent(now)
    }

    /// As of the last look.
    pub(crate) fn strain(&self) -> Strain {
        Strain::from_bits(self.strain.load(Ordering::Relaxed))
    }

    /// What is so now; `far` and `crowded` are known elsewhere. What was so stays until it is less than half
    /// as bad, so that it does not come and go.
    pub(crate) fn look(&self, now: Moment, far: bool, crowded: bool) -> Strain {
        let was = self.strain();
        let least = |bound: Duration, was: bool| if was { bound / 2 } else { bound };
        let slow_disk = {
            let disk = self.disk.lock();
            let stuck = disk.since.is_some_and(|since| now.since(since) >= self.patience);
            stuck || disk.slow.recent(now).sum >= least(MUCH, was.slow_disk)
        };
        let starved = self.lateness(now).sum >= least(LATE, was.starved);
        let strain = Strain { slow_disk, starved, far, crowded };
        self.strain.store(strain.bits(), Ordering::Relaxed);
        strain
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;

    use super::{Gauge, Strain};

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(100_000 + ms))
    }

    fn gauge() -> Gauge {
        Gauge::new(Duration::from_secs(1))
    }

    /// Syncs of so many milliseconds, one behind the other from `from` on; answers when they end.
    fn syncs(gauge: &Gauge, from: u64, takes: u64, count: u64) -> u64 {
        for number in 0..count {
            gauge.sync_began(at(from + number * takes));
            gauge.sync_ended(at(from + (number + 1) * takes));
        }
        from + takes * count
    }

    #[test]
    fn a_disk_is_slow_when_its_syncs_are_and_well_again_when_they_are_half_as_long() {
        let gauge = gauge();
        let end = syncs(&gauge, 0, 5, 1_000);
        assert!(!gauge.look(at(end), false, false).slow_disk, "a thousand short ones");
        let end = syncs(&gauge, end, 300, 4);
        assert!(!gauge.look(at(end), false, false).slow_disk, "four are not much");
        let end = syncs(&gauge, end, 300, 1);
        assert!(gauge.look(at(end), false, false).slow_disk, "five are, with all the short ones");
        let end = syncs(&gauge, 40_000, 110, 8);
        assert!(
            gauge.look(at(end), false, false).slow_disk,
            "it was, and is still more than half as slow"
        );
        let end = syncs(&gauge, 60_000, 90, 100);
        assert!(!gauge.look(at(end), false, false).slow_disk, "none of them was slow");
        let end = syncs(&gauge, 80_000, 110, 8);
        assert!(!gauge.look(at(end), false, false).slow_disk, "it was not, and this is not enough");
    }

    #[test]
    fn one_long_sync_is_an_accident_and_one_that_does_not_end_is_none() {
        let gauge = gauge();
        gauge.sync_began(at(0));
        assert!(!gauge.look(at(999), false, false).slow_disk);
        assert!(gauge.look(at(1_000), false, false).slow_disk);
        assert_eq!(gauge.syncs(at(1_500)).longest, Duration::from_millis(1_500));
        assert_eq!(gauge.sync_ended(at(1_600)), Duration::from_millis(1_600));
        assert!(!gauge.look(at(1_600), false, false).slow_disk, "it is over");
        gauge.sync_began(at(13_000));
        gauge.sync_ended(at(13_990));
        assert!(!gauge.look(at(14_000), false, false).slow_disk, "one alone");
    }

    #[test]
    fn who_ticks_late_again_and_again_is_starved_and_who_slept_once_is_not() {
        let gauge = gauge();
        gauge.ticked(at(0), Duration::from_secs(30));
        assert!(!gauge.look(at(0), false, false).starved, "it stood still once");
        for number in 1..=20 {
            gauge.ticked(at(number * 200), Duration::from_millis(80));
        }
        assert!(gauge.look(at(4_000), false, false).starved);
        assert!(!gauge.look(at(20_000), false, false).starved);
    }

    #[test]
    fn flags_come_back_and_later_ones_are_left_out() {
        for bits in 0..16 {
            assert_eq!(Strain::from_bits(bits).bits(), bits);
            assert_eq!(Strain::from_bits(bits).hinders(), bits & 7 > 0);
        }
        assert_eq!(Strain::from_bits(0xf0), Strain::default());
    }
}
