mod breaker;

use super::{Breaker, Deadlines, Due, Heard, LockDelays, Settings};
use crate::registry::answer::{CheckTimer, Timer, TimerChange};
use crate::registry::name::{ServiceName, TimerId};
use crate::registry::record::Status;

/// A time to live, as Consul's clients like it.
const TTL_MS: u64 = 15_000;

fn settings() -> Settings {
    let breaker = Breaker { from: 4, percent: 30, window_ms: 30_000 };
    Settings { grace_ms: 10_000, again_ms: 5_000, breaker, ..Settings::default() }
}

fn timer(service: &str, status: Status) -> CheckTimer {
    CheckTimer {
        status,
        ttl_ms: TTL_MS,
        interval_ms: 0,
        deregister_after_ms: 0,
        success_before_passing: 0,
        failures_before_warning: 0,
        failures_before_critical: 0,
        service: Some(ServiceName::new("default", service)),
    }
}

fn start(deadlines: &mut Deadlines, now_ms: u64, id: u64, timer: CheckTimer) {
    deadlines.note(now_ms, &[TimerChange::Start(TimerId(id), Timer::Check(timer))]);
}

fn silent(id: u64) -> Due {
    Due::Silent { id: TimerId(id), status: Status::Critical }
}

fn ended(id: u64) -> Due {
    Due::Session { id: TimerId(id) }
}

/// What falls due on the way, with the time it was told at.
fn run(deadlines: &mut Deadlines, from_ms: u64, to_ms: u64) -> Vec<(u64, Due)> {
    let mut told = Vec::new();
    for now_ms in (from_ms..=to_ms).step_by(50) {
        told.extend(deadlines.expired(now_ms, 1_000).into_iter().map(|due| (now_ms, due)));
    }
    told
}

#[test]
fn beats_keep_a_check_alive_and_silence_is_told_once_in_time_and_again() {
    let mut deadlines = Deadlines::new(settings(), 1_000);
    start(&mut deadlines, 1_000, 7, timer("web", Status::Passing));
    assert_eq!(run(&mut deadlines, 1_000, 15_000), []);
    assert_eq!(deadlines.hear(15_000, TimerId(7), Status::Passing), Heard::Nothing);
    assert_eq!(deadlines.hear(15_000, TimerId(8), Status::Passing), Heard::Unknown);
    // Nobody proposed it the first time.
    let told = run(&mut deadlines, 15_000, 36_000);
    assert_eq!(told, [(30_000, silent(7)), (35_000, silent(7))]);
    start(&mut deadlines, 36_000, 7, timer("web", Status::Critical));
    assert_eq!(run(&mut deadlines, 36_000, 120_000), []);
    let stands = deadlines.hear(120_000, TimerId(7), Status::Passing);
    assert_eq!(stands, Heard::Stands(Status::Passing));
    start(&mut deadlines, 120_000, 7, timer("web", Status::Passing));
    assert_eq!(run(&mut deadlines, 120_000, 136_000), [(135_000, silent(7))]);
    deadlines.note(136_000, &[TimerChange::Stop(TimerId(7))]);
    assert_eq!(run(&mut deadlines, 136_000, 200_000), []);
    assert!(deadlines.is_empty());
}

