use core::time::Duration;
use std::collections::BTreeMap;

use env::Moment;
use proptest::prelude::*;
use types::LeaseId;

use super::{LeaseClock, LeaseLimits};

const GRACE: u64 = 3;
const LIMITS: LeaseLimits = LeaseLimits { grace: Duration::from_secs(GRACE), expire_batch: 4 };

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn leading() -> LeaseClock {
    let mut clock = LeaseClock::new(LIMITS);
    clock.lead(at(0), std::iter::empty());
    clock
}

#[test]
fn a_new_leader_gives_every_lease_its_whole_time_again_and_the_grace() {
    let mut clock = LeaseClock::new(LIMITS);
    clock.lead(at(100), [(LeaseId(1), 10), (LeaseId(2), 20)].into_iter());
    assert_eq!(clock.remaining(at(100), LeaseId(1)), Some(10), "no more than was granted is told");
    assert_eq!(clock.expired(at(112), 9), []);
    assert_eq!(clock.expired(at(113), 9), [LeaseId(1)]);
    assert_eq!(clock.next_deadline(), Some(at(123)));
}

#[test]
fn without_leadership_nothing_expires_and_nothing_is_known() {
    let mut clock = leading();
    clock.granted(at(0), LeaseId(1), 10);
    clock.follow();
    assert_eq!(clock.expired(at(1_000), 9), []);
    assert_eq!(clock.renew(at(1_000), LeaseId(1)), None);
    clock.granted(at(1_000), LeaseId(2), 10);
    assert_eq!((clock.len(), clock.next_deadline()), (0, None));
}

#[test]
fn renewals_keep_a_lease_and_never_shorten_it() {
    let mut clock = LeaseClock::new(LIMITS);
    clock.lead(at(0), [(LeaseId(1), 10)].into_iter());
    assert_eq!(clock.renew(at(1), LeaseId(1)), Some(10));
    assert_eq!(clock.expired(at(12), 9), [], "1 + 10 is before the grace ends");
    assert_eq!(clock.renew(at(12), LeaseId(1)), Some(10));
    assert_eq!(clock.expired(at(21), 9), []);
    assert_eq!(clock.expired(at(22), 9), [LeaseId(1)]);
}

#[test]
fn a_stalled_leader_hears_waiting_renewals_before_it_expires() {
    let mut clock = leading();
    clock.granted(at(0), LeaseId(1), 10);
    clock.granted(at(0), LeaseId(2), 10);
    assert_eq!(clock.renew(at(60), LeaseId(1)), Some(10));
    assert_eq!(clock.expired(at(60), 9), [LeaseId(2)]);
    assert_eq!(clock.renew(at(60), LeaseId(2)), None, "its end may be in the log");
    assert_eq!(clock.remaining(at(60), LeaseId(2)), None);
}

#[test]
fn an_expiring_lease_is_given_out_once_and_again_only_after_a_retry() {
    let mut clock = leading();
    clock.granted(at(0), LeaseId(1), 1);
    assert_eq!(clock.expired(at(5), 9), [LeaseId(1)]);
    assert_eq!(clock.expired(at(6), 9), []);
    clock.retry([LeaseId(1), LeaseId(7)]);
    assert_eq!(clock.expired(at(6), 9), [LeaseId(1)]);
    clock.revoked(LeaseId(1));
    clock.retry([LeaseId(1)]);
    assert_eq!((clock.expired(at(7), 9), clock.len()), (vec![], 0));
}

#[test]
fn a_mass_expiry_comes_in_batches() {
    let mut clock = leading();
    for id in 1..=10 {
        clock.granted(at(0), LeaseId(id), 1);
    }
    let sizes: Vec<usize> = (0..4).map(|_| clock.expired(at(9), 100).len()).collect();
    assert_eq!(sizes, [4, 4, 2, 0]);
}

#[test]
fn renewals_set_no_alarms_and_a_call_after_many_is_bounded() {
    let mut clock = leading();
    for id in 1..=20_000 {
        clock.granted(at(0), LeaseId(id), 10);
    }
    for now in 1..=9 {
        for id in 1..=20_000 {
            assert_eq!(clock.renew(at(now), LeaseId(id)), Some(10));
        }
    }
    let mut calls = 0;
    while clock.next_deadline().is_some_and(|deadline| deadline <= at(10)) {
        assert_eq!(clock.expired(at(10), 9), []);
        calls += 1;
    }
    assert_eq!(calls, 20, "20,000 alarms, one per lease, 1,024 to a call");
    assert_eq!(clock.next_deadline(), Some(at(19)));
}

