//! The rules of this crate that a test or the simulator can switch off.

/// Rules about leases and sleep, each of which can be switched off to see that it would be caught.
/// All are on by default; those of one replica are `consensus::Guards`.
#[doc(hidden)]
#[allow(clippy::struct_excessive_bools, reason = "a set of independent switches is what it is")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostGuards {
    /// A leader gives up its lease for the rest of the term before it hands leadership over.
    pub forfeit_at_transfer: bool,
    /// A lease counts from when the quorum was asked, not from its answer.
    pub lease_from_question: bool,
    /// A round counts for a lease only if whoever answered it was bound by it.
    pub lease_from_bound: bool,
    /// A leader sleeps only when all it needs agreed to sleep with it.
    pub ask_before_sleep: bool,
    /// A voter that slept keeps the promise of its last word to a leader.
    pub woken_keeps_promise: bool,
    /// Whoever sleeps under a leader whose node is lost is woken.
    pub wake_when_leader_lost: bool,
    /// A sleeping leader is woken when a node with a replica comes back.
    pub wake_when_node_back: bool,
    /// No entry is written without the newest commit index that is known.
    pub commit_with_entries: bool,
    /// A voter goes only while a majority of those that stay is there and has about everything.
    pub bear_losses: bool,
}

impl Default for HostGuards {
    fn default() -> Self {
        Self {
            forfeit_at_transfer: true,
            lease_from_question: true,
            lease_from_bound: true,
            ask_before_sleep: true,
            woken_keeps_promise: true,
            wake_when_leader_lost: true,
            wake_when_node_back: true,
            commit_with_entries: true,
            bear_losses: true,
        }
    }
}

impl HostGuards {
    /// The name of every switch.
    pub const NAMES: [&str; 9] = [
        "forfeit_at_transfer",
        "lease_from_question",
        "lease_from_bound",
        "ask_before_sleep",
        "woken_keeps_promise",
        "wake_when_leader_lost",
        "wake_when_node_back",
        "commit_with_entries",
        "bear_losses",
    ];

    /// All rules but the named one; `None` for an unknown name.
    #[must_use]
    pub fn without(name: &str) -> Option<Self> {
        let mut guards = Self::default();
        let switch = match name {
            "forfeit_at_transfer" => &mut guards.forfeit_at_transfer,
            "lease_from_question" => &mut guards.lease_from_question,
            "lease_from_bound" => &mut guards.lease_from_bound,
            "ask_before_sleep" => &mut guards.ask_before_sleep,
            "woken_keeps_promise" => &mut guards.woken_keeps_promise,
            "wake_when_leader_lost" => &mut guards.wake_when_leader_lost,
            "wake_when_node_back" => &mut guards.wake_when_node_back,
            "commit_with_entries" => &mut guards.commit_with_entries,
            "bear_losses" => &mut guards.bear_losses,
            _ => return None,
        };
        *switch = false;
        Some(guards)
    }
}
