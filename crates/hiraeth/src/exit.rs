//! How the process ends.

use std::process::ExitCode;

/// Prints what went wrong, with its causes, and answers the exit code: 0 for success, 1 for failure.
/// Wrong arguments end with 2 before this (clap).
pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
