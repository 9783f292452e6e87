//! What surrounds a server: a disk of its own among others.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::COUNT;

/// Bytes of a disk of its own: two log segments, the reserve that the server keeps, and room.
const DISK_BYTES: u64 = 1 << 30;

/// What servers get beside their binary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// How many there are at first.
    pub(crate) servers: usize,
    /// One more that may be added.
    pub(crate) spare: bool,
    /// MiB of memory of the engine, where it is not to be as much as usual.
    pub(crate) engine_mib: Option<u64>,
    /// Each data directory on an ext4 of its own, which can be filled and made read-only.
    pub(crate) disks: bool,
    /// The library by which syncs fail or take long, what was not synced is lost, and the wall clock jumps.
    pub(crate) shim: bool,
    /// A relay in front of each peer port.
    pub(crate) relays: bool,
    /// Each in a control group of its own, by which its processor time and its memory are bounded.
    pub(crate) cages: bool,
}

impl Setup {
    pub(crate) const PLAIN: Self = Self {
        servers: COUNT,
        spare: false,
        engine_mib: None,
        disks: false,
        shim: false,
        relays: false,
        cages: false,
    };
    pub(crate) const DISKS: Self = Self { disks: true, ..Self::PLAIN };
    pub(crate) const SHIM: Self = Self { shim: true, ..Self::PLAIN };
    pub(crate) const RELAYS: Self = Self { relays: true, ..Self::PLAIN };
    pub(crate) const CAGES: Self = Self { cages: true, ..Self::PLAIN };
}

/// Runs a tool; its failure is an error with its words.
pub(crate) fn tool(program: &str, words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(words).output();
    let output = output.with_context(|| format!("{program} cannot be run"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{program} {}: {text}", words.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A file system in a file, mounted at a data directory. It is mounted in the mount namespace that
/// `ip netns exec` made, and so goes with the last process in it.
pub(crate) struct OwnDisk {
    image: String,
    at: String,
}

impl OwnDisk {
    pub(super) fn make(image: &Path, at: &Path) -> anyhow::Result<Self> {
        // So that an unmount here reaches the namespaces of servers, too.
        tool("mount", &["--make-rshared", "/"])?;
        let file = std::fs::File::create(image)?;
        file.set_len(DISK_BYTES)?;
        std::fs::create_dir_all(at)?;
        let disk = Self { image: image.display().to_string(), at: at.display().to_string() };
        tool("mkfs.ext4", &["-q", "-m", "0", &disk.image])?;
        disk.mount("rw")?;
        Ok(disk)
    }

    /// Mounts it, `rw` or `ro`.
    pub(crate) fn mount(&self, how: &str) -> anyhow::Result<()> {
        let options = format!("loop,errors=remount-ro,{how}");
        tool("mount", &["-t", "ext4", "-o", &options, &self.image, &self.at]).map(drop)
    }

    /// Unmounts it and repairs what is wrong with it; its server must not run.
    pub(crate) fn unmount(&self) -> anyhow::Result<()> {
        tool("umount", &[&self.at])?;
        // 1 means that something was repaired.
        let status = Command::new("e2fsck").args(["-f", "-y", &self.image]).output()?.status;
        match status.code() {
            Some(0 | 1) => Ok(()),
            code => bail!("e2fsck of {} ended with {code:?}", self.image),
        }
    }

    /// Turns the file system read-only as its kernel driver does when the disk fails.
    pub(crate) fn fail(&self) -> anyhow::Result<()> {
        let mounts = std::fs::read_to_string("/proc/mounts")?;
        let mut lines = mounts.lines().map(|line| line.split(' '));
        let device = lines.find_map(|mut words| {
            let (device, at) = (words.next()?, words.next()?);
            (at == self.at).then(|| device.rsplit('/').next().map(str::to_owned))?
        });
        let device = device.with_context(|| format!("{} is not mounted", self.at))?;
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        std::fs::write(&trigger, "chaos").with_context(|| trigger)
    }

    /// Fills it until `left` bytes are free.
    pub(crate) fn fill(&self, left: u64) -> anyhow::Result<()> {
        let free = rustix::fs::statvfs(self.at.as_str())?;
        // The file system itself needs some for a large file.
        let bytes = (free.f_bavail * free.f_frsize).saturating_sub(left.max(4 << 20));
        let ballast = self.ballast();
        tool("fallocate", &["-l", &bytes.to_string(), &ballast])?;
        if left > 0 {
            return Ok(());
        }
        let mut file = std::fs::File::options().append(true).open(&ballast)?;
        loop {
            match std::io::Write::write_all(&mut file, &[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub(crate) fn free(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> String {
        // Beside the data, where the server does not look: a name it knows to be harmless.
        format!("{}/lost+found/ballast", self.at)
    }
}

impl Drop for OwnDisk {
    fn drop(&mut self) {
        // What is left of it goes when its processes have gone.
        drop(tool("umount", &["--lazy", &self.at]));
    }
}