/// What is heard after a loss was told is answered so that a command follows, once: the log has the loss
/// before it or not at all.
#[test]
fn a_beat_after_a_told_loss_mends_it() {
    let mut deadlines = Deadlines::new(settings(), 0);
    let [passing, critical] = [Status::Passing, Status::Critical].map(|it| timer("web", it));
    start(&mut deadlines, 0, 7, passing.clone());
    assert_eq!(run(&mut deadlines, 0, 16_000), [(15_000, silent(7))]);
    let stands = Heard::Stands(Status::Passing);
    assert_eq!(deadlines.hear(16_000, TimerId(7), Status::Critical), Heard::Nothing);
    assert_eq!(deadlines.hear(16_000, TimerId(7), Status::Passing), stands);
    assert_eq!(deadlines.hear(16_050, TimerId(7), Status::Passing), Heard::Nothing);
    assert_eq!(run(&mut deadlines, 16_050, 31_000), [], "it has its time again");
    assert_eq!(run(&mut deadlines, 31_000, 37_000), [(31_050, silent(7)), (36_050, silent(7))]);
    // The loss is applied, and the repair was proposed in the same moment.
    assert_eq!(deadlines.hear(37_000, TimerId(7), Status::Passing), stands);
    start(&mut deadlines, 37_000, 7, critical);
    assert_eq!(deadlines.hear(37_050, TimerId(7), Status::Passing), stands);
    start(&mut deadlines, 37_100, 7, passing.clone());
    assert_eq!(deadlines.hear(37_150, TimerId(7), Status::Passing), Heard::Nothing);
    // The same registration again is a beat as well.
    assert_eq!(run(&mut deadlines, 37_150, 52_500), [(52_150, silent(7))]);
    start(&mut deadlines, 52_500, 7, passing.clone());
    assert_eq!(run(&mut deadlines, 52_500, 67_450), []);
    assert_eq!(deadlines.hear(67_450, TimerId(7), Status::Passing), Heard::Nothing);
    // This process stood still: what it has told is still on its way.
    assert_eq!(run(&mut deadlines, 67_450, 82_500), [(82_450, silent(7))]);
    deadlines.begin(85_000, [(TimerId(7), Timer::Check(passing))].into_iter());
    assert_eq!(deadlines.hear(85_000, TimerId(7), Status::Passing), stands);
}

/// One that has to be heard several times is mended by as many beats, not by one.
#[test]
fn a_told_loss_is_mended_by_as_many_beats_as_it_takes() {
    let mut deadlines = Deadlines::new(settings(), 0);
    let slow = |status| CheckTimer {
        failures_before_critical: 2,
        success_before_passing: 2,
        ..timer("web", status)
    };
    start(&mut deadlines, 0, 1, slow(Status::Passing));
    assert_eq!(run(&mut deadlines, 0, 29_000), []);
    // Registered again: what was silent before does not count any more.
    start(&mut deadlines, 29_000, 1, slow(Status::Passing));
    assert_eq!(run(&mut deadlines, 29_000, 60_000), [(59_000, silent(1))]);
    assert_eq!(deadlines.hear(60_000, TimerId(1), Status::Passing), Heard::Nothing);
    assert_eq!(run(&mut deadlines, 60_000, 65_000), [(64_000, silent(1))]);
    let stands = Heard::Stands(Status::Passing);
    assert_eq!(deadlines.hear(65_000, TimerId(1), Status::Passing), stands);
    assert_eq!(run(&mut deadlines, 65_000, 94_000), []);
}

#[test]
fn thresholds_count_silence_like_any_failure() {
    let mut deadlines = Deadlines::new(settings(), 0);
    let slow = CheckTimer {
        failures_before_warning: 2,
        failures_before_critical: 3,
        success_before_passing: 2,
        ..timer("web", Status::Passing)
    };
    start(&mut deadlines, 0, 1, slow.clone());
    let warns = Due::Silent { id: TimerId(1), status: Status::Warning };
    assert_eq!(run(&mut deadlines, 0, 31_000), [(30_000, warns)]);
    start(&mut deadlines, 31_000, 1, CheckTimer { status: Status::Warning, ..slow.clone() });
    assert_eq!(run(&mut deadlines, 31_000, 47_000), [(46_000, silent(1))]);
    start(&mut deadlines, 47_000, 1, CheckTimer { status: Status::Critical, ..slow });
    assert_eq!(deadlines.hear(48_000, TimerId(1), Status::Passing), Heard::Nothing);
    let stands = deadlines.hear(49_000, TimerId(1), Status::Passing);
    assert_eq!(stands, Heard::Stands(Status::Passing));
}

