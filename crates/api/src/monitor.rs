//! Log lines for those who follow them over HTTP. While nobody does, nothing is made for them: whoever writes
//! the log is told of each change by [`Lines::on_change`].

use std::sync::OnceLock;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use types::{Code, Fault};

/// Lines that wait for one that follows; who is slower misses the oldest.
const WAITING: usize = 512;
/// Who may follow at once.
const FOLLOWERS: usize = 16;

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was written.
    pub at: SystemTime,
    /// How much it matters.
    pub level: Level,
    /// The part of the server that says it.
    pub target: &'static str,
    /// What happened, then what of: `name=value`, each after a blank.
    pub text: String,
}

type OnChange = Box<dyn Fn(LevelFilter) + Send + Sync>;

/// The log of this process, as it goes on.
pub struct Lines {
    sender: Sender<Line>,
    /// What each that follows wants to see.
    wanted: Mutex<Vec<LevelFilter>>,
    on_change: OnceLock<OnChange>,
}

/// The lines of this process.
#[must_use]
pub fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| Lines {
        sender: channel(WAITING).0,
        wanted: Mutex::new(Vec::new()),
        on_change: OnceLock::new(),
    })
}

impl Lines {
    /// Calls `change` with what has to be told from then on, whenever that is another level; once for a
    /// process.
    pub fn on_change(&self, change: impl Fn(LevelFilter) + Send + Sync + 'static) {
        drop(self.on_change.set(Box::new(change)));
    }

    /// Tells a line to those who follow.
    pub fn tell(&self, line: Line) {
        // Nobody there any more: they left between the look at the level and here.
        drop(self.sender.send(line));
    }

    /// Follows what is written at `level` and what matters more, until it is dropped.
    ///
    /// # Errors
    /// `TooManyRequests`.
    pub(crate) fn follow(&'static self, level: LevelFilter) -> Result<Follower, Fault> {
        {
            let mut wanted = self.wanted.lock();
            if wanted.len() >= FOLLOWERS {
                let detail = format!("{FOLLOWERS} follow the log already");
                return Err(Fault::new(Code::TooManyRequests, detail));
            }
            wanted.push(level);
            self.changed(&wanted);
        }
        Ok(Follower { lines: self, level, receiver: self.sender.subscribe() })
    }

    /// Under the lock, so that the last word is that of the last change.
    fn changed(&self, wanted: &[LevelFilter]) {
        if let Some(change) = self.on_change.get() {
            change(wanted.iter().max().copied().unwrap_or(LevelFilter::OFF));
        }
    }
}

/// One that follows.
pub(crate) struct Follower {
    lines: &'static Lines,
    level: LevelFilter,
    pub(crate) receiver: Receiver<Line>,
}

impl Follower {
    /// Whether it wants to see the line.
    pub(crate) fn wants(&self, line: &Line) -> bool {
        line.level <= self.level
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut wanted = self.lines.wanted.lock();
        if let Some(at) = wanted.iter().position(|level| *level == self.level) {
            wanted.swap_remove(at);
        }
        self.lines.changed(&wanted);
    }
}
