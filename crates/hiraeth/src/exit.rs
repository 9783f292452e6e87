//! How the process ends.

use std::process::ExitCode;

use node::FailureKind;

use crate::serve::Stopped;

/// The exit codes of a server, for `--help`; the numbers mean the same as those of the tools.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  stopped in order
  1  could not start, or failed in a way no other code names
  2  the command line is wrong
  4  the cluster does not take this node
  7  the disk is full
  8  the disk failed, turned read-only or is damaged, or a bug was met";

/// The cluster does not take this node.
pub(crate) const REFUSED: u8 = 4;

/// Prints what went wrong, with its causes, and answers the exit code. Wrong arguments end with 2
/// before this (clap).
pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    let error = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    eprintln!("error: {}", words(&error));
    let stopped = error.downcast_ref::<Stopped>().map(|stopped| stopped.0.kind);
    let kind = stopped.or_else(|| error.downcast_ref::<node::Error>().and_then(node::Error::kind));
    match kind {
        None => ExitCode::FAILURE,
        Some(FailureKind::Refused) => ExitCode::from(REFUSED),
        Some(FailureKind::DiskFull) => ExitCode::from(7),
        Some(FailureKind::Disk | FailureKind::Bug) => ExitCode::from(8),
    }
}

/// The error and its causes, but for those whose words an outer one says already; and what to do
/// about a disk.
fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    match error.downcast_ref::<node::Error>().and_then(node::Error::advice) {
        Some(advice) => format!("{text}. {advice}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::words;

    #[test]
    fn a_directory_that_cannot_be_written_is_told_once_and_with_the_cure() {
        let source = io::Error::from_raw_os_error(30);
        let error = node::identity::Error::Io { path: "/data/LOCK".into(), source };
        let told = words(&node::Error::from(error).into());
        assert_eq!(told.matches("os error 30").count(), 1, "{told}");
        assert!(
            told.starts_with("/data/LOCK: ") && told.contains("mount it for writing"),
            "{told}"
        );
    }
}
