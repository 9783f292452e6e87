//! Real servers under faults; the program itself is crate `chaos`.

use crate::run::{self, built, cargo};

/// What to do to the servers. What follows is told to crate `chaos`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--scenario S`, `--seconds N`, `--minutes N`, `--seed N`, `--output json`; `--help` for all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let rest: Vec<&str> = options.rest.iter().map(String::as_str).collect();
    with(&rest)
}

/// Builds the server, and runs crate `chaos` with these arguments.
pub(crate) fn with(arguments: &[&str]) -> anyhow::Result<()> {
    built_here()?;
    play("release", arguments)
}

/// Builds both; answers where crate `chaos` is, and the server.
pub(crate) fn built_here() -> anyhow::Result<(String, String)> {
    cargo(&["build", "--quiet", "--release", "--package", "hiraeth"])?;
    cargo(&["build", "--quiet", "--release", "--package", "chaos"])?;
    Ok((built("release", "chaos"), built("release", "hiraeth")))
}

/// With what was built.
pub(crate) fn play(profile: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let binary = built(profile, "hiraeth");
    run::run(&built(profile, "chaos"), &[&["--binary", &binary], arguments].concat())
}
