//! Why a node stopped by itself.

use std::error::Error;
use std::io;
use std::path::Path;

/// What kind of thing must be put right before the node is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// The disk is full.
    DiskFull,
    /// The disk failed a write or a sync, turned read-only, or does not hold what it should.
    Disk,
    /// The cluster does not take the node.
    Refused,
    /// A bug of ours.
    Bug,
}

/// Why a node stopped, or could not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// What happened, what is safe, and what to do, for people.
    pub reason: String,
}

impl Failure {
    /// The cluster does not take the node.
    pub(crate) fn refused(reason: String) -> Self {
        Self { kind: FailureKind::Refused, reason }
    }

    /// A bug of ours.
    pub(crate) fn bug(reason: String) -> Self {
        Self { kind: FailureKind::Bug, reason }
    }

    /// `what` failed on the disk of `data`.
    pub(crate) fn of_disk(what: &str, error: &(dyn Error + 'static), data: &Path) -> Self {
        let path = data.display();
        let (kind, advice) = match io_kind(error) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => (
                FailureKind::DiskFull,
                format!("The disk of {path} is full: free or add space there"),
            ),
            Some(io::ErrorKind::ReadOnlyFilesystem) => (
                FailureKind::Disk,
                format!(
                    "The file system of {path} is read-only, which it becomes when its disk fails: \
                     see the kernel's log (dmesg), repair it, mount it for writing"
                ),
            ),
            _ => (
                FailureKind::Disk,
                format!("Check the disk of {path}: the kernel's log (dmesg), its own statistics"),
            ),
        };
        let reason = format!(
            "{what}: {}. Everything this node acknowledged is durable; what was under way is \
             unknown to its clients. {advice}; then start the node again, it reads back what is \
             there and gets the rest from the others",
            chain(error)
        );
        Self { kind, reason }
    }
}

/// Something broke below; where it is not known to be anything else, it was the disk.
impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { kind: FailureKind::Disk, reason }
    }
}

impl crate::Error {
    /// What kind of thing has to be put right; `None` for settings and the like.
    #[must_use]
    pub fn kind(&self) -> Option<FailureKind> {
        match io_kind(self) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                return Some(FailureKind::DiskFull);
            }
            Some(io::ErrorKind::ReadOnlyFilesystem) => return Some(FailureKind::Disk),
            _ => {}
        }
        match self {
            Self::Log(_) | Self::Engine(_) | Self::Load { .. } | Self::Torn { .. } => {
                Some(FailureKind::Disk)
            }
            Self::PromisesGone { .. } | Self::LogGone { .. } | Self::HalfInstalled { .. } => {
                Some(FailureKind::Disk)
            }
            Self::Thread(_) => Some(FailureKind::Bug),
            Self::Identity(crate::identity::Error::Removed { .. }) | Self::Refused(_) => {
                Some(FailureKind::Refused)
            }
            _ => None,
        }
    }

    /// What to do about the disk, where the operating system says what is wrong with it.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match io_kind(self)? {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("The disk is full: free or add space, then start the node again")
            }
            io::ErrorKind::ReadOnlyFilesystem => Some(
                "The file system is read-only, which it becomes when its disk fails: see the \
                 kernel's log (dmesg), repair it, mount it for writing, then start the node again",
            ),
            _ => None,
        }
    }
}

/// The kind of the I/O error at the bottom of `error`, if there is one.
pub(crate) fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

/// The error, and what is at the bottom of it: what lies between says the same in other words.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    let bottom = std::iter::successors(error.source(), |cause| (*cause).source()).last();
    match bottom.map(ToString::to_string) {
        Some(bottom) if !text.contains(&bottom) => format!("{text}: {bottom}"),
        _ => text,
    }
}

/// What is at the bottom of an error: of a connection that failed, that says most.
pub(crate) fn deepest(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::{Failure, FailureKind};

    fn of(errno: i32) -> Failure {
        let source = io::Error::from_raw_os_error(errno);
        let path = "/data/log/1.log".into();
        let error = storage::wal::Error::Io { action: "write to", path, source };
        Failure::of_disk("the log could not be written", &error, Path::new("/data"))
    }

    #[test]
    fn a_disk_error_is_told_with_file_cause_and_cure() {
        let (full, io, read_only) = (of(28), of(5), of(30));
        assert_eq!(full.kind, FailureKind::DiskFull);
        assert_eq!(io.kind, FailureKind::Disk);
        assert_eq!(read_only.kind, FailureKind::Disk);
        for (failure, words) in
            [(full, "free or add space"), (io, "dmesg"), (read_only, "is read-only")]
        {
            let told = failure.reason;
            assert!(told.contains("/data/log/1.log: "), "{told}");
            assert!(told.contains("(os error "), "{told}");
            assert!(told.contains("acknowledged is durable") && told.contains(words), "{told}");
        }
    }
}
