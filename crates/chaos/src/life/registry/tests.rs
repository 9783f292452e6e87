//! What is right is judged to be right, and each lie is found.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::judge::{Told, judge};
use super::truth::{Late, Part, Place, TTL, Truth};

const HERE: Place = Place { service: 0, number: 0 };
const GONE: Place = Place { service: 0, number: 1 };
const SILENT: Place = Place { service: 0, number: 2 };

/// One that beats since revision 10, one that left at 20, one that fell silent.
fn truth() -> Truth {
    let truth = Truth::new(1, 4);
    let now = Instant::now();
    truth.here(HERE, 1, 10, now);
    truth.with(GONE, |known| known.part = Part::Gone { at: 20 });
    truth.here(SILENT, 3, 10, now);
    truth.with(SILENT, |known| known.part = Part::Silent { since: 10 });
    truth
}

fn told(index: i64, after: Duration, instances: &[(Place, bool)]) -> Told {
    let instances = instances.iter().map(|(place, critical)| (place.id(), *critical));
    Told { service: 0, index, at: Instant::now() + after, instances: instances.collect() }
}

fn wrong(truth: &Truth, told: &Told) -> usize {
    judge(truth, told).wrong.len()
}

#[test]
fn what_is_so_is_right_and_each_lie_is_found() {
    let soon = Duration::ZERO;
    let good = [(HERE, false), (SILENT, false)];
    assert_eq!(wrong(&truth(), &told(20, soon, &good)), 0);
    assert_eq!(
        wrong(&truth(), &told(19, soon, &[(GONE, false), (HERE, false), (SILENT, false)])),
        0
    );
    assert_eq!(wrong(&truth(), &told(9, soon, &[])), 0, "before anybody was there");
    let critical = [(HERE, true), (SILENT, false)];
    assert_eq!(wrong(&truth(), &told(20, soon, &critical)), 1);
    assert_eq!(wrong(&truth(), &told(20, soon, &[(SILENT, false)])), 1, "removed while it beats");
    assert_eq!(
        wrong(&truth(), &told(20, soon, &[(GONE, false), (HERE, false), (SILENT, false)])),
        1
    );
    assert_eq!(wrong(&truth(), &told(20, soon, &[])), 3, "two are gone, and all of it");
    let stranger = Place { service: 0, number: 3 };
    assert_eq!(
        wrong(&truth(), &told(20, soon, &[(HERE, false), (SILENT, false), (stranger, false)])),
        1
    );
    let other = BTreeMap::from([("x".to_owned(), false)]);
    let other = Told { instances: other, ..told(9, soon, &[]) };
    assert_eq!(wrong(&truth(), &other), 1);
}

#[test]
fn silence_counts_from_its_time_on_and_whose_beats_were_late_is_not_judged() {
    let lost = [(HERE, false), (SILENT, true)];
    let truth = truth();
    assert_eq!(wrong(&truth, &told(20, TTL / 2, &lost)), 1, "too early");
    let now = Instant::now();
    truth.with(HERE, |known| known.sent = now + TTL);
    assert_eq!(wrong(&truth, &told(20, TTL + Duration::from_secs(1), &lost)), 0);
    assert!(truth.with(SILENT, |known| known.critical_told.is_some() && known.gone_told.is_none()));
    // Its last beat that was answered is too old by then.
    let late = judge(&truth, &told(20, TTL * 3, &[(HERE, true)]));
    assert_eq!((late.wrong.len(), late.late), (0, 1));
    assert_eq!(truth.with(HERE, |known| known.late), Some(Late::Answered));
}

#[test]
fn a_beat_that_was_sent_late_is_this_programs_doing() {
    let truth = truth();
    let now = Instant::now();
    let (handles, places) = truth.beaten(&[HERE, GONE, SILENT], now + Duration::from_secs(5));
    assert_eq!((handles, places), (vec![1], vec![HERE]));
    let sent = now + Duration::from_secs(50);
    truth.beaten(&[HERE], sent);
    let critical = [(HERE, true), (SILENT, false)];
    assert_eq!(
        wrong(&truth, &told(20, TTL - Duration::from_secs(5), &critical)),
        1,
        "heard in time"
    );
    truth.heard(&[HERE], sent, now + TTL + Duration::from_secs(1));
    assert_eq!(truth.with(HERE, |known| known.late), Some(Late::Sent));
    assert_eq!(wrong(&truth, &told(20, TTL, &critical)), 0);
}
