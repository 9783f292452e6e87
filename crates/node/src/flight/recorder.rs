use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use env::{Clock, Disk, Moment};
use parking_lot::Mutex;
use std::path::Path;

use super::files::Files;
use super::leaders::Rest;
use super::sample::Sampler;
use super::{Event, LeaderNews, Sample, line};
use crate::region_state::StateKind;
use crate::shared::Shared;

/// Events that may wait to be written; more are dropped, and counted.
const QUEUE: usize = 4_096;
const EVERY: Duration = Duration::from_secs(1);
/// How much longer than asked for a thread sleeps when the process did not run.
const OVERSLEPT: Duration = Duration::from_secs(2);
/// How far the clock of the wall may leave the other in a second before it was set.
const JUMP_MS: u64 = 60_000;

/// What waits to be written; `None` only wakes the recorder.
struct News {
    at: u64,
    up: u64,
    event: Option<Event>,
}

/// The recorder as the rest of the node sees it.
pub(crate) struct Flight {
    clock: Arc<dyn Clock>,
    queue: SyncSender<News>,
    /// The recorder's, which holds it as long as it runs.
    waiting: Mutex<Receiver<News>>,
    ending: AtomicBool,
    dropped: AtomicU64,
    pub(crate) leaders: LeaderNews,
    last: Mutex<Sample>,
}

impl Flight {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (queue, waiting) = sync_channel(QUEUE);
        Self {
            clock,
            queue,
            waiting: Mutex::new(waiting),
            ending: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            leaders: LeaderNews::default(),
            last: Mutex::default(),
        }
    }

    /// Leaves news to be written. Never waits.
    pub(crate) fn note(&self, event: Event) {
        if !self.send(Some(event)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, event: Option<Event>) -> bool {
        let (at, up) = (self.clock.wall_millis(), milliseconds(self.clock.now()));
        self.queue.try_send(News { at, up, event }).is_ok()
    }

    /// Lets the recorder write what waits, and end.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        // If the queue is full, the recorder is awake.
        self.send(None);
    }

    /// The newest sample.
    pub(crate) fn last(&self) -> Sample {
        self.last.lock().clone()
    }
}

fn milliseconds(moment: Moment) -> u64 {
    u64::try_from(moment.0.as_millis()).unwrap_or(u64::MAX)
}

/// Where lines go. An error costs the lines, is told once, and the files are opened again with the
/// next lines.
pub(crate) struct Recorder {
    disk: Arc<dyn Disk>,
    directory: std::path::PathBuf,
    file_bytes: u64,
    files: Option<Files>,
    complained: bool,
    lines: Vec<u8>,
    count: u64,
}

impl Recorder {
    /// Writes below `data_dir`; with 0 bytes a file, nothing.
    pub(crate) fn new(disk: Arc<dyn Disk>, data_dir: &Path, file_bytes: u64) -> Self {
        Self {
            disk,
            directory: data_dir.join("flight"),
            file_bytes,
            files: None,
            complained: false,
            lines: Vec::new(),
            count: 0,
        }
    }

    pub(crate) fn add(&mut self, at: u64, up: u64, what: &impl serde::Serialize) {
        line::write(&mut self.lines, at, up, what);
        self.count += 1;
    }

    /// Writes what was added; answers how many records were lost.
    pub(crate) fn write(&mut self) -> u64 {
        let count = std::mem::take(&mut self.count);
        let lines = std::mem::take(&mut self.lines);
        if self.file_bytes == 0 || lines.is_empty() {
            return 0;
        }
        match self.append(&lines) {
            Ok(()) => {
                self.complained = false;
                0
            }
            Err(error) => {
                self.files = None;
                if !std::mem::replace(&mut self.complained, true) {
                    let directory = self.directory.display();
                    tracing::warn!(%directory, %error, "the flight recorder cannot write");
                }
                count
            }
        }
    }

    fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        let files = match &mut self.files {
            Some(files) => files,
            none => {
                none.insert(Files::open(Arc::clone(&self.disk), &self.directory, self.file_bytes)?)
            }
        };
        files.append(lines)
    }

    /// The last words: they should survive also a power cut that follows.
    pub(crate) fn sync(&self) {
        // Whoever reads it finds what is there.
        drop(self.files.as_ref().map(Files::sync));
    }
}

struct Pace {
    next: Moment,
    /// Wall and monotonic time at the last tick, in milliseconds.
    clocks: (u64, u64),
    sampler: Sampler,
    /// How many regions are in which state, those that are active left out.
    troubles: BTreeMap<String, u64>,
}

