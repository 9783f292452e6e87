//! How a region's shape is versioned.

/// A region's version: checked when a command is proposed and again when it is applied, so that a
/// command routed by an old map never lands in the wrong region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch {
    /// Goes up with every split; compared before `conf_ver`.
    pub version: u64,
    /// Goes up with every change of the region's peers.
    pub conf_ver: u64,
}
