//! Promises (rule 5): a voter that its leader bound stays with it for a while, and a leader goes by that
//! when it answers reads alone. A leader whom nobody asks for such answers binds nobody: when it is lost,
//! its successor need not wait.

use super::Replica;

/// For how many election timeouts a leader goes on binding after it was last asked to.
const BINDS_FOR: u64 = 3;

impl Replica {
    /// From here on this leader's heartbeats bind those who hear them, for three election timeouts. Does
    /// nothing for others.
    pub fn bind(&mut self) {
        let _ = self.run(|replica| {
            if replica.is_leader() {
                if replica.binding().is_none() {
                    replica.bindings += 1;
                }
                replica.binds_until = replica.now + BINDS_FOR * replica.election_ticks as u64;
            }
            Ok(())
        });
    }

    /// Which time it is that this leader's heartbeats bind, if they do. What a quorum confirmed while this
    /// was the same from question to answer, it confirmed bound: every heartbeat it may have answered
    /// was one that binds.
    #[must_use]
    pub fn binding(&self) -> Option<u64> {
        (self.is_leader() && self.now < self.binds_until).then_some(self.bindings)
    }

    /// Whether this voter refuses votes because a leader bound it (rule 5). It must not be made to
    /// campaign meanwhile either.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        let since = self.promised.map(|promised| self.now - promised);
        self.guards.keep_promises && since.is_some_and(|since| since < self.promise_ticks as u64)
    }

    /// Its leader was heard.
    pub(super) fn hears_leader(&mut self, binds: bool) {
        self.heard = Some(self.now);
        if binds {
            self.promised = self.heard;
        }
        self.orphaned = None;
    }

    /// Forgets what was promised to a leader, and the leader's patience: what a test does to see that
    /// it would be noticed.
    #[doc(hidden)]
    pub fn break_promise(&mut self) {
        let _ = self.run(|replica| {
            (replica.heard, replica.promised) = (None, None);
            replica.raw.raft.election_elapsed = replica.election_ticks;
            Ok(())
        });
    }
}
