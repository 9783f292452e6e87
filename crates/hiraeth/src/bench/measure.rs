//! Running a plan: connections, the measured time, what servers and machine did meanwhile.

use std::io::{IsTerminal, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use super::driver::{Workload, drive};
use super::http2::Status;
use super::process::{self, Usage};
use super::run::{Run, Stats, Window};

/// How long workloads may take to be set up.
const SET_UP: Duration = Duration::from_secs(60);
/// A measured time that only a total ends.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);
/// How often it is told how it goes.
const TELL: Duration = Duration::from_secs(1);

/// How long to load, and whom to look at meanwhile.
pub(super) struct Course<'a> {
    pub(super) name: &'a str,
    pub(super) endpoints: &'a [String],
    pub(super) warm_up: Duration,
    /// `None` for as long as the total takes.
    pub(super) duration: Option<Duration>,
    pub(super) pids: &'a [u32],
    pub(super) progress: bool,
}

/// What was measured.
pub(super) struct Measured {
    pub(super) stats: Stats,
    pub(super) seconds: f64,
    /// What each server used in the measured time; its memory is that at the end.
    pub(super) servers: Vec<Usage>,
    /// Processor time of this process, and of all others but the servers.
    pub(super) own: Duration,
    pub(super) others: Duration,
    pub(super) load: Vec<f64>,
}

#[derive(Clone)]
struct Look {
    at: Instant,
    servers: Vec<Usage>,
    own: Duration,
    machine: Duration,
}

fn look(pids: &[u32]) -> anyhow::Result<Look> {
    let servers = pids.iter().map(|pid| process::usage(*pid)).collect::<Result<_, _>>()?;
    let (own, machine) = (process::own_cpu(), process::machine());
    Ok(Look { at: Instant::now(), servers, own, machine })
}

/// Runs `workloads`, one per connection.
pub(super) async fn measure(
    run: &Rc<Run>,
    course: &Course<'_>,
    workloads: Vec<Box<dyn Workload>>,
) -> anyhow::Result<Measured> {
    // Process ids that are wrong are told before anything is loaded.
    look(course.pids)?;
    let tasks = LocalSet::new();
    let mut drivers = JoinSet::new();
    for (at, workload) in workloads.into_iter().enumerate() {
        let endpoint = course.endpoints[at % course.endpoints.len()].clone();
        drivers.spawn_local_on(drive(endpoint, workload, Rc::clone(run), at), &tasks);
    }
    tasks.run_until(conduct(run, course, &mut drivers)).await
}

async fn conduct(
    run: &Rc<Run>,
    course: &Course<'_>,
    drivers: &mut JoinSet<()>,
) -> anyhow::Result<Measured> {
    let setting_up = async {
        while !run.all_set_up() && run.fatal().is_none() {
            run.changed.notified().await;
        }
    };
    if tokio::time::timeout(SET_UP, setting_up).await.is_err() {
        run.give_up(Status::new(Status::DEADLINE_EXCEEDED, "the load cannot be set up"));
    }
    let start = Instant::now();
    let begin = start + course.warm_up;
    let end = begin + course.duration.unwrap_or(FOR_EVER);
    if run.fatal().is_none() {
        run.start(Window { start, begin, end });
    }
    let mut teller = Teller::new(course);
    let mut before = None;
    let mut after = None;
    // Until all drivers ended; what is due by the clock is done on the way.
    loop {
        let now = Instant::now();
        if before.is_none() && now >= begin {
            before = Some(look(course.pids)?);
        }
        let over = now >= end || run.is_over(now) && run.plan.total.is_some();
        if after.is_none() && now >= end {
            after = Some(look(course.pids)?);
        }
        teller.tell(run, now);
        let mut next = teller.next;
        for due in [(before.is_none(), begin), (!over, end)] {
            if due.0 {
                next = next.min(due.1);
            }
        }
        tokio::select! {
            biased;
            ended = drivers.join_next() => match ended {
                None => break,
                Some(Err(error)) if error.is_panic() => anyhow::bail!("a connection's task: {error}"),
                Some(_) => {}
            },
            () = tokio::time::sleep_until(next.max(now + Duration::from_millis(1)).into()) => {}
            () = interrupted() => run.stop(Instant::now()),
        }
    }
    teller.end();
    let after = match after {
        Some(look) => look,
        None => look(course.pids)?,
    };
    let before = before.unwrap_or_else(|| after.clone());
    Ok(measured(run, &before, after))
}

/// Ctrl-C ends the measured time; what was measured until then is told.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn measured(run: &Run, before: &Look, after: Look) -> Measured {
    let servers: Vec<Usage> = before
        .servers
        .iter()
        .zip(after.servers)
        .map(|(before, after)| Usage {
            cpu: after.cpu.saturating_sub(before.cpu),
            written: after.written.saturating_sub(before.written),
            resident: after.resident,
        })
        .collect();
    let own = after.own.saturating_sub(before.own);
    let machine = after.machine.saturating_sub(before.machine);
    let known: Duration = servers.iter().map(|server| server.cpu).sum();
    Measured {
        stats: run.stats.borrow().clone(),
        seconds: after.at.duration_since(before.at).as_secs_f64(),
        servers,
        own,
        others: machine.saturating_sub(own + known),
        load: process::load(),
    }
}

/// Tells how it goes, on one line that is written again and again where somebody looks.
struct Teller<'a> {
    name: &'a str,
    next: Instant,
    tells: bool,
    terminal: bool,
    before: u64,
    at: Instant,
}

impl<'a> Teller<'a> {
    fn new(course: &Course<'a>) -> Self {
        let (now, terminal) = (Instant::now(), std::io::stderr().is_terminal());
        let tells = terminal || course.progress;
        Self { name: course.name, next: now + TELL, tells, terminal, before: 0, at: now }
    }

    fn tell(&mut self, run: &Run, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + TELL;
        if !self.tells {
            return;
        }
        let stats = run.stats.borrow();
        let per_second = (stats.acknowledged - self.before) as f64 / (now - self.at).as_secs_f64();
        (self.before, self.at) = (stats.acknowledged, now);
        let mut line = format!("{}: {per_second:.0}/s", self.name);
        for (kind, latencies) in stats.latencies.iter().filter(|(_, it)| it.count() > 0) {
            let p99 = latencies.quantile(0.99) as f64 / 1e6;
            line += &format!(", {kind} p99 {p99:.2} ms");
        }
        line += &format!(", {} errors", stats.failed());
        let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Who does not want to know need not.
        drop(write!(std::io::stderr(), "{start}{line}{end}"));
    }

    fn end(&self) {
        if self.tells && self.terminal {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}
