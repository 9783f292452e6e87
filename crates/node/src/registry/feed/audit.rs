//! Who was pushed what, and when (feature R11).

use std::time::Duration;

use types::Revision;

/// What is known of a service's subscribers on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// The newest version here.
    pub version: Revision,
    /// How many instances it has.
    pub instances: usize,
    /// The subscribers, in no order.
    pub readers: Vec<Reader>,
    /// The newest pushes, the oldest first.
    pub pushes: Vec<Push>,
}

/// A subscriber.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    /// What it calls itself, or where it comes from.
    pub label: String,
    /// The version it was sent last; 0 for none.
    pub sent: Revision,
    /// The version it said to have; 0 for none.
    pub acknowledged: Revision,
    /// How long after the change that was, if it was said.
    pub took: Option<Duration>,
}

/// One push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Push {
    /// The version it led to.
    pub version: Revision,
    /// How long ago it was.
    pub ago: Duration,
    /// Instances that came or changed, and that went.
    pub changed: usize,
    /// Instances that went.
    pub gone: usize,
    /// Subscribers there were.
    pub readers: usize,
    /// How many of them said that they have it.
    pub acknowledged: usize,
    /// How long that took for the slowest of them.
    pub slowest: Duration,
}