#[test]
fn one_that_is_critical_for_long_is_removed_unless_it_gets_better() {
    let mut deadlines = Deadlines::new(settings(), 0);
    let critical = CheckTimer { deregister_after_ms: 60_000, ..timer("web", Status::Critical) };
    start(&mut deadlines, 0, 1, critical.clone());
    start(&mut deadlines, 0, 2, critical.clone());
    assert_eq!(run(&mut deadlines, 0, 30_000), []);
    start(&mut deadlines, 30_000, 2, CheckTimer { status: Status::Passing, ..critical });
    let told = run(&mut deadlines, 30_000, 65_000);
    let removals: Vec<_> = told.iter().filter(|(_, due)| *due != silent(2)).collect();
    let removal = Due::Removal { id: TimerId(1) };
    assert_eq!(removals, [&(60_000, removal), &(65_000, removal)]);
    assert_eq!(told.first(), Some(&(45_000, silent(2))));
}

#[test]
fn a_session_lives_while_it_is_renewed() {
    let mut deadlines = Deadlines::new(settings(), 0);
    let session = Timer::Session { ttl_ms: 10_000 };
    deadlines.note(0, &[TimerChange::Start(TimerId(3), session)]);
    assert_eq!(run(&mut deadlines, 0, 9_000), []);
    assert!(deadlines.renew(9_000, TimerId(3)) && !deadlines.renew(9_000, TimerId(4)));
    assert_eq!(run(&mut deadlines, 9_000, 19_000), [(19_000, ended(3))]);
}

/// Who was answered that it is renewed must not end by what was said before.
#[test]
fn a_session_that_was_told_to_be_over_is_renewed_by_nothing_but_the_log() {
    let mut deadlines = Deadlines::new(settings(), 0);
    let session = Timer::Session { ttl_ms: 10_000 };
    let begins = [TimerChange::Start(TimerId(3), session.clone())];
    deadlines.note(0, &begins);
    assert_eq!(run(&mut deadlines, 0, 10_000), [(10_000, ended(3))]);
    assert!(!deadlines.renew(10_050, TimerId(3)) && !deadlines.renew(14_000, TimerId(3)));
    assert_eq!(run(&mut deadlines, 10_050, 16_000), [(15_000, ended(3))]);
    // This process stood still: nothing but what was told already is over.
    let all = [(TimerId(3), session.clone()), (TimerId(4), session)];
    deadlines.begin(16_000, all.into_iter());
    assert!(!deadlines.renew(16_000, TimerId(3)) && deadlines.renew(16_000, TimerId(4)));
    assert_eq!(run(&mut deadlines, 16_000, 22_000), [(21_000, ended(3))]);
    // The log has a renewal: it came before what was told, or what was told is void.
    deadlines.note(22_000, &begins);
    assert!(deadlines.renew(23_000, TimerId(3)));
    let told = run(&mut deadlines, 23_000, 36_000);
    assert_eq!(told, [(33_000, ended(3)), (36_000, ended(4))]);
}

#[test]
fn a_new_leader_gives_everything_its_full_time_and_the_grace() {
    let mut deadlines = Deadlines::new(settings(), 0);
    start(&mut deadlines, 0, 1, timer("web", Status::Passing));
    let all = vec![
        (TimerId(1), Timer::Check(timer("web", Status::Passing))),
        (TimerId(2), Timer::Session { ttl_ms: 20_000 }),
    ];
    deadlines.begin(14_000, all.into_iter());
    // Neither a beat nor the same registration takes the grace away.
    assert_eq!(deadlines.hear(15_000, TimerId(1), Status::Passing), Heard::Nothing);
    start(&mut deadlines, 16_000, 1, timer("web", Status::Passing));
    let told = run(&mut deadlines, 14_000, 44_000);
    assert_eq!(told, [(39_000, silent(1)), (44_000, silent(1)), (44_000, ended(2))]);
}

