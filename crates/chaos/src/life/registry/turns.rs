//! Whose turn it is to come, to go, or to fall silent, among the instances of one stream.

use std::collections::VecDeque;
use std::time::Instant;

use super::fleet::{Common, Plan};
use super::journal::Counts;
use super::truth::{Part, Place};

pub(super) struct Turns {
    /// Those whom somebody watches, and all others, by turns.
    guests: [VecDeque<Place>; 2],
    mortals: [VecDeque<Place>; 2],
    turn: usize,
    next_guest: Instant,
    next_death: Instant,
}

impl Turns {
    /// Those of stream `at`, which has these instances.
    pub(super) fn new(plan: &Plan, places: &[Place], at: usize) -> Self {
        let of = |is: fn(&Plan, Place) -> bool, watched: bool| -> VecDeque<Place> {
            let own = places.iter().copied().filter(|it| is(plan, *it));
            own.filter(|it| (it.service < plan.watched) == watched).collect()
        };
        // Not all streams at once.
        let (now, part) = (Instant::now(), at as f64 / plan.streams as f64);
        Self {
            guests: [of(Plan::is_guest, true), of(Plan::is_guest, false)],
            mortals: [of(Plan::is_mortal, true), of(Plan::is_mortal, false)],
            turn: at % 2,
            next_guest: now + plan.guest_every.mul_f64(part),
            next_death: now + plan.death_every.mul_f64(part),
        }
    }

    /// One falls silent, if it is time; answers who is to be registered, or taken back.
    pub(super) fn next(&mut self, common: &Common, now: Instant) -> Option<(Place, bool)> {
        if now >= self.next_death {
            self.next_death = now + common.plan.death_every;
            self.falls_silent(common);
        }
        if now < self.next_guest {
            return None;
        }
        self.next_guest = now + common.plan.guest_every;
        self.turn = 1 - self.turn;
        let guests = &mut self.guests[self.turn];
        let place = guests.pop_front()?;
        guests.push_back(place);
        match common.truth.with(place, |known| known.part) {
            Part::Here { .. } => Some((place, false)),
            Part::Gone { .. } => Some((place, true)),
            _ => None,
        }
    }

    fn falls_silent(&mut self, common: &Common) {
        let mortals = &mut self.mortals[self.turn];
        let Some(place) = mortals.front().copied() else { return };
        let died = common.truth.with(place, |known| match known.part {
            Part::Here { since } => {
                known.part = Part::Silent { since };
                true
            }
            _ => false,
        });
        if died {
            mortals.pop_front();
            Counts::add(&common.journal.counts.silent, 1);
        }
    }
}
