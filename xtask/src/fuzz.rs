//! Requests no client should send; the program itself is crate `fuzz`.

use crate::run::cargo;

/// What to send. What follows is told to crate `fuzz`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--seconds N`, `--seed N`, `--rounds N`, `--replay FILE`, `--tally`; `--help` for all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let rest: Vec<&str> = options.rest.iter().map(String::as_str).collect();
    // Not built for release, so that sums which overflow panic.
    cargo(&[&["run", "--quiet", "--package", "fuzz", "--"], &rest[..]].concat())
}
