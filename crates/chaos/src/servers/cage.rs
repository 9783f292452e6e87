use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::setup::tool;

/// The length of the period that processor time is given out for, in microseconds.
const PERIOD: u64 = 100_000;
const KINDS: [&str; 2] = ["cpu", "memory"];

/// File systems of control groups, mounted for this process and its servers alone.
pub(super) struct Mounts([PathBuf; 2]);

impl Mounts {
    /// Below `folder`.
    pub(super) fn make(folder: &Path) -> anyhow::Result<Arc<Self>> {
        let mounts = Arc::new(Self(KINDS.map(|kind| folder.join(kind))));
        for (kind, root) in KINDS.iter().zip(&mounts.0) {
            std::fs::create_dir_all(root)?;
            tool("mount", &["-t", "cgroup", "-o", kind, "none", &root.display().to_string()])?;
        }
        Ok(mounts)
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for root in &self.0 {
            if let Err(error) = tool("umount", &["--lazy", &root.display().to_string()]) {
                eprintln!("chaos: {error:#}");
            }
        }
    }
}

/// A control group (version 1) of one server. The server moves into it before it becomes itself, so all of
/// its memory counts there.
pub(crate) struct Cage {
    /// Of each of [`KINDS`].
    groups: [PathBuf; 2],
    /// Until the groups are gone.
    _mounts: Arc<Mounts>,
}

impl Cage {
    /// Makes the groups of a server.
    pub(super) fn make(mounts: &Arc<Mounts>, name: &str) -> anyhow::Result<Self> {
        let name = format!("hiraeth-chaos-{}-{name}", std::process::id());
        let groups = mounts.0.each_ref().map(|root| root.join(&name));
        for group in &groups {
            std::fs::create_dir(group).with_context(|| group.display().to_string())?;
        }
        Ok(Self { groups, _mounts: Arc::clone(mounts) })
    }

    /// Words before a command by which it runs in the cage.
    pub(super) fn words(&self) -> Vec<String> {
        let enter =
            r#"echo $$ >"$0/cgroup.procs" && echo $$ >"$1/cgroup.procs" && shift && exec "$@""#;
        let groups = self.groups.iter().map(|group| group.display().to_string());
        ["sh", "-c", enter].map(str::to_owned).into_iter().chain(groups).collect()
    }

    /// So much of one processor; `None` for all there is.
    pub(crate) fn processor(&self, percent: Option<u64>) -> anyhow::Result<()> {
        let quota = percent.map_or("-1".to_owned(), |it| (PERIOD * it / 100).to_string());
        write(&self.groups[0].join("cpu.cfs_period_us"), &PERIOD.to_string())?;
        write(&self.groups[0].join("cpu.cfs_quota_us"), &quota)
    }

    /// About so many bytes, but not fewer than can be taken back now; how many. `None` for any number.
    pub(crate) fn memory(&self, bytes: Option<u64>) -> anyhow::Result<u64> {
        let file = self.groups[1].join("memory.limit_in_bytes");
        let Some(mut bytes) = bytes else {
            write(&file, "-1")?;
            return Ok(u64::MAX);
        };
        for _ in 0..20 {
            if write(&file, &bytes.to_string()).is_ok() {
                return Ok(bytes);
            }
            bytes += 1 << 20;
        }
        bail!("{} cannot be set to {bytes}", file.display())
    }
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("{} <- {text}", file.display()))
}

impl Drop for Cage {
    fn drop(&mut self) {
        for group in &self.groups {
            if let Err(error) = std::fs::remove_dir(group) {
                eprintln!("chaos: {} stays: {error}", group.display());
            }
        }
    }
}
