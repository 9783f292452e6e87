use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::cage::{Cage, Mounts};
use super::setup::{OwnDisk, Setup};
use super::shim::{Lost, Shim};
use crate::place::{Addresses, Setting};

/// Words in a log that tell of a bug of the server.
const ALARMS: [&str; 3] = ["the node stops serving", "panicked at", "a region was quarantined"];

/// One process of the binary, while it runs and while it does not.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) addresses: Addresses,
    at: usize,
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
    log: PathBuf,
    pub(crate) members: String,
    /// What else it is started with.
    pub(crate) arguments: Vec<String>,
    pub(crate) disk: Option<OwnDisk>,
    pub(crate) cage: Option<Cage>,
    shim: Option<Shim>,
    /// Whether it may stop by itself.
    may_end: bool,
    process: Option<Child>,
    /// Ended by itself.
    ended: Vec<String>,
    /// What its log says before this byte was looked at.
    judged_to: u64,
}

pub(crate) fn name(at: usize) -> String {
    format!("n{}", at + 1)
}

impl Server {
    pub(crate) fn new(
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
            arguments: Vec::new(),
            disk: None,
            cage: None,
            shim: None,
            may_end: false,
            process: None,
            ended: Vec::new(),
            judged_to: 0,
        })
    }

    /// Gives it what is asked for before its first start.
    pub(super) fn prepare(
        &mut self,
        folder: &Path,
        setup: Setup,
        mounts: Option<&Arc<Mounts>>,
    ) -> anyhow::Result<()> {
        if setup.disks {
            let image = folder.join(format!("{}.ext4", self.name));
            self.disk = Some(OwnDisk::make(&image, &self.data)?);
        }
        self.cage = mounts.map(|mounts| Cage::make(mounts, &self.name)).transpose()?;
        if setup.shim {
            let shim = Shim::make(folder, &self.name, &self.data)?;
            shim.data().clone_into(&mut self.data);
            self.shim = Some(shim);
        }
        Ok(())
    }

    /// Tells the preloaded library to do something.
    pub(crate) fn order(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.shim()?.order(name, text)
    }

    /// The library preloaded into it.
    pub(crate) fn shim(&self) -> anyhow::Result<&Shim> {
        self.shim.as_ref().context("no library was preloaded")
    }

    /// From now on it may stop by itself.
    pub(crate) fn may_end(&mut self) {
        self.may_end = true;
    }

    /// From now on it may not any more; what it said until now was wanted.
    pub(crate) fn must_run(&mut self) {
        self.may_end = false;
        self.ended.clear();
        self.judged_to = self.log_bytes();
    }

    /// Whether it ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.look();
        if self.process.is_none() { self.ended.pop() } else { None }
    }

    /// Bytes in its log.
    pub(crate) fn log_bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |meta| meta.len())
    }

    /// Its log from byte `from` on.
    pub(crate) fn log_since(&self, from: u64) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(from).unwrap_or(0).min(log.len());
        String::from_utf8_lossy(&log[from..]).into_owned()
    }

    /// Starts the process unless it runs.
    pub(crate) fn start(&mut self, setting: &Setting) -> anyhow::Result<()> {
        self.look();
        if self.process.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("{} cannot be written", self.log.display()))?;
        let words = self.cage.as_ref().map(Cage::words).unwrap_or_default();
        let mut words = words.into_iter().chain([self.binary.display().to_string()]);
        let mut command = setting.command(self.at, &words.next().unwrap_or_default());
        command.args(words);
        if let Some(shim) = &self.shim {
            shim.preload(&mut command);
        }
        let child = command
            .arg("serve")
            .args(["--name", &self.name])
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--listen-client", &self.addresses.client])
            .args(["--listen-peer", &self.addresses.peer])
            .args(["--listen-http", &self.addresses.http])
            .args(["--initial-cluster", &self.members])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.name))?;
        self.process = Some(child);
        Ok(())
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
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

    /// Has the process end as an operator does, and waits until it has.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(30);
        self.signal(Signal::TERM);
        let Some(mut child) = self.process.take() else { return Ok(()) };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait()? {
                if !status.success() {
                    self.ended.push(format!("{} was told to stop, and: {status}", self.name));
                }
                return Ok(());
            }
            if Instant::now() > deadline {
                self.process = Some(child);
                bail!("{} does not stop within {PATIENCE:?}", self.name);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the process as `kill -9` does.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.process.take() {
            child.kill()?;
            let status = child.wait()?;
            if status.signal() != Some(Signal::KILL.as_raw()) {
                self.ended.push(format!("{} ended by itself: {status}", self.name));
            }
        }
        Ok(())
    }

    /// It is about to stop by itself for a reason that somebody gave it. Waits until it has, and does not
    /// hold against it that it says so.
    pub(crate) async fn stops(&mut self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while let Some(child) = &mut self.process {
            if let Some(status) = child.try_wait()? {
                self.process = None;
                // Who stops says so with a code of its own; a signal is an accident.
                if status.code().is_none() {
                    self.ended.push(format!("{} was to stop, and: {status}", self.name));
                }
            } else if Instant::now() > deadline {
                bail!("{} runs on for {patience:?}", self.name);
            } else {
                sleep(Duration::from_millis(20)).await;
            }
        }
        let worse = self.alarms(&ALARMS[1..]);
        self.ended.extend(worse);
        self.judged_to = self.log_bytes();
        Ok(())
    }

    /// Its power goes: after so many more writes, or only of those beside its log, it loses, as a seed says,
    /// what it did not sync, and ends.
    pub(crate) fn cut_power(&self, seed: u64, writes: u64, beside: bool) -> anyhow::Result<()> {
        self.order("power", &format!("{seed} {writes} {}", u8::from(beside)))
    }

    /// Waits for the end of a server whose power goes; what it lost.
    pub(crate) async fn without_power(&mut self) -> anyhow::Result<Lost> {
        const PATIENCE: Duration = Duration::from_secs(30);
        let deadline = Instant::now() + PATIENCE;
        let Some(child) = &mut self.process else { bail!("{} does not run", self.name) };
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    bail!("{} runs on for {PATIENCE:?} without power", self.name);
                }
                None => sleep(Duration::from_millis(5)).await,
            }
        };
        self.process = None;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            self.ended.push(format!("{} ended by itself: {status}", self.name));
            return Ok(Lost::default());
        }
        self.shim()?.lost()
    }

    pub(crate) fn findings(&mut self) -> Vec<String> {
        self.look();
        let alarms = self.alarms(if self.may_end { &ALARMS[1..] } else { &ALARMS[..] });
        let ended = self.ended.iter().filter(|_| !self.may_end).cloned();
        ended.chain(alarms).collect()
    }

    /// What no server may say, also one that was to end.
    pub(crate) fn accidents(&self) -> Vec<String> {
        self.alarms(&ALARMS[1..])
    }

    /// Lines of its log with any of these words.
    fn alarms(&self, words: &[&str]) -> Vec<String> {
        let log = self.log_since(self.judged_to);
        let is_alarm = |line: &&str| words.iter().any(|word| line.contains(word));
        log.lines().filter(is_alarm).map(|line| format!("{}: {line}", self.name)).collect()
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
