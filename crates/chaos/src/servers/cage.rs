use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::setup::tool;

/// The length of the period that processor time is given out for, in microseconds.
const PERIOD: u64 = 100_000;
const KINDS: [&str; 2] = ["cpu", "memory"];

/// A control group (version 1) of one server. The server moves into it before it becomes itself, so all of
/// its memory counts there.
pub(crate) struct Cage {
    /// Of each of [`KINDS`].
    groups: [PathBuf; 2],
}

impl Cage {
    /// Makes the groups of a server below `folder`, where their file systems are mounted for this process
    /// and the servers alone.
    pub(super) fn make(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let group = |kind: &str| -> anyhow::Result<PathBuf> {
            let root = folder.join(kind);
            if !root.exists() {
                std::fs::create_dir_all(&root)?;
                tool("mount", &["-t", "cgroup", "-o", kind, "none", &root.display().to_string()])?;
            }
            let group = root.join(format!("hiraeth-chaos-{}-{name}", std::process::id()));
            std::fs::create_dir(&group).with_context(|| group.display().to_string())?;
            Ok(group)
        };
        Ok(Self { groups: [group(KINDS[0])?, group(KINDS[1])?] })
    }

    /// Words before a command by which it runs in the cage.
    pub(super) fn words(&self) -> Vec<String> {
        let enter = r#"echo $$ >"$0/cgroup.procs" && echo $$ >"$1/cgroup.procs" && shift && exec "$@""#;
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
