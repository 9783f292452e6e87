//! Taking new certificates while the process runs.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::files::now;
use crate::notice;
use crate::set::{Refreshed, Set};

/// Files are often written one after the other; it is waited this long until they are looked at.
const SETTLE: Duration = Duration::from_millis(200);
/// How often the files are looked at though nothing told of a change: not every file system does.
const LOOK: Duration = Duration::from_secs(3600);
/// Before a certificate ends it is warned about,
const EARLY: Duration = Duration::from_secs(14 * 24 * 3600);
/// this often.
const WARN_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// Looks after the files of these sets for good: when one of them changes, and on SIGHUP, they are read, and
/// new connections go by what they say. What is wrong with them is said in the log, and what was in force
/// stays so. It is also said when a certificate is about to end.
///
/// From the call on, and not only once what it answers with runs, SIGHUP does not end the process: also
/// without any set, for who sends it means that settings are to be read, whatever they are.
///
/// # Errors
/// The process may not listen for the signal.
pub fn keep_fresh(sets: Vec<Arc<Set>>) -> io::Result<impl Future<Output = ()> + Send> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut kept: Vec<_> = sets.into_iter().map(Kept::new).collect();
    Ok(async move {
        if kept.is_empty() {
            while hangup.recv().await.is_some() {
                tracing::info!("SIGHUP: there are no certificates whose files could be looked at");
            }
            return;
        }
        loop {
            // Before they are read, or what is written meanwhile would be missed.
            let changes = Changes::of(&kept);
            for kept in &mut kept {
                kept.look().await;
            }
            wait(&changes, &mut hangup).await;
            sleep(SETTLE).await;
        }
    })
}

async fn wait(changes: &Changes, hangup: &mut Signal) {
    tokio::select! {
        () = changes.next() => {}
        _ = hangup.recv() => tracing::info!("SIGHUP: the files of certificates are looked at"),
        () = sleep(LOOK) => {}
    }
}

/// A set, and what was said about it.
struct Kept {
    set: Arc<Set>,
    trouble: String,
    warned: Option<Instant>,
}

impl Kept {
    fn new(set: Arc<Set>) -> Self {
        Self { set, trouble: String::new(), warned: None }
    }

    async fn look(&mut self) {
        let set = Arc::clone(&self.set);
        let Ok(refreshed) = spawn_blocking(move || set.refresh()).await else { return };
        self.tell(refreshed);
        self.warn();
    }

    fn tell(&mut self, refreshed: Result<Refreshed, Error>) {
        let name = self.set.name();
        match refreshed {
            Ok(Refreshed::Same) => self.trouble.clear(),
            Ok(Refreshed::New) => {
                self.trouble.clear();
                self.warned = None;
                let until = self.set.not_after().map(notice::day).unwrap_or_default();
                tracing::info!(
                    name,
                    until,
                    "new certificates: connections go by them from here on"
                );
            }
            Err(error) => {
                let told = error.to_string();
                // Every event of a directory leads here.
                if told != self.trouble {
                    tracing::error!(
                        name,
                        error = told,
                        "new certificates are not taken; those from before stay in force"
                    );
                    self.trouble = told;
                }
            }
        }
    }

    fn warn(&mut self) {
        let Some(until) = self.set.not_after() else { return };
        let left = Duration::from_secs(until.saturating_sub(now()));
        if left > EARLY || self.warned.is_some_and(|at| at.elapsed() < WARN_AGAIN) {
            return;
        }
        self.warned = Some(Instant::now());
        let (name, day, days) = (self.set.name(), notice::day(until), left.as_secs() / 86_400);
        match left.is_zero() {
            true => tracing::error!(name, day, "the certificate has expired: new connections fail"),
            false => tracing::warn!(
                name,
                day,
                days,
                "the certificate expires soon: put a new one in its place"
            ),
        }
    }
}

/// The folders that have files of these sets.
fn folders(kept: &[Kept]) -> BTreeSet<PathBuf> {
    let paths = kept.iter().flat_map(|kept| kept.set.files().paths());
    let folder = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    paths.map(folder).collect()
}

/// What the system tells of changes in folders, where it does.
struct Changes {
    #[cfg(target_os = "linux")]
    events: Option<tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>>,
}

#[cfg(target_os = "linux")]
impl Changes {
    /// Of the folders, not of the files: who replaces a file makes another one and renames it.
    fn of(kept: &[Kept]) -> Self {
        use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
        let begin = || -> io::Result<_> {
            let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            let what = WatchFlags::CLOSE_WRITE
                | WatchFlags::MOVED_TO
                | WatchFlags::CREATE
                | WatchFlags::ATTRIB;
            for folder in folders(kept) {
                inotify::add_watch(&events, &folder, what)?;
            }
            #[allow(
                deprecated,
                reason = "what takes its place is unsafe; what is owned is not closed behind its back"
            )]
            tokio::io::unix::AsyncFd::new(events)
        };
        match begin() {
            Ok(events) => Self { events: Some(events) },
            Err(error) => {
                tracing::warn!(%error, "changes of certificates are not told by this system; they are \
                    looked for once an hour, and on SIGHUP");
                Self { events: None }
            }
        }
    }

    /// Ends when something has changed. What it was is not asked: the files are read anyway, and the next
    /// time is waited for by other events.
    async fn next(&self) {
        match &self.events {
            None => pending().await,
            Some(events) => drop(events.readable().await),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Changes {
    fn of(kept: &[Kept]) -> Self {
        drop(folders(kept));
        Self {}
    }

    async fn next(&self) {
        pending().await
    }
}
