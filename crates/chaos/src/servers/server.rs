use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::cage::{Cage, Mounts};
use super::setup::{OwnDisk, Setup, build_shim};
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
    /// Where the preloaded library looks for what to do, and the library.
    shim: Option<(PathBuf, PathBuf)>,
    /// Whether it may stop by itself.
    may_end: bool,
    process: Option<Child>,
    /// Ended by itself.
    ended: Vec<String>,
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
            let orders = folder.join(format!("{}.shim", self.name));
            std::fs::create_dir_all(&orders)?;
            self.shim = Some((orders, build_shim(folder)?));
        }
        Ok(())
    }

    /// Tells the preloaded library to do something.
    pub(crate) fn order(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (orders, _) = self.shim.as_ref().context("no library was preloaded")?;
        // Made elsewhere and moved: it is read at any moment.
        let made = orders.with_extension("new");
        std::fs::write(&made, text)?;
        Ok(std::fs::rename(made, orders.join(name))?)
    }

    /// From now on it may stop by itself.
    pub(crate) fn may_end(&mut self) {
        self.may_end = true;
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
        if let Some((orders, library)) = &self.shim {
            command.env("CHAOS_SHIM", orders).env("LD_PRELOAD", library);
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
            if status.code().is_some() {
                self.ended.push(format!("{} ended by itself: {status}", self.name));
            }
        }
        Ok(())
    }

    pub(crate) fn findings(&mut self) -> Vec<String> {
        self.look();
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let alarms = if self.may_end { &ALARMS[1..] } else { &ALARMS[..] };
        let is_alarm = |line: &&str| alarms.iter().any(|alarm| line.contains(alarm));
        let alarms = log.lines().filter(is_alarm).map(|line| format!("{}: {line}", self.name));
        let ended = self.ended.iter().filter(|_| !self.may_end).cloned();
        ended.chain(alarms).collect()
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
