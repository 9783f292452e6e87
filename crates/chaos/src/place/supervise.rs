//! The outer process: it makes the namespaces, runs this program again inside, and removes them
//! however the inner one ended.

use std::process::{Command, ExitCode};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::namespaces;
struct Namespaces(String);

impl Drop for Namespaces {
    fn drop(&mut self) {
        namespaces::remove(&self.0);
    }
}

/// With namespaces for `servers`.
pub(crate) fn supervise(servers: usize) -> anyhow::Result<ExitCode> {
    namespaces::remove_leftovers();
    let held = Namespaces(namespaces::prefix());
    namespaces::make(&held.0, servers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(run_inside(&held.0))?;
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn run_inside(prefix: &str) -> anyhow::Result<i32> {
    let program = std::env::current_exe().context("this program cannot be found")?;
    let mut inner = Command::new("ip");
    inner.args(["netns", "exec", &namespaces::hub(prefix)]).arg(program);
    inner.args(std::env::args_os().skip(1)).args(["--inside", prefix]);
    // Ctrl-C reaches the inner process from the terminal; this one stays to clean up.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut inner = tokio::process::Command::from(inner).spawn().context("ip cannot be run")?;
    loop {
        tokio::select! {
            biased;
            status = inner.wait() => return Ok(status?.code().unwrap_or(1)),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                let pid = inner.id().and_then(|pid| i32::try_from(pid).ok());
                if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
                }
            }
        }
    }
}
