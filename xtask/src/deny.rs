//! `cargo deny`, installed into `target/tools` where the machine has none.

use std::process::Command;

use crate::run::{cargo, root};

/// The version whose checks `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// Licences, sources and duplicates. The advisory database comes from a host that not every machine
/// may reach, so it is a command of its own: `cargo deny check advisories`.
const CHECKS: [&str; 5] = ["--offline", "check", "licenses", "bans", "sources"];

pub(crate) fn run() -> anyhow::Result<()> {
    let tools = root().join("target/tools");
    let own = tools.join("bin/cargo-deny").display().to_string();
    let candidates = ["cargo-deny", &own];
    let found = candidates.into_iter().find(|program| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    let program = match found {
        Some(program) => program,
        None => {
            let tools = tools.display().to_string();
            // Unoptimized: built in half the time, and it looks at a few hundred crates once.
            let how = ["install", "--locked", "--debug", "--root", &tools, "--version", VERSION];
            cargo(&[&how[..], &["cargo-deny"]].concat())?;
            &own
        }
    };
    // The checks look at every platform's crates; a build only fetched those of this one.
    cargo(&["fetch", "--quiet"])?;
    crate::run::run(program, &CHECKS)
}