/// Against a list that is looked through from the front: random starts, beats and stops, with times to
/// live from a second to thirty days, and steps of the clock from nothing to an hour.
#[test]
fn the_wheel_tells_what_a_plain_list_tells() {
    let off = Breaker { percent: 100, ..Breaker::default() };
    let settings = Settings { again_ms: 1 << 40, breaker: off, ..settings() };
    for seed in 1..=30_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = move |bound: u64| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
        };
        let mut now_ms = random(1 << 41);
        let mut deadlines = Deadlines::new(settings, now_ms);
        let mut plain = std::collections::BTreeMap::new();
        for _ in 0..2_000 {
            let id = random(60);
            match random(4) {
                0 | 1 => {
                    let bits = 10 + random(22);
                    let ttl_ms = 1_000 + random(1 << bits);
                    let check = CheckTimer { ttl_ms, ..timer("web", Status::Passing) };
                    start(&mut deadlines, now_ms, id, check);
                    plain.insert(id, (now_ms + ttl_ms, ttl_ms));
                }
                2 => {
                    let heard = deadlines.hear(now_ms, TimerId(id), Status::Passing);
                    assert_eq!(heard == Heard::Unknown, !plain.contains_key(&id));
                    if let Some((due, ttl_ms)) = plain.get_mut(&id) {
                        *due = (*due).max(now_ms + *ttl_ms);
                    }
                }
                _ => {
                    deadlines.note(now_ms, &[TimerChange::Stop(TimerId(id))]);
                    plain.remove(&id);
                }
            }
            let bits = random(22);
            now_ms += random(1 << bits);
            let mut told: Vec<Due> = deadlines.expired(now_ms, usize::MAX);
            // What the wheel tells a tick later it may tell now or the next time.
            let over = |due: u64| due <= now_ms.saturating_sub(50);
            let late: Vec<u64> =
                plain.iter().filter(|(_, (due, _))| over(*due)).map(|(id, _)| *id).collect();
            for id in late {
                assert!(told.contains(&silent(id)), "seed {seed}: {id} at {now_ms} in {plain:?}");
            }
            told.sort_by_key(|due| match due {
                Due::Silent { id, .. } | Due::Removal { id } | Due::Session { id } => *id,
            });
            for due in told {
                let Due::Silent { id, .. } = due else { panic!("{due:?}") };
                let (at, _) = plain.remove(&id.0).unwrap();
                assert!(at <= now_ms, "seed {seed}: {id:?} before its time");
                deadlines.note(now_ms, &[TimerChange::Stop(id)]);
            }
        }
    }
}

/// R6, and the figure of the issue: what the deadline of an instance costs.
#[test]
fn a_hundred_thousand_instances_cost_less_than_a_hundred_bytes_each() {
    let count = 100_000_u64;
    let services = 5_000;
    let mut deadlines = Deadlines::new(Settings::default(), 0);
    let timers = (0..count).map(|at| {
        let check = timer(&format!("service-{:04}", at % services), Status::Passing);
        (TimerId(at * 256), Timer::Check(check))
    });
    deadlines.begin(0, timers);
    for at in 0..count {
        deadlines.hear(10_000, TimerId(at * 256), Status::Passing);
    }
    assert_eq!(deadlines.len() as u64, count);
    let each = deadlines.memory() as f64 / count as f64;
    println!("{each:.1} bytes of deadlines for each of {count} instances of {services} services");
    assert!(each < 100.0, "{each}");
    let grace = Settings::default().grace_ms;
    assert_eq!(deadlines.expired(TTL_MS + grace - 1, usize::MAX), []);
    let lost = deadlines.expired(TTL_MS + grace, usize::MAX).len() as u64;
    // Of 20 instances of each service, 30 of a hundred.
    assert_eq!(lost, services * 6);
}

#[test]
fn lock_delays_pass_and_their_number_is_bounded() {
    let mut delays = LockDelays::default();
    delays.note(1_000, &[("k".into(), 15_000), ("l".into(), 1_000)]);
    assert!(
        delays.holds(15_999, b"k") && !delays.holds(16_000, b"k") && !delays.holds(2_000, b"l")
    );
    delays.note(5_000, &[("k".into(), 15_000)]);
    assert!(delays.holds(19_999, b"k"));
    assert_eq!(delays.len(), 1);
    let many: Vec<_> = (0..70_000_u64)
        .map(|at| (bytes::Bytes::copy_from_slice(&at.to_be_bytes()), 20_000 + at))
        .collect();
    delays.note(5_000, &many);
    assert_eq!(delays.len(), 65_536);
    assert!(!delays.holds(5_001, b"k") && delays.holds(5_001, &69_999_u64.to_be_bytes()));
}
