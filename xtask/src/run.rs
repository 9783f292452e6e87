//! Running other programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}

/// Runs a program in the root; its failure is an error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let words = std::iter::once(program).chain(arguments.iter().copied());
    let line = words.collect::<Vec<_>>().join(" ");
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .status()
        .with_context(|| format!("{program} cannot be started"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a program several times at once, each time with other arguments, and shows what each printed. The
/// failure of any is an error.
pub(crate) fn together(program: &str, all: &[Vec<&str>]) -> anyhow::Result<()> {
    let one = |arguments: &Vec<&str>| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root()).stderr(Stdio::inherit());
        let output = command.output().with_context(|| format!("{program} cannot be started"))?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            bail!("`{program} {}` failed: {}", arguments.join(" "), output.status);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = all.iter().map(|arguments| scope.spawn(|| one(arguments))).collect();
        let ended = running.into_iter().map(|it| it.join().unwrap_or_else(|_| bail!("a panic")));
        let ended: Vec<anyhow::Result<()>> = ended.collect();
        ended.into_iter().collect()
    })
}

/// Runs exactly one test of an integration test binary called `it`; one that does not exist, or fails,
/// is an error.
pub(crate) fn one_test(package: &str, name: &str) -> anyhow::Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--quiet", "--package", package, "--test", "it", "--", "--exact", name])
        .current_dir(root())
        .output()
        .context("cargo cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !text.contains("1 passed") {
        bail!("{package} {name}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// `cargo` with these arguments, as this toolchain has it.
pub(crate) fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}

/// Announces a step, does it, and says how long it took.
pub(crate) fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("\n=== {name}");
    let start = Instant::now();
    work().with_context(|| format!("step {name:?} failed"))?;
    println!("=== {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The path of a binary that was built for release.
pub(crate) fn release(name: &str) -> String {
    built("release", name)
}

/// The path of a binary that was built with this profile.
pub(crate) fn built(profile: &str, name: &str) -> String {
    let target =
        std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from);
    target.join(profile).join(name).display().to_string()
}
