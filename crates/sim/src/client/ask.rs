//! Putting a question, again if need be.

use types::Code;

use super::{Ask, Client, Job, Pending};
use crate::event::{Answer, Body, Event, Request};
use crate::oracle::{Action, Place, Seen};
use crate::sky::Sky;

/// Microseconds an attempt may take before the same question is put again.
const ATTEMPT_MICROS: u64 = 500_000;
/// Microseconds after which a question is given up.
const PATIENCE_MICROS: u64 = 2_500_000;

impl Client {
    /// The alarm rings: begins something, or puts the question again.
    pub(crate) fn ring(&mut self, sky: &mut Sky, alarm: u64) {
        if alarm != self.alarm {
            return;
        }
        if self.pending.is_none() {
            if !self.stopped {
                self.begin(sky);
            }
            return;
        }
        let patience_ends = self.pending.as_ref().is_some_and(|it| sky.now >= it.deadline);
        if patience_ends && !matches!(self.job, Job::Probe { .. }) {
            self.give_up(sky);
        } else {
            self.attempt(sky);
        }
    }

    pub(super) fn begin(&mut self, sky: &mut Sky) {
        let Some(ask) = self.choose(sky) else {
            let delay = sky.between(20_000, 80_000);
            self.wake(sky, delay);
            return;
        };
        self.put(sky, ask);
    }

    pub(crate) fn put(&mut self, sky: &mut Sky, ask: Ask) {
        let place = match &ask {
            Ask::Register { key, action } => {
                let who = (self.id, sky.ticket());
                sky.oracles.histories.begin(self.region, key, who, *action)
            }
            _ => None,
        };
        let (body, sequence) = self.body(sky, &ask);
        let floor = match &ask {
            Ask::Register { key, .. } if self.is_sharded(sky) => {
                sky.oracles.revisions.floor_of(key)
            }
            _ => sky.oracles.revisions.floor(self.region),
        };
        let (started, deadline) = (sky.now, sky.now + PATIENCE_MICROS);
        self.pending =
            Some(Pending { ask, body, sequence, place, floor, started, deadline, attempts: 0 });
        self.attempt(sky);
    }

    fn attempt(&mut self, sky: &mut Sky) {
        let Some(pending) = &mut self.pending else { return };
        pending.attempts += 1;
        if pending.attempts > 1 {
            sky.counts.retries += 1;
        }
        if let Job::Probe { node } = self.job {
            self.node = node;
        } else if pending.attempts > 1 || sky.random.chance(20) {
            self.node = usize::try_from(sky.random.below(sky.settings.nodes)).unwrap_or(0);
        }
        self.attempt = sky.ticket();
        self.attempted = sky.now;
        if let Some(check) = super::registry::spoken_of(&pending.ask) {
            sky.oracles.registry.instances.spoke(&check, sky.now);
        }
        let (client, attempt, region) = (self.at, self.attempt, self.region);
        let body = match &pending.body {
            Body::Write { data, tag } if pending.attempts > 1 => {
                Body::Write { data: state::proposed_again(data), tag: *tag }
            }
            body => body.clone(),
        };
        let request = Request { client, attempt, region, body };
        let delay = sky.between(20, 400);
        let again = sky.between(ATTEMPT_MICROS / 2, ATTEMPT_MICROS);
        sky.after(delay, Event::Request { node: self.node, request: request.clone() });
        // Now and then the same command is on its way twice, over two nodes.
        if matches!(request.body, Body::Write { .. }) && !sky.calm && sky.random.chance(3) {
            let node = usize::try_from(sky.random.below(sky.settings.nodes)).unwrap_or(0);
            let later = sky.between(20, 300_000);
            sky.after(later, Event::Request { node, request });
        }
        self.wake(sky, again);
    }

    /// An answer comes.
    pub(crate) fn answered(&mut self, sky: &mut Sky, attempt: u64, result: Result<Answer, Code>) {
        if attempt != self.attempt {
            return;
        }
        match result {
            Ok(answer) => self.take(sky, answer),
            Err(code) => {
                sky.counts.refused += 1;
                sky.note(types::NodeId(0), "refused", [self.at as u64, code as u64, 0, 0]);
                let delay = sky.between(5_000, 60_000);
                self.wake(sky, delay);
            }
        }
    }

    /// Goes on without an answer. The command's number counts as done with, so once whoever may have it
    /// answers a later one it cannot be carried out any more.
    fn give_up(&mut self, sky: &mut Sky) {
        let Some(pending) = self.pending.take() else { return };
        sky.counts.unknown += 1;
        sky.note(types::NodeId(0), "gives up", [self.at as u64, pending.attempts.into(), 0, 0]);
        if let Some(sequence) = pending.sequence {
            self.acknowledged = sequence;
            if let Some(place) = pending.place.clone() {
                self.unsettled.push(place);
            }
        }
        if self.job == Job::Counter
            && let Ask::Register { key, action: Action::Swap { .. } } = &pending.ask
        {
            sky.oracles.counters.unknown(self.region, key);
        }
        if let Ask::Register { key, .. } = &pending.ask {
            self.seen.remove(key);
        }
        let delay = sky.between(1_000, 20_000);
        self.wake(sky, delay);
    }

    /// A command was answered: those given up before it are over for good. Where keys are spread over
    /// regions, only those of its own key: another key's region has not heard of its number.
    pub(super) fn settle_unsettled(&mut self, sky: &mut Sky, ask: &Ask) {
        let is_sharded = self.is_sharded(sky);
        let is_over = |place: &Place| match ask {
            Ask::Register { key, .. } => !is_sharded || place.0.1 == *key,
            _ => !is_sharded,
        };
        let (over, open) = std::mem::take(&mut self.unsettled).into_iter().partition(is_over);
        self.unsettled = open;
        let over: Vec<Place> = over;
        for place in over {
            let end = sky.ticket();
            sky.oracles.histories.end(&place, end, Seen::Nothing);
        }
    }
}
