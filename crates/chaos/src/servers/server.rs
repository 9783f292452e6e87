use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Addresses, Setting};

/// Words in a log that tell of a bug of the server.
const ALARMS: [&str; 3] = ["panicked at", "a region was quarantined", "the node stops serving"];

pub(super) struct Server {
    pub(super) name: String,
    pub(super) addresses: Addresses,
    at: usize,
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    members: String,
    process: Option<Child>,
    /// Ended by itself.
    ended: Vec<String>,
}

pub(super) fn name(at: usize) -> String {
    format!("n{}", at + 1)
}

impl Server {
    pub(super) fn new(
        at: usize,
        addresses: Addresses,
        binary: &Path,
        folder: &Path,
        members: String,
    ) -> anyhow::Result<Self> {
        let name = name(at);
        Ok(Self {
            at,
            addresses,
            binary: binary.canonicalize().with_context(|| binary.display().to_string())?,
            data: folder.join(&name),
            log: folder.join(format!("{name}.log")),
            name,
            members,
            process: None,
            ended: Vec::new(),
        })
    }

    /// Starts the process unless it runs.
    pub(super) fn start(&mut self, setting: &Setting) -> anyhow::Result<()> {
        self.look();
        if self.process.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("{} cannot be written", self.log.display()))?;
        let child = setting
            .command(self.at, &self.binary.display().to_string())
            .arg("serve")
            .args(["--name", &self.name])
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--listen-client", &self.addresses.client])
            .args(["--listen-peer", &self.addresses.peer])
            .args(["--listen-http", &self.addresses.http])
            .args(["--initial-cluster", &self.members])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.name))?;
        self.process = Some(child);
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = self.process.as_ref().map(Child::id).and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended this moment; that is seen by `look`.
            let _ = kill_process(pid, signal);
        }
    }

    /// Notes a process that ended though nobody ended it.
    fn look(&mut self) {
        if let Some(child) = &mut self.process
            && let Ok(Some(status)) = child.try_wait()
        {
            self.ended.push(format!("{} ended by itself: {status}", self.name));
            self.process = None;
        }
    }

    /// Ends the process as `kill -9` does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.process.take() {
            child.kill()?;
            let status = child.wait()?;
            if status.code().is_some() {
                self.ended.push(format!("{} ended by itself: {status}", self.name));
            }
        }
        Ok(())
    }

    pub(super) fn findings(&mut self) -> Vec<String> {
        self.look();
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let is_alarm = |line: &&str| ALARMS.iter().any(|alarm| line.contains(alarm));
        let alarms = log.lines().filter(is_alarm).map(|line| format!("{}: {line}", self.name));
        self.ended.iter().cloned().chain(alarms).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        if let Err(error) = self.kill() {
            eprintln!("chaos: {} may still run: {error}", self.name);
        }
    }
}
