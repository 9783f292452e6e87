//! A Debian package, made of a binary that is there, by `dpkg-deb` alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::run::{self, cargo, root};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The binary to pack; else one is built for release.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the package goes.
    #[arg(long, default_value = "target/packages")]
    output: PathBuf,
}

/// What is copied: from, to, mode. The binary and what it says of itself come besides.
const FILES: [(&str, &str, u32); 9] = [
    ("packaging/systemd/hiraeth.service", "usr/lib/systemd/system/hiraeth.service", 0o644),
    ("packaging/systemd/hiraeth.toml", "etc/hiraeth/hiraeth.toml", 0o644),
    ("packaging/prometheus/alerts.yml", "usr/share/hiraeth/prometheus/alerts.yml", 0o644),
    ("packaging/prometheus/prometheus.yml", "usr/share/hiraeth/prometheus/prometheus.yml", 0o644),
    ("packaging/grafana/hiraeth.json", "usr/share/hiraeth/grafana/hiraeth.json", 0o644),
    ("LICENSE", "usr/share/doc/hiraeth/copyright", 0o644),
    ("packaging/deb/postinst", "DEBIAN/postinst", 0o755),
    ("packaging/deb/prerm", "DEBIAN/prerm", 0o755),
    ("packaging/deb/postrm", "DEBIAN/postrm", 0o755),
];
/// Documents, compressed as Debian has them.
const DOCUMENTS: [&str; 2] = ["docs/operations.md", "CHANGELOG.md"];

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => {
            cargo(&["build", "--release", "--package", "hiraeth"])?;
            run::release("hiraeth").into()
        }
    };
    let version = said(&binary, &["--version"])?;
    let version = version.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    let architecture = said(Path::new("dpkg"), &["--print-architecture"])?.trim().to_owned();
    let output = root().join(&options.output);
    let name = format!("hiraeth_{version}_{architecture}");
    let stage = output.join(&name);
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    for (from, to, mode) in FILES {
        put(&stage, to, &fs::read(root().join(from)).context(from)?, mode)?;
    }
    let program = stage.join("usr/bin/hiraeth");
    put(&stage, "usr/bin/hiraeth", &fs::read(&binary)?, 0o755)?;
    // Names of functions stay, for the flight recorder's panics; lines are for debuggers.
    run::run("strip", &["--strip-debug", &program.display().to_string()])?;
    for (shell, to) in [
        ("bash", "usr/share/bash-completion/completions/hiraeth"),
        ("zsh", "usr/share/zsh/vendor-completions/_hiraeth"),
        ("fish", "usr/share/fish/vendor_completions.d/hiraeth.fish"),
    ] {
        put(&stage, to, said(&program, &["completions", shell])?.as_bytes(), 0o644)?;
    }
    for document in DOCUMENTS {
        let file = Path::new(document).file_name().unwrap_or_default().to_string_lossy();
        let to = format!("usr/share/doc/hiraeth/{file}");
        put(&stage, &to, &fs::read(root().join(document))?, 0o644)?;
        run::run("gzip", &["-9n", &stage.join(&to).display().to_string()])?;
    }
    put(&stage, "DEBIAN/conffiles", b"/etc/hiraeth/hiraeth.toml\n", 0o644)?;
    let control = control(&stage, &program, &version, &architecture)?;
    put(&stage, "DEBIAN/control", control.as_bytes(), 0o644)?;
    let package = output.join(format!("{name}.deb"));
    let (from, to) = (stage.display().to_string(), package.display().to_string());
    run::run("dpkg-deb", &["--root-owner-group", "-Zxz", "--build", &from, &to])?;
    fs::remove_dir_all(&stage)?;
    Ok(())
}

fn put(stage: &Path, to: &str, contents: &[u8], mode: u32) -> anyhow::Result<()> {
    let path = stage.join(to);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, contents).with_context(|| path.display().to_string())?;
    Ok(fs::set_permissions(&path, Permissions::from_mode(mode))?)
}

fn control(
    stage: &Path,
    program: &Path,
    version: &str,
    architecture: &str,
) -> anyhow::Result<String> {
    let stage = stage.display().to_string();
    let size = said(Path::new("du"), &["-sk", "--apparent-size", &stage])?;
    let size = size.split_whitespace().next().unwrap_or("0").to_owned();
    let needs = libraries(program)?;
    let depends = if needs { "libc6 (>= 2.34), libgcc-s1, passwd" } else { "passwd" };
    Ok(format!(
        "Package: hiraeth\nVersion: {version}\nArchitecture: {architecture}\nSection: net\nPriority: \
         optional\nMaintainer: Hiraeth <hiraeth@localhost>\nInstalled-Size: {size}\nDepends: \
         {depends}\nDescription: registry, configuration, locks, keys and values, replicated\n A service \
         registry, configuration store, lock service and key-value store:\n replicated by Raft, durable, \
         linearizable. Clients of etcd and of Consul talk\n to it as they are.\n"
    ))
}

/// Whether a program needs libraries of the system; a static one does not.
fn libraries(program: &Path) -> anyhow::Result<bool> {
    let program = program.display().to_string();
    Ok(said(Path::new("readelf"), &["-d", &program])?.contains("(NEEDED)"))
}

/// What a program says.
fn said(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("{} cannot be started", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
