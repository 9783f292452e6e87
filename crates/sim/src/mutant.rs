//! What can be broken on purpose, to see that it would be noticed.

use consensus::Guards;

/// One thing that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// A rule of `consensus::Guards` does not hold.
    Guard(&'static str),
    /// The log says "durable" before it synced.
    AckBeforeSync,
    /// A hard state goes to the disk without its vote.
    ForgetVotes,
    /// A read is served without asking the leader.
    ReadWithoutIndex,
    /// The log is cut before the engine is durable.
    CutBeforePersist,
    /// Commands travel without their session's number.
    ForgetSessions,
    /// A region that the directory tells of anew is made from nothing, whatever the log holds.
    ForgetLogOfNewRegion,
    /// A node numbers its questions from 1 after every start.
    ReuseQuestions,
    /// A leader renews leases without a quorum's word that it leads.
    RenewUnconfirmed,
    /// A lease goes on though leadership was handed over.
    LeaseOverTransfer,
    /// A lease is counted from when the quorum answered.
    LeaseFromAnswer,
}

/// Those beside the guards.
const OWN: [(&str, Mutant); 10] = [
    ("ack_before_sync", Mutant::AckBeforeSync),
    ("forget_votes", Mutant::ForgetVotes),
    ("read_without_index", Mutant::ReadWithoutIndex),
    ("cut_before_persist", Mutant::CutBeforePersist),
    ("forget_sessions", Mutant::ForgetSessions),
    ("forget_log_of_new_region", Mutant::ForgetLogOfNewRegion),
    ("reuse_questions", Mutant::ReuseQuestions),
    ("renew_unconfirmed", Mutant::RenewUnconfirmed),
    ("lease_over_transfer", Mutant::LeaseOverTransfer),
    ("lease_from_answer", Mutant::LeaseFromAnswer),
];

impl Mutant {
    /// Every mutant with its name.
    #[must_use]
    pub fn all() -> Vec<(&'static str, Self)> {
        let guards = Guards::NAMES.into_iter().map(|name| (name, Self::Guard(name)));
        OWN.into_iter().chain(guards).collect()
    }

    /// The one called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|(known, _)| *known == name).map(|(_, mutant)| mutant)
    }
}