/// What the clock must do, written the slow way.
#[derive(Default)]
struct Model {
    leading: bool,
    /// Time to live, deadline, whether it is being expired.
    leases: BTreeMap<LeaseId, (i64, u64, bool)>,
}

#[derive(Clone, Debug)]
enum Step {
    Lead,
    Follow,
    Grant(i64, i64),
    Revoke(i64),
    Renew(i64),
    Expire(usize),
    Retry(i64),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 1..8_i64;
    let step = prop_oneof![
        1 => Just(Step::Lead),
        1 => Just(Step::Follow),
        6 => (id.clone(), 1..12_i64).prop_map(|(id, ttl)| Step::Grant(id, ttl)),
        2 => id.clone().prop_map(Step::Revoke),
        8 => id.clone().prop_map(Step::Renew),
        6 => (0..6_usize).prop_map(Step::Expire),
        2 => id.prop_map(Step::Retry),
        6 => (0..6_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

impl Model {
    fn run(&mut self, step: &Step, now: u64, clock: &mut LeaseClock) {
        match *step {
            Step::Lead => {
                // The same leases come back from the replicated state.
                let known: Vec<(LeaseId, i64)> =
                    self.leases.iter().map(|(id, (ttl, ..))| (*id, *ttl)).collect();
                for (ttl, deadline, expiring) in self.leases.values_mut() {
                    (*deadline, *expiring) = (now + GRACE + ttl.cast_unsigned(), false);
                }
                self.leading = true;
                clock.lead(at(now), known.into_iter());
            }
            Step::Follow => {
                (self.leading, self.leases) = (false, BTreeMap::new());
                clock.follow();
            }
            Step::Grant(id, ttl) => {
                clock.granted(at(now), LeaseId(id), ttl);
                if self.leading {
                    self.leases.insert(LeaseId(id), (ttl, now + ttl.cast_unsigned(), false));
                }
            }
            Step::Revoke(id) => {
                self.leases.remove(&LeaseId(id));
                clock.revoked(LeaseId(id));
            }
            Step::Renew(id) => {
                let lease = self.leases.get_mut(&LeaseId(id)).filter(|lease| !lease.2);
                let want = lease.map(|(ttl, deadline, _)| {
                    *deadline = (*deadline).max(now + ttl.cast_unsigned());
                    *ttl
                });
                assert_eq!(clock.renew(at(now), LeaseId(id)), want);
            }
            Step::Expire(max) => self.expire(max, now, clock),
            Step::Retry(id) => {
                if let Some(lease) = self.leases.get_mut(&LeaseId(id)) {
                    lease.2 = false;
                }
                clock.retry([LeaseId(id)]);
            }
            Step::Wait(_) => {}
        }
    }

    fn expire(&mut self, max: usize, now: u64, clock: &mut LeaseClock) {
        let mut due: Vec<(u64, LeaseId)> = self
            .leases
            .iter()
            .filter(|(_, (_, deadline, expiring))| *deadline <= now && !expiring)
            .map(|(id, (_, deadline, _))| (*deadline, *id))
            .collect();
        due.sort_unstable();
        due.truncate(max.min(LIMITS.expire_batch));
        // An alarm rung early may let a later deadline overtake, so the order is free inside a batch
        // that takes everything; what is given out when the batch is full must still all be due.
        let got = clock.expired(at(now), max);
        assert_eq!(got.len(), due.len(), "due {due:?}, given out {got:?}");
        for id in got {
            let lease = self.leases.get_mut(&id).expect("a lease that is known");
            assert!(lease.1 <= now && !lease.2, "{id:?} given out at {now} as {lease:?}");
            lease.2 = true;
        }
    }
}

proptest! {
    #[test]
    fn behaves_as_the_naive_clock(steps in steps()) {
        let mut clock = LeaseClock::new(LIMITS);
        let mut model = Model::default();
        let mut now = 0;
        for step in &steps {
            if let Step::Wait(by) = step {
                now += by;
            }
            model.run(step, now, &mut clock);
            prop_assert_eq!(clock.len(), model.leases.len());
            for (id, (ttl, deadline, expiring)) in &model.leases {
                let left = deadline.saturating_sub(now).cast_signed().min(*ttl);
                prop_assert_eq!(clock.remaining(at(now), *id), (!expiring).then_some(left));
            }
            let next = model.leases.values().filter(|lease| !lease.2).map(|lease| lease.1).min();
            prop_assert_eq!(clock.next_deadline().is_some(), next.is_some());
            prop_assert!(clock.next_deadline() <= next.map(at), "an alarm after a deadline");
        }
    }
}
