//! What can go wrong besides a refused request.

use types::{Fault, ReadFailure};

use crate::codec::CodecError;

/// Why a region's state cannot be loaded. The node must not serve this region.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// A record of the region.
    #[error("a record of the region is damaged: {0}")]
    Damaged(String),
}

/// Why a read gives no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The request is refused.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The engine.
    #[error(transparent)]
    Read(#[from] ReadFailure),
}

pub(crate) fn damaged(what: &str, error: &CodecError) -> ReadFailure {
    ReadFailure(format!("{what} is damaged: {error}"))
}
