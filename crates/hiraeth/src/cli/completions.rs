//! `hiraeth completions`.

use std::io::Write;

use super::failure::Done;
use super::output::out;

/// Print a script that completes commands in a shell.
///
/// For bash, for example: `source <(hiraeth completions bash)`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(arguments: &Arguments, mut program: clap::Command) -> anyhow::Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "hiraeth", &mut script);
    let mut out = out();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Done::Well)
}
