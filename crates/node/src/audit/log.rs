//! From whoever has something to write down to the one thread that does.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::denials::{Denials, LeftOut, Refusal};
use super::file::Files;
use super::record::{AuditKind, AuditRecord, Sender};
use crate::calendar;

/// Records that wait to be written; the next one is lost, and counted.
const WAITING: usize = 8_192;
/// Lines that are written at once.
const TOGETHER: usize = 256;
/// How long nothing must come to be written until it is looked whether refusals were left out.
const QUIET: Duration = Duration::from_secs(1);

/// Milliseconds until it is said again that nothing can be written.
const AGAIN_MS: u64 = 10_000;

/// Where it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditSettings {
    /// The file; older ones lie beside it, with a number.
    pub path: PathBuf,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files, that which is written among them.
    pub files: usize,
}

/// What became of the records, since the node was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuditTally {
    /// Written.
    pub written: u64,
    /// Lost: there was no room, or they could not be written.
    pub lost: u64,
    /// Refusals, logins and logouts that were only counted.
    pub suppressed: u64,
}

/// A record, and when it was made.
type Waiting = Box<(u64, AuditRecord)>;

#[derive(Default)]
struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
    suppressed: AtomicU64,
}

/// The audit log of a node; nothing happens where none is wanted.
#[derive(Default)]
pub struct Audit {
    sender: OnceLock<Mutex<Option<SyncSender<Waiting>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
    denials: Arc<Mutex<Denials>>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("tally", &self.tally()).finish_non_exhaustive()
    }
}

impl Audit {
    /// One that writes.
    ///
    /// # Errors
    /// The file cannot be written, or there is no thread for it.
    pub fn start(settings: &AuditSettings, node: &str) -> std::io::Result<Self> {
        let mut files = Files::new(settings.path.clone(), settings.file_bytes, settings.files);
        // Whoever wants one is told at the start that there can be none.
        files.append(b"")?;
        let (sender, receiver) = sync_channel(WAITING);
        let counts = Arc::new(Counts::default());
        let denials: Arc<Mutex<Denials>> = Arc::default();
        let mut writer = Writer {
            files,
            node: node.to_owned(),
            counts: Arc::clone(&counts),
            denials: Arc::clone(&denials),
            said_ms: None,
        };
        let work = move || writer.run(&receiver);
        let writer = std::thread::Builder::new().name("audit".to_owned()).spawn(work)?;
        let writer = Mutex::new(Some(writer));
        let audit = Self { writer, counts, denials, ..Self::default() };
        drop(audit.sender.set(Mutex::new(Some(sender))));
        Ok(audit)
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.sender.get().is_some()
    }

    /// What became of the records.
    #[must_use]
    pub fn tally(&self) -> AuditTally {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        AuditTally {
            written: count(&self.counts.written),
            lost: count(&self.counts.lost),
            suppressed: count(&self.counts.suppressed),
        }
    }

    /// Writes down a record, some time soon. Of those that anybody can bring about, 20 of each kind in a
    /// second and 400 in an hour, so that they push nothing else out of the files, and hide no other kind.
    pub fn record(
        &self,
        now_ms: u64,
        record: impl FnOnce() -> AuditRecord,
        refusal: Option<Refusal>,
    ) {
        if !self.is_on() {
            return;
        }
        if let Some(refusal) = refusal {
            let (takes, left_out) = self.denials.lock().takes(refusal, now_ms);
            if !takes {
                self.counts.suppressed.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(left_out) = left_out {
                self.send(now_ms, suppressed(left_out));
            }
            if !takes {
                return;
            }
        }
        self.send(now_ms, record());
    }

    fn send(&self, now_ms: u64, record: AuditRecord) {
        let Some(sender) = self.sender.get() else { return };
        let record = Box::new((now_ms, record));
        let is_sent = sender.lock().as_ref().is_some_and(|it| it.try_send(record).is_ok());
        if !is_sent {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what waits, and no more after that.
    pub fn stop(&self, now_ms: u64) {
        let all = self.denials.lock().last();
        all.into_iter().for_each(|left_out| self.send(now_ms, suppressed(left_out)));
        if let Some(sender) = self.sender.get() {
            drop(sender.lock().take());
        }
        if let Some(writer) = self.writer.lock().take() {
            drop(writer.join());
        }
    }
}

fn suppressed(left_out: LeftOut) -> AuditRecord {
    AuditRecord {
        kind: AuditKind::Suppressed,
        who: Sender::default(),
        what: left_out.refusal.lines().to_owned(),
        on: left_out.refusal.name().to_owned(),
        outcome: left_out.count.to_string(),
    }
}

/// What the one thread that writes has.
struct Writer {
    files: Files,
    node: String,
    counts: Arc<Counts>,
    denials: Arc<Mutex<Denials>>,
    /// When it was last said that nothing can be written.
    said_ms: Option<u64>,
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<Waiting>) {
        loop {
            let first = match receiver.recv_timeout(QUIET) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    let left_out = self.denials.lock().quiet();
                    let all: Vec<_> =
                        left_out.into_iter().map(|it| (it.at_ms, suppressed(it))).collect();
                    if !all.is_empty() {
                        self.write(&all);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let rest = receiver.try_iter().take(TOGETHER);
            let all: Vec<_> = std::iter::once(first).chain(rest).map(|waiting| *waiting).collect();
            self.write(&all);
        }
    }

    fn write(&mut self, all: &[(u64, AuditRecord)]) {
        let mut lines = String::new();
        for (now_ms, record) in all {
            lines.push_str(&record.line(&calendar::wall(*now_ms), &self.node));
        }
        let (count, counts) = (all.len() as u64, &self.counts);
        match self.files.append(lines.as_bytes()) {
            Ok(()) => drop(counts.written.fetch_add(count, Ordering::Relaxed)),
            Err(error) => {
                counts.lost.fetch_add(count, Ordering::Relaxed);
                let newest_ms = all.last().map_or(0, |(now_ms, _)| *now_ms);
                if self.said_ms.is_none_or(|said| newest_ms.saturating_sub(said) >= AGAIN_MS) {
                    self.said_ms = Some(newest_ms);
                    tracing::error!(%error, "the audit log cannot be written: records are lost");
                }
            }
        }
    }
}
