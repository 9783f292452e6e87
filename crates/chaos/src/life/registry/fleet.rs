//! All of it: begun, asked how it goes after each phase, and judged.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::beats::Beats;
use super::blocking::Watcher;
use super::cost::Costs;
use super::journal::{Counts, Journal};
use super::judge::{Told, judge};
use super::resets::{self, Resets};
use super::truth::{Late, Part, Place, Truth};
use super::{follow, last};
use crate::ledger::Ledger;

/// Instances of one service, about.
const OF_A_SERVICE: u64 = 200;
const SERVICES: (u64, u64) = (20, 500);
/// Streams that beat.
const STREAMS: usize = 21;
/// Services that are watched at each server by blocking queries, and those that are followed.
const BLOCKING: usize = 8;
const FOLLOWED: usize = 8;
/// Watchers that go from server to server.
const ROAMING: usize = 6;
/// Instances that come or go in a second, and those that fall silent, at most.
const GUESTS: f64 = 20.0;
const DEATHS: f64 = 2.0;
/// All are registered within this.
const BEGINNING: Duration = Duration::from_secs(600);
const ENDING: Duration = Duration::from_secs(60);

pub(super) struct Plan {
    pub(super) services: usize,
    pub(super) each: usize,
    pub(super) streams: usize,
    /// The first so many services have watchers.
    pub(super) watched: usize,
    /// Of one stream.
    pub(super) guest_every: Duration,
    pub(super) death_every: Duration,
}

impl Plan {
    fn of(instances: u64) -> anyhow::Result<Self> {
        let services = (instances / OF_A_SERVICE).clamp(SERVICES.0, SERVICES.1);
        let part = instances as f64 / 100_000.0;
        let every =
            |rate: f64| Duration::from_secs_f64(STREAMS as f64 / (rate * part.clamp(0.1, 1.0)));
        Ok(Self {
            services: usize::try_from(services)?,
            each: usize::try_from(instances.div_ceil(services))?,
            streams: STREAMS,
            watched: BLOCKING + FOLLOWED,
            guest_every: every(GUESTS),
            death_every: every(DEATHS),
        })
    }

    /// Whether it comes and goes.
    pub(super) fn is_guest(&self, place: Place) -> bool {
        place.number % 10 == 9
    }

    /// Whether it falls silent one day.
    pub(super) fn is_mortal(&self, place: Place) -> bool {
        place.number % 50 == 7
    }
}

/// What all parts know.
pub(super) struct Common {
    pub(super) plan: Plan,
    /// Where clients reach each server.
    pub(super) clients: Vec<String>,
    /// The servers that are members and run.
    here: Vec<AtomicBool>,
    pub(super) truth: Truth,
    pub(super) journal: Journal,
    pub(super) resets: Resets,
    pub(super) ledger: Arc<Ledger>,
    /// Nothing comes, goes or falls silent any more.
    quiet: AtomicBool,
    stopped: AtomicBool,
}

impl Common {
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(super) fn is_lively(&self) -> bool {
        !self.quiet.load(Ordering::SeqCst)
    }

    /// The server that is meant by a number, if that is there; else the next one.
    pub(super) fn near(&self, at: usize) -> usize {
        let count = self.clients.len();
        let mut all = (at..at + count).map(|at| at % count);
        all.find(|at| self.here[*at].load(Ordering::SeqCst)).unwrap_or(at % count)
    }

    /// The server that somebody is to be at, who has number `at`.
    pub(super) fn home(&self, at: usize) -> usize {
        self.near(at % self.clients.len())
    }

    pub(super) fn judge(&self, who: &str, told: &Told) {
        let verdict = judge(&self.truth, told);
        Counts::add(&self.journal.counts.late, usize::from(verdict.late > 0));
        for wrong in verdict.wrong {
            self.journal.wrong(&format!("{who}: {wrong}"));
        }
    }

    pub(super) fn error(&self, whose: &str, error: &impl Display) {
        let text: String = error.to_string().chars().take(100).collect();
        *self.ledger.errors.lock().entry(format!("{whose}: {text}")).or_default() += 1;
    }
}

pub(in crate::life) struct Fleet {
    common: Arc<Common>,
    tasks: Vec<JoinHandle<()>>,
    costs: Costs,
    /// At the end of the phase before.
    before: (Instant, f64, u64, u64),
}

