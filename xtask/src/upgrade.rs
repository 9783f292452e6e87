//! From an older build to this one, under load: three servers of the older one are stopped and started again
//! one by one with this one, and no request of a client that tries again may fail.

use std::process::Command;

use crate::chaos::built_here;
use crate::run::{self, cargo, root};

/// The last build of level 2 (ADR 18). With those before 5750192 no running cluster can be shared.
const OLDEST: &str = "a623ce6";

/// Which build to come from. What follows is told to crate `chaos`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A commit, which is built under target/upgrade.
    #[arg(long, default_value = OLDEST)]
    from: String,
    /// A binary instead.
    #[arg(long, conflicts_with = "from")]
    binary: Option<String>,
    /// `--seconds N`, `--seed N`, `--keep`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let old = options.binary.clone().map_or_else(|| build(&options.from), Ok)?;
    let (chaos, new) = built_here()?;
    let mut arguments = vec!["--scenario", "rolling", "--binary", &old, "--upgrade-to", &new];
    arguments.extend(options.rest.iter().map(String::as_str));
    run::run(&chaos, &arguments)
}

/// The server as it was at a commit.
fn build(commit: &str) -> anyhow::Result<String> {
    let folder = root().join("target").join("upgrade");
    let (tree, target) = (folder.join(commit), folder.join("target"));
    let [tree, target] = [tree, target].map(|path| path.display().to_string());
    if !std::path::Path::new(&tree).exists() {
        run::run("git", &["worktree", "add", "--detach", &tree, commit])?;
    }
    let manifest = format!("{tree}/Cargo.toml");
    let build = ["build", "--quiet", "--locked", "--release", "--package", "hiraeth"];
    cargo(&[&build[..], &["--manifest-path", &manifest, "--target-dir", &target]].concat())?;
    let binary = format!("{target}/release/hiraeth");
    let version = Command::new(&binary).arg("--version").output()?;
    println!("from {commit}: {}", String::from_utf8_lossy(&version.stdout).trim());
    Ok(binary)
}
