use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use client::HeldLock;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::Command;
use tokio::time::sleep;

use super::signals::Caught;

/// The fencing token, for what is written to under the lock.
const TOKEN: &str = "HIRAETH_FENCING_TOKEN";
/// The key that is there as long as the lock is held.
const KEY: &str = "HIRAETH_LOCK_KEY";

/// How often it is looked whether a group of processes is still there: only their parents are told that they
/// ended, and of most that is not this process.
const LOOK: Duration = Duration::from_millis(20);

/// The command at work.
pub(super) struct Child {
    process: tokio::process::Child,
    pid: Option<Pid>,
    /// Whether it and all that it starts can be reached together. On a terminal they are in this process'
    /// group, or they could not read from it.
    is_apart: bool,
}

impl Child {
    pub(super) fn start(command: &[OsString], held: &HeldLock) -> io::Result<Self> {
        let mut words = command.iter();
        let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
        let is_apart = !io::stdin().is_terminal();
        let mut command = Command::new(program);
        command.args(words).env(TOKEN, held.fence().to_string());
        command.env(KEY, String::from_utf8_lossy(held.key()).into_owned());
        if is_apart {
            command.process_group(0);
        }
        let process = command.spawn()?;
        let pid = process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Ok(Self { process, pid, is_apart })
    }

    /// Waits for its end: its exit code, or 128 and the number of the signal that ended it.
    pub(super) async fn ended(&mut self) -> u8 {
        let Ok(status) = self.process.wait().await else { return 1 };
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
    }

    /// Waits for its end and, where they can be reached, that of all it started.
    pub(super) async fn all_ended(&mut self) {
        self.ended().await;
        let Some(pid) = self.pid.filter(|_| self.is_apart) else { return };
        while test_kill_process_group(pid).is_ok() {
            sleep(LOOK).await;
        }
    }

    /// Passes a signal on.
    pub(super) fn tell(&self, caught: Caught) {
        // The terminal has told it, too.
        if self.is_apart || caught != Caught::Interrupt {
            self.send(caught.signal());
        }
    }

    pub(super) fn kill(&self) {
        self.send(Signal::KILL);
    }

    fn send(&self, signal: Signal) {
        // One that has ended meanwhile needs no signal.
        let Some(pid) = self.pid else { return };
        let _ = match self.is_apart {
            true => kill_process_group(pid, signal),
            false => kill_process(pid, signal),
        };
    }
}
