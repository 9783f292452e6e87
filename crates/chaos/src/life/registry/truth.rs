//! What is so of every instance, as far as whoever keeps it alive can know.

use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// Silence after which an instance is critical, and how long it is critical before it is forgotten.
pub(super) const TTL: Duration = Duration::from_secs(60);
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// Between two beats of one instance.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(15);
/// Who sends a beat so much after the one before got too little of the machine, or found no server to send it
/// to.
const OWN_LATENESS: Duration = Duration::from_secs(30);
/// Instances on one node.
const ON_A_NODE: usize = 50;

/// An instance: its service, and its place among the service's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub(super) service: usize,
    pub(super) number: usize,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Absent,
    /// Registering was asked for, and not answered.
    Coming,
    /// It beats, and is registered by this revision at the latest.
    Here {
        since: i64,
    },
    /// Taking it back was asked for, and not answered.
    Leaving,
    /// Taken back, by this revision at the latest.
    Gone {
        at: i64,
    },
    /// Registered by this revision, and nobody beats for it any more.
    Silent {
        since: i64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) part: Part,
    /// What to beat for.
    pub(super) handle: u64,
    /// When the last beat that was answered was sent: nobody may lose it before a time to live from here.
    pub(super) sent: Instant,
    /// When a beat was last sent, answered or not: by a time to live from here it is lost.
    pub(super) tried: Instant,
    /// Beats left this program late.
    pub(super) sent_late: bool,
    /// No beat was heard for a time to live, and by whose doing: whatever is told of the instance is right.
    pub(super) late: Option<Late>,
    /// Since it fell silent: when a watcher was first told that it is critical, and that it is gone.
    pub(super) critical_told: Option<Instant>,
    pub(super) gone_told: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Late {
    /// This program sent it late.
    Sent,
    /// It was sent in time, and no server answered it in time.
    Answered,
}

pub(super) struct Truth {
    services: Vec<Mutex<Vec<Known>>>,
    each: usize,
}

impl Truth {
    pub(super) fn new(services: usize, each: usize) -> Self {
        let now = Instant::now();
        let one = Known {
            part: Part::Absent,
            handle: 0,
            sent: now,
            tried: now,
            sent_late: false,
            late: None,
            critical_told: None,
            gone_told: None,
        };
        let all = (0..services).map(|_| Mutex::new(vec![one.clone(); each]));
        Self { services: all.collect(), each }
    }

    pub(super) fn services(&self) -> usize {
        self.services.len()
    }

    pub(super) fn each(&self) -> usize {
        self.each
    }

    pub(super) fn of(&self, service: usize) -> MutexGuard<'_, Vec<Known>> {
        self.services[service].lock()
    }

    pub(super) fn with<T>(&self, place: Place, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.of(place.service)[place.number])
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Place, Known)> {
        (0..self.services()).flat_map(|service| {
            let known = self.of(service).clone();
            known.into_iter().enumerate().map(move |(number, it)| (Place { service, number }, it))
        })
    }

    /// Registering is asked for.
    pub(super) fn coming(&self, place: Place) {
        self.with(place, |known| known.part = Part::Coming);
    }

    /// It is registered by `revision`; asked for at `sent`.
    pub(super) fn here(&self, place: Place, handle: u64, revision: i64, sent: Instant) {
        self.with(place, |known| {
            known.part = Part::Here { since: revision };
            (known.handle, known.sent, known.tried) = (handle, sent, Instant::now());
            (known.late, known.sent_late) = (None, false);
        });
    }

    /// Takes in that beats leave now, for those that are to be beaten for; answers what for, and for whom.
    pub(super) fn beaten(&self, places: &[Place], now: Instant) -> (Vec<u64>, Vec<Place>) {
        let mut sent = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        for place in places {
            self.with(*place, |known| {
                if !matches!(known.part, Part::Here { .. }) {
                    return;
                }
                known.sent_late |= now.duration_since(known.tried) > OWN_LATENESS;
                known.tried = now;
                sent.0.push(known.handle);
                sent.1.push(*place);
            });
        }
        sent
    }

    /// Beats that were sent at `sent` were heard by `now`.
    pub(super) fn heard(&self, places: &[Place], sent: Instant, now: Instant) {
        for place in places {
            self.with(*place, |known| {
                if matches!(known.part, Part::Here { .. }) && known.sent < sent {
                    known.look(now);
                    known.sent = sent;
                }
            });
        }
    }
}

impl Known {
    /// Notes whether the beat that was due by now came too late.
    pub(super) fn look(&mut self, now: Instant) {
        if now.saturating_duration_since(self.sent) > TTL {
            let late = if self.sent_late { Late::Sent } else { Late::Answered };
            self.late.get_or_insert(late);
        }
    }
}

impl Place {
    pub(super) fn service_name(service: usize) -> String {
        format!("life-{service:03}")
    }

    pub(super) fn id(self) -> String {
        format!("life-{:03}-{:05}", self.service, self.number)
    }

    /// The instance of a service that is called so.
    pub(super) fn number_of(service: usize, id: &str) -> Option<usize> {
        let number = id.strip_prefix(&Self::service_name(service))?.strip_prefix('-')?;
        number.parse().ok()
    }

    /// The address of the node it is on, which is called like it.
    pub(super) fn address(self, services: usize) -> String {
        let node = (self.number * services + self.service) / ON_A_NODE;
        format!("10.{}.{}.{}", 100 + (node >> 16), (node >> 8) & 255, node & 255)
    }
}
