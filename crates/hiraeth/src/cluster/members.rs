//! The processes of a local cluster.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::Context;

/// One server process.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) client: String,
    peer: String,
    http: String,
    dns: String,
    data: PathBuf,
    log: PathBuf,
    process: Option<Child>,
}

/// Ports of one node: clients, peers, HTTP, DNS; the rest of the ten is kept free.
const PORTS: u16 = 10;

/// The members of a cluster of `count` nodes whose ports begin at `base`.
pub(crate) fn lay_out(count: u16, base: u16, data: &Path) -> anyhow::Result<Vec<Member>> {
    (0..count)
        .map(|at| {
            let first = base.checked_add(at * PORTS).filter(|port| *port < u16::MAX - PORTS);
            let first = first.context("the ports do not fit below 65536")?;
            let name = format!("n{}", at + 1);
            let address = |offset: u16| format!("127.0.0.1:{}", first + offset);
            Ok(Member {
                client: address(0),
                peer: address(1),
                http: address(2),
                dns: address(3),
                data: data.join(&name),
                log: data.join(format!("{name}.log")),
                name,
                process: None,
            })
        })
        .collect()
}

/// `--initial-cluster` for these members.
pub(crate) fn initial_cluster(members: &[Member]) -> String {
    let all: Vec<String> =
        members.iter().map(|member| format!("{}={}", member.name, member.peer)).collect();
    all.join(",")
}

impl Member {
    /// Starts the process; its log is appended to `<data>/<name>.log`.
    pub(crate) fn start(&mut self, initial_cluster: &str) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("this program cannot be found")?;
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("{} cannot be written", self.log.display()))?;
        let child = Command::new(program)
            .arg("serve")
            .args(["--name", &self.name])
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--listen-client", &self.client])
            .args(["--listen-peer", &self.peer])
            .args(["--listen-http", &self.http])
            .args(["--listen-dns", &self.dns])
            .args(["--initial-cluster", initial_cluster])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.name))?;
        self.process = Some(child);
        Ok(())
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it ended without being told to by this program, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.try_wait().ok().flatten()?;
        self.process = None;
        Some(status)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Gone already is as good.
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Asks the process to stop in order.
    pub(crate) fn ask_to_stop(&self) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.wait());
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}