/// Records until [`Flight::end`]; the recorder's thread.
pub(crate) fn run(shared: &Arc<Shared>) {
    let (disk, config) = (Arc::clone(&shared.disk), &shared.config);
    let mut recorder = Recorder::new(disk, &config.data_dir, config.flight_file_bytes);
    let clock = &shared.clock;
    let mut pace = Pace {
        next: clock.now().after(EVERY),
        clocks: (clock.wall_millis(), milliseconds(clock.now())),
        sampler: Sampler::default(),
        troubles: BTreeMap::new(),
    };
    let waiting = shared.flight.waiting.lock();
    let mut open = true;
    while open {
        // Before the queue is emptied: all that was left there before the end is written.
        open = !shared.flight.ending.load(Ordering::Acquire);
        let began = clock.now();
        let patience = pace.next.since(began);
        let first =
            if open { waiting.recv_timeout(patience) } else { Err(RecvTimeoutError::Timeout) };
        let overslept = clock.now().since(began).saturating_sub(patience);
        if first.is_err() && overslept > OVERSLEPT {
            let ms = u64::try_from(overslept.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(ms, "the process did not run");
            add_now(shared, &mut recorder, &Event::Paused { ms });
        }
        for News { at, up, event } in first.into_iter().chain(waiting.try_iter().take(QUEUE)) {
            if let Some(event) = event {
                recorder.add(at, up, &event);
            }
        }
        if open && clock.now() >= pace.next {
            pace.next = clock.now().after(EVERY);
            tick(shared, &mut recorder, &mut pace);
        }
        let lost = recorder.write();
        shared.meters.flight_dropped.add(lost);
    }
    if shared.failed().is_none() {
        recorder.sync();
    }
}

fn add_now(shared: &Shared, recorder: &mut Recorder, what: &impl serde::Serialize) {
    recorder.add(shared.clock.wall_millis(), milliseconds(shared.clock.now()), what);
}

fn tick(shared: &Shared, recorder: &mut Recorder, pace: &mut Pace) {
    let now = (shared.clock.wall_millis(), milliseconds(shared.clock.now()));
    let before = std::mem::replace(&mut pace.clocks, now);
    let expected = before.0.saturating_add(now.1.saturating_sub(before.1));
    if now.0.abs_diff(expected) > JUMP_MS {
        let by_ms = i64::try_from(i128::from(now.0) - i128::from(expected)).unwrap_or(0);
        tracing::warn!(by_ms, "the clock of the wall jumped; nothing here goes by it");
        add_now(shared, recorder, &Event::ClockJump { by_ms });
    }
    if let Some(Rest { by_leader, last }) = shared.flight.leaders.rest(shared.clock.now()) {
        let regions = by_leader.values().sum();
        tracing::info!(regions, ?by_leader, "leaders changed");
        add_now(shared, recorder, &Event::Leaders { regions, by_leader, last });
    }
    let by_state = states(shared);
    // That there is a region more is no news.
    let odd = |states: &BTreeMap<String, u64>| {
        let odd = states.iter().filter(|(state, _)| **state != StateKind::Active.name());
        odd.map(|(state, count)| (state.clone(), *count)).collect::<BTreeMap<_, _>>()
    };
    let troubles = odd(&by_state);
    if troubles != pace.troubles {
        tell_states(&by_state);
        add_now(shared, recorder, &Event::States { by_state });
        pace.troubles = troubles;
    }
    let records = shared.flight.dropped.swap(0, Ordering::Relaxed);
    if records > 0 {
        shared.meters.flight_dropped.add(records);
        add_now(shared, recorder, &Event::Dropped { records });
    }
    let sample = pace.sampler.take(shared);
    add_now(shared, recorder, &sample);
    *shared.flight.last.lock() = sample;
}

/// How many regions are in which state.
fn states(shared: &Shared) -> BTreeMap<String, u64> {
    let mut states = BTreeMap::new();
    let shards = shared.shards();
    let liveness = shared.live.liveness.lock();
    for shard in shards.values() {
        let kind = match shared.state_kind(&liveness, shard) {
            // Too short to be told of.
            StateKind::Transferring => StateKind::Active,
            kind => kind,
        };
        *states.entry(kind.name().to_owned()).or_default() += 1;
    }
    states
}

fn tell_states(states: &BTreeMap<String, u64>) {
    let text: Vec<String> =
        states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let text = text.join(", ");
    if states.keys().all(|state| state == StateKind::Active.name()) {
        tracing::info!("regions here: {text}");
    } else {
        tracing::warn!("regions here: {text}");
    }
}