impl Fleet {
    /// Registers all of them; answers once they are there and watched.
    pub(in crate::life) async fn begin(
        instances: u64,
        clients: Vec<String>,
        first: usize,
        ledger: &Arc<Ledger>,
    ) -> anyhow::Result<Self> {
        let plan = Plan::of(instances)?;
        let servers = clients.len();
        let common = Arc::new(Common {
            truth: Truth::new(plan.services, plan.each),
            plan,
            here: (0..servers).map(|at| AtomicBool::new(at < first)).collect(),
            clients,
            journal: Journal::new(Arc::clone(ledger)),
            resets: Resets::default(),
            ledger: Arc::clone(ledger),
            quiet: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
        });
        let mut tasks = vec![tokio::spawn(resets::follow(Arc::clone(&common)))];
        let began = Instant::now();
        for at in 0..STREAMS {
            tasks.push(tokio::spawn(Beats::new(Arc::clone(&common), at).run()));
        }
        let is_here = |known: &super::truth::Known| matches!(known.part, Part::Here { .. });
        loop {
            let missing = common.truth.all().filter(|(_, known)| !is_here(known)).count();
            if missing == 0 {
                break;
            }
            if began.elapsed() > BEGINNING {
                bail!("{missing} instances could not be registered within {BEGINNING:?}");
            }
            sleep(Duration::from_millis(500)).await;
        }
        let all = common.truth.services() * common.truth.each();
        println!(
            "registry: {all} instances of {} services, registered by {STREAMS} streams in {:.1?}",
            common.plan.services,
            began.elapsed()
        );
        for home in 0..servers {
            for service in 0..BLOCKING {
                let watcher = Watcher::new(Arc::clone(&common), service, home, false);
                tasks.push(tokio::spawn(watcher.run()));
            }
            let services = (BLOCKING..BLOCKING + FOLLOWED).collect();
            tasks.push(tokio::spawn(follow::follow(Arc::clone(&common), home, services)));
        }
        for at in 0..ROAMING {
            let watcher = Watcher::new(Arc::clone(&common), at % BLOCKING, at % servers, true);
            tasks.push(tokio::spawn(watcher.run()));
        }
        common.quiet.store(false, Ordering::SeqCst);
        Ok(Self { common, tasks, costs: Costs::default(), before: (Instant::now(), 0.0, 0, 0) })
    }

    /// Whether clients may find a server there.
    pub(in crate::life) fn is_here(&self, at: usize, here: bool) {
        self.common.here[at].store(here, Ordering::SeqCst);
    }

    /// A phase has ended: tells how it went. `processes` are those of the servers that run.
    pub(in crate::life) fn phase(&mut self, name: &str, processes: &[Option<u32>]) -> String {
        self.common.journal.phase(name);
        let memory = self.costs.look(processes);
        let counts = &self.common.journal.counts;
        let told = Counts::get(&counts.answers) + Counts::get(&counts.pushes);
        let now = (Instant::now(), self.costs.seconds(), Counts::get(&counts.beats), told);
        let before = std::mem::replace(&mut self.before, now);
        let seconds = now.0.duration_since(before.0).as_secs_f64().max(0.001);
        format!(
            "registry: {:.0} beats/s, {} answers to watchers; {:.1} CPU s of servers ({:.2} processors); \
            MiB of each {memory:?}; wrong so far {}, changes of leader {}",
            (now.2 - before.2) as f64 / seconds,
            now.3 - before.3,
            now.1 - before.1,
            (now.1 - before.1) / seconds,
            Counts::get(&counts.wrong),
            self.common.resets.count(),
        )
    }

    /// Lets it come to rest, looks at every server's list, ends, and tells. `stood_still` is how often a
    /// server said that it stood still, which gives everything its time again.
    pub(in crate::life) async fn end(mut self, servers: &[usize], stood_still: usize) -> String {
        let common = Arc::clone(&self.common);
        common.quiet.store(true, Ordering::SeqCst);
        last::look(&common, servers, stood_still).await;
        common.stopped.store(true, Ordering::SeqCst);
        for task in self.tasks.drain(..) {
            if !matches!(timeout(ENDING, task).await, Ok(Ok(()))) {
                common.journal.wrong("a client has no answer in the end");
            }
        }
        common.journal.phase("at rest");
        let silences = last::silences(&common, stood_still);
        let late =
            |which: Late| common.truth.all().filter(|(_, known)| known.late == Some(which)).count();
        let unanswered = late(Late::Answered);
        if unanswered > 0 && stood_still == 0 {
            common.journal.wrong(&format!(
                "{unanswered} instances beat in time, and no server heard them for a time to live"
            ));
        }
        let judged = match stood_still {
            0 => "",
            _ => "as servers stood still, how late silence was told is not judged\n",
        };
        let counts = &common.journal.counts;
        let of = Counts::get;
        let (memory, server) = self.costs.most_memory;
        format!(
            "registry: {} beats heard, {} refused and sent again; {} registrations, {} taken back, \
            {} fell silent; watchers: {} answers of blocking queries ({} without a leader), {} pushes, \
            {} refusals; {} wrong; not heard for a time to live, as beats left this program late, {} \
            instances, and for other reasons {}, lists that told of these {}; {} changes of leader, \
            {stood_still} times a server stood still; most memory {memory} MiB (n{server})\n\
            {silences}{judged}  from a change to those who watch:\n{}",
            of(&counts.beats),
            of(&counts.refused_beats),
            of(&counts.came),
            of(&counts.went),
            of(&counts.silent),
            of(&counts.answers),
            of(&counts.without_leader),
            of(&counts.pushes),
            of(&counts.refused),
            of(&counts.wrong),
            late(Late::Sent),
            unanswered,
            of(&counts.late),
            common.resets.count(),
            common.journal.lags(),
        )
    }
}
