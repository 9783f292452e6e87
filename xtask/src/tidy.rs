//! The architecture as a check. What is drawn in ARCHITECTURE.md holds here or nowhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::run::root;

/// Crates and what they may use of ours; arrows point down only.
const MAY_USE: [(&str, &[&str]); 23] = [
    ("types", &[]),
    ("env", &["types"]),
    ("tls", &[]),
    ("consensus", &["types"]),
    ("state", &["types"]),
    ("configuration", &["types", "state"]),
    ("storage", &["types", "env"]),
    ("region", &["types", "consensus", "state"]),
    ("placement", &["types"]),
    ("proto", &["types"]),
    ("jwt", &["types"]),
    ("probe", &["proto", "tls"]),
    ("spans", &["proto", "tls"]),
    (
        "node",
        &[
            "types",
            "env",
            "tls",
            "consensus",
            "state",
            "configuration",
            "storage",
            "region",
            "placement",
            "proto",
            "probe",
            "spans",
        ],
    ),
    ("http2", &[]),
    ("api", &["node", "state", "configuration", "proto", "types", "http2", "jwt", "tls", "spans"]),
    ("client", &["proto", "types", "tls"]),
    ("gateway", &["proto", "tls", "types"]),
    ("hiraeth", &["api", "node", "client", "gateway", "proto", "types", "tls", "spans"]),
    ("check", &[]),
    (
        "sim",
        &["types", "env", "consensus", "state", "storage", "region", "placement", "node", "check"],
    ),
    ("chaos", &["client", "proto", "types", "check"]),
    ("fuzz", &["api", "node", "proto", "types"]),
];

/// What only tests use, beside that.
const TESTS_MAY_USE: [(&str, &[&str]); 2] =
    [("gateway", &["api", "client", "node"]), ("hiraeth", &["check"])];

/// Crates that take time, randomness and I/O from outside.
const PURE: [&str; 9] = [
    "types",
    "consensus",
    "state",
    "configuration",
    "region",
    "placement",
    "check",
    "http2",
    "jwt",
];

/// What a pure crate does not say outside its tests, and why.
const IMPURE: [(&str, &str); 8] = [
    ("std::time", "time comes from outside"),
    ("std::fs", "I/O comes from outside"),
    ("std::net", "I/O comes from outside"),
    ("std::thread", "threads belong to the driver"),
    ("std::env", "configuration comes from outside"),
    ("tokio", "pure crates are not asynchronous"),
    ("HashMap", "its order differs from run to run; use BTreeMap"),
    ("HashSet", "its order differs from run to run; use BTreeSet"),
];

/// Lines in a source file, from which on it no longer holds one idea.
const LINES: usize = 600;
/// Columns, so that two files fit side by side; rustfmt keeps code below, this keeps comments.
const COLUMNS: usize = 110;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    check_arrows(&mut faults)?;
    for (name, _) in MAY_USE {
        let folder = root().join("crates").join(name);
        for path in sources(&folder)? {
            check_file(name, &path, &mut faults)?;
        }
    }
    for path in sources(&root().join("xtask"))? {
        check_file("xtask", &path, &mut faults)?;
    }
    if faults.is_empty() {
        println!("tidy: the arrows point down, pure crates are pure");
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    bail!("{} things are not tidy", faults.len())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev` where only tests use it.
    kind: Option<String>,
    path: Option<PathBuf>,
}

fn check_arrows(faults: &mut Vec<String>) -> anyhow::Result<()> {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .context("cargo metadata cannot be run")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let of_tests: BTreeMap<&str, &[&str]> = TESTS_MAY_USE.into_iter().collect();
    for package in metadata.packages.iter().filter(|package| package.name != "xtask") {
        let folder = package.manifest_path.parent().and_then(Path::file_name);
        if folder.and_then(|folder| folder.to_str()) != Some(&package.name) {
            faults.push(format!("crate {} lives in a folder of another name", package.name));
        }
        let Some(allowed) = rules.get(package.name.as_str()) else {
            faults.push(format!("crate {} is not in the drawing; add it to tidy.rs", package.name));
            continue;
        };
        for used in package.dependencies.iter().filter(|used| used.path.is_some()) {
            let tests = of_tests.get(package.name.as_str()).copied().unwrap_or_default();
            let in_tests =
                used.kind.as_deref() == Some("dev") && tests.contains(&used.name.as_str());
            if !in_tests && !allowed.contains(&used.name.as_str()) {
                faults.push(format!("crate {} must not use crate {}", package.name, used.name));
            }
        }
    }
    Ok(())
}

fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn check_file(name: &str, path: &Path, faults: &mut Vec<String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    let lines = text.lines().count();
    if lines > LINES {
        faults.push(format!("{shown} has {lines} lines; more than {LINES} are several ideas"));
    }
    let is_test = shown.contains("/tests/") || shown.ends_with("tests.rs");
    let mut in_tests = is_test;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        if line.chars().count() > COLUMNS {
            faults.push(format!("{shown}:{number} is over {COLUMNS} columns"));
        }
        in_tests |= line.trim() == "#[cfg(test)]";
        if PURE.contains(&name) && !in_tests {
            let code = line.split("//").next().unwrap_or(line);
            for (word, why) in IMPURE {
                if code.contains(word) {
                    faults.push(format!("{shown}:{number} says {word}: {why}"));
                }
            }
        }
    }
    Ok(())
}
