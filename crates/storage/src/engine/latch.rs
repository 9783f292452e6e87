use std::sync::OnceLock;

use types::ReadFailure;

use super::Error;

/// Remembers the first failure and fails everything after it. A disk that failed once says nothing
/// reliable about what it holds, so nothing is retried.
#[derive(Default, Debug)]
pub(super) struct Latch(OnceLock<String>);

impl Latch {
    /// Fails if an earlier call failed.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.0.get() {
            None => Ok(()),
            Some(why) => Err(Error::Latched(why.clone())),
        }
    }

    /// [`Latch::check`] for readers.
    pub(super) fn check_read(&self) -> Result<(), ReadFailure> {
        match self.0.get() {
            None => Ok(()),
            Some(why) => Err(ReadFailure(format!("stopped after a failure: {why}"))),
        }
    }

    /// Whether an earlier call failed.
    pub(super) fn is_closed(&self) -> bool {
        self.0.get().is_some()
    }

    /// Closes the latch for a failed write or sync.
    pub(super) fn failed(&self, doing: &'static str, source: lsm_tree::Error) -> Error {
        self.close(format!("{doing}: {source:?}"));
        Error::Failed { doing, source }
    }

    /// Closes the latch for a failed read.
    pub(super) fn failed_read(&self, source: &lsm_tree::Error) -> ReadFailure {
        let why = format!("{source:?}");
        self.close(format!("read: {why}"));
        ReadFailure(why)
    }

    /// Closes the latch for something that must not happen.
    pub(super) fn broke(&self, what: &str) {
        self.close(what.to_owned());
    }

    fn close(&self, why: String) {
        // Only the first failure is kept: the later ones follow from it.
        drop(self.0.set(why));
    }
}
