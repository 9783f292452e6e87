use super::{run, settings, silent, start, timer};
use crate::registry::answer::CheckTimer;
use crate::registry::deadlines::{Breaker, Deadlines, Due, Heard, Settings};
use crate::registry::name::{ServiceName, TimerId};
use crate::registry::record::Status;

/// Nobody answers any more: the share of the service goes, and the rest is let go a share at a time.
#[test]
fn the_breaker_holds_back_all_but_a_share_in_any_window() {
    let mut deadlines = Deadlines::new(settings(), 0);
    for id in 0..10 {
        start(&mut deadlines, 0, id, timer("web", Status::Passing));
    }
    start(&mut deadlines, 0, 99, timer("other", Status::Passing));
    let first = deadlines.expired(15_000, 1_000);
    assert_eq!(first.len(), 3 + 1, "{first:?}");
    assert!(first.contains(&silent(99)), "another service is none of its business");
    let held: Vec<_> = deadlines.held().map(|it| (it.held, it.all)).collect();
    assert_eq!(held, [(7, 10)]);
    for due in &first {
        let Due::Silent { id, .. } = due else { panic!("{due:?}") };
        let service = if id.0 == 99 { "other" } else { "web" };
        start(&mut deadlines, 15_000, id.0, timer(service, Status::Critical));
    }
    // One of those held back was only slow.
    let alive = (0..10).find(|id| !first.contains(&silent(*id))).unwrap();
    assert_eq!(deadlines.hear(16_000, TimerId(alive), Status::Passing), Heard::Nothing);
    let mut told = Vec::new();
    for now_ms in (15_000..140_000).step_by(50) {
        for due in deadlines.expired(now_ms, 1_000) {
            let Due::Silent { id, .. } = due else { panic!("{due:?}") };
            start(&mut deadlines, now_ms, id.0, timer("web", Status::Critical));
            told.push((now_ms, id.0));
        }
        if now_ms % 5_000 == 0 && now_ms < 100_000 {
            deadlines.hear(now_ms, TimerId(alive), Status::Passing);
        }
    }
    let times: Vec<u64> = told.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [45_000, 45_000, 45_000, 75_000, 75_000, 75_000, 110_000]);
    assert_eq!(told.last(), Some(&(110_000, alive)), "and then it was silent, too");
    assert_eq!(deadlines.held().count(), 0);
}

/// Three checks by interval and one that is critical already beside each: they say nothing about how much
/// is left of the service.
#[test]
fn the_breaker_counts_what_can_be_lost_and_nothing_else() {
    let mut deadlines = Deadlines::new(settings(), 0);
    for id in 0..10 {
        start(&mut deadlines, 0, id, timer("web", Status::Passing));
        start(&mut deadlines, 0, 100 + id, timer("web", Status::Critical));
        for other in 1..4 {
            let counted = CheckTimer {
                ttl_ms: 0,
                failures_before_critical: 2,
                ..timer("web", Status::Passing)
            };
            start(&mut deadlines, 0, id + 1_000 * other, counted);
        }
    }
    // What nothing comes of is told again, and costs the share nothing.
    let told: Vec<u64> = run(&mut deadlines, 0, 29_950).iter().map(|(at, _)| *at).collect();
    assert_eq!(told, [15_000, 15_000, 15_000, 20_000, 20_000, 20_000, 25_000, 25_000, 25_000]);
    assert_eq!(deadlines.held().map(|it| (it.held, it.all)).collect::<Vec<_>>(), [(7, 20)]);
    // One of the three was heard before its loss was applied.
    let first = run(&mut deadlines, 29_950, 30_000)[0].1;
    let Due::Silent { id, .. } = first else { panic!("{first:?}") };
    assert_eq!(deadlines.hear(30_000, id, Status::Passing), Heard::Stands(Status::Passing));
    let second = run(&mut deadlines, 30_050, 46_000);
    let fresh: Vec<_> = second.iter().filter(|(at, _)| *at == 45_000).collect();
    assert_eq!(fresh.len(), 3 + 2, "the share of ten, and two told again: {second:?}");
}

/// What fell long ago is no part of the service any more: of 20, 16 went; of the 4 left goes one.
#[test]
fn the_breaker_measures_the_service_as_it_was_when_silence_began() {
    let mut deadlines = Deadlines::new(settings(), 0);
    for id in 0..20 {
        start(&mut deadlines, 0, id, timer("web", Status::Passing));
    }
    let lose = |deadlines: &mut Deadlines, from_ms: u64, to_ms: u64, beating: u64| {
        let mut times = Vec::new();
        for now_ms in (from_ms..to_ms).step_by(50) {
            for id in 0..beating {
                deadlines.hear(now_ms, TimerId(id), Status::Passing);
            }
            for due in deadlines.expired(now_ms, 1_000) {
                let Due::Silent { id, .. } = due else { panic!("{due:?}") };
                start(deadlines, now_ms, id.0, timer("web", Status::Critical));
                times.push(now_ms);
            }
        }
        times
    };
    let times = lose(&mut deadlines, 0, 150_000, 4);
    assert_eq!(times, [[15_000; 6].as_slice(), &[45_000; 6], &[75_000; 4]].concat());
    let times = lose(&mut deadlines, 150_000, 300_000, 0);
    assert_eq!(times, [164_950, 194_950, 224_950, 254_950]);
}

#[test]
fn what_is_held_back_goes_when_somebody_confirms() {
    let mut deadlines = Deadlines::new(settings(), 0);
    for id in 0..10 {
        start(&mut deadlines, 0, id, timer("web", Status::Passing));
    }
    assert_eq!(deadlines.expired(15_000, 2).len(), 2);
    assert_eq!(deadlines.expired(15_000, 1_000).len(), 1);
    deadlines.confirm(&ServiceName::new("default", "web"));
    assert_eq!(deadlines.expired(15_100, 5).len(), 5, "never more than asked for");
    assert_eq!(deadlines.expired(15_100, 1_000).len(), 2);
    assert_eq!(deadlines.held().count(), 0);
}

#[test]
fn small_services_and_those_without_a_brake_lose_all_at_once() {
    for (members, percent) in [(3, 30), (50, 100)] {
        let breaker = Breaker { percent, ..settings().breaker };
        let mut deadlines = Deadlines::new(Settings { breaker, ..settings() }, 0);
        for id in 0..members {
            start(&mut deadlines, 0, id, timer("web", Status::Passing));
        }
        assert_eq!(deadlines.expired(15_000, 1_000).len() as u64, members);
    }
}
