//! What can be broken on purpose, to see that it would be noticed.

use consensus::Guards;
use region::HostGuards;

use crate::scenario::Scenario;

/// One thing that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// A rule of `consensus::Guards` does not hold.
    Guard(&'static str),
    /// A rule of `region::HostGuards` does not hold.
    Host(&'static str),
    /// The log says "durable" before it synced.
    AckBeforeSync,
    /// A hard state goes to the disk without its vote.
    ForgetVotes,
    /// A read is served without asking the leader.
    ReadWithoutIndex,
    /// The log is cut before the engine is durable.
    CutBeforePersist,
    /// What was compacted is removed for good before the compaction is durable.
    SweepBeforeDurable,
    /// Commands travel without their session's number.
    ForgetSessions,
    /// A region that the directory tells of anew is made from nothing, whatever the log holds.
    ForgetLogOfNewRegion,
    /// A node numbers its questions from 1 after every start.
    ReuseQuestions,
    /// A leader renews leases without a quorum's word that it leads.
    RenewUnconfirmed,
    /// A command that was routed by an old map is carried out.
    EpochUnchecked,
    /// The same in a keyspace that is split, where the keys are asked for, too.
    RoutesUnchecked,
    /// A snapshot is installed whoever owns some of its keys here.
    GroundUnchecked,
    /// A region leaves a node, and no note says so.
    LeaveUnnoted,
    /// A replica that is none any more goes at a start, though the directory may still say that it is one.
    LeaveUntold,
    /// That a region is gone from a node is not durable when it comes back.
    FarewellLasts,
    /// Of which replica a log is does not count.
    ForgetGenerations,
    /// A region that is split off where its parent's replica is to go leaves what it would have.
    KeepStrangers,
    /// The keys of a region that leaves a node are free before they are gone.
    FreeBeforeGone,
    /// A replica that comes to a node has the number of the one that left.
    ReuseReplicas,
    /// A region that was split off begins before its first state is durable.
    BirthBeforeDurable,
    /// A snapshot is installed, and those who watch are not told.
    ForgetJump,
    /// A sync that failed is tried again, and believed.
    RetrySync,
    /// What a log holds is read as it is, whatever its checksums say.
    IgnoreChecksums,
    /// A log is cut at damage though a later batch says that it was durable.
    CutAtDamage,
    /// A log ends with a segment though that says that another one followed it.
    ForgetFollowers,
    /// A member that lost its data starts as if it were new.
    StartWithoutData,
    /// Leases end by the wall clock.
    WallClock,
    /// A lease goes on though leadership was handed over.
    LeaseOverTransfer,
    /// A lease is counted from when the quorum answered.
    LeaseFromAnswer,
    /// Words to a registry's clock are answered by whoever thinks it leads.
    HearUnconfirmed,
    /// They are answered though not all that is committed is applied.
    HearBeforeApplied,
    /// Beats that another node passes on are answered, and do not count.
    ForgetBeats,
    /// What is due in a registry is carried out also if it was changed since it was told.
    ExpireAnyway,
    /// An expiry in a registry is carried out by who leads, and by nobody else.
    ExpireWhereLed,
    /// Whoever asks for a lock is told that it has it.
    GrantAnyway,
    /// Deadlines go on where they stood when this node led before.
    KeepDeadlines,
    /// Deadlines that come while a node leads are not noted.
    ForgetDeadlines,
    /// The breaker never lets go what it holds back.
    HoldForEver,
    /// Only who leads takes note of lock delays.
    DelaysOfLeader,
    /// Who waits for another answer listens after it has looked.
    ListenLate,
    /// A snapshot is installed, and those who wait are not woken.
    ForgetRings,
    /// The indexes of what was removed are not written down.
    ForgetIndexes,
}

/// Those beside the guards.
const OWN: [(&str, Mutant); 42] = [
    ("ack_before_sync", Mutant::AckBeforeSync),
    ("forget_votes", Mutant::ForgetVotes),
    ("read_without_index", Mutant::ReadWithoutIndex),
    ("cut_before_persist", Mutant::CutBeforePersist),
    ("sweep_before_durable", Mutant::SweepBeforeDurable),
    ("forget_sessions", Mutant::ForgetSessions),
    ("forget_log_of_new_region", Mutant::ForgetLogOfNewRegion),
    ("reuse_questions", Mutant::ReuseQuestions),
    ("renew_unconfirmed", Mutant::RenewUnconfirmed),
    ("epoch_unchecked", Mutant::EpochUnchecked),
    ("routes_unchecked", Mutant::RoutesUnchecked),
    ("ground_unchecked", Mutant::GroundUnchecked),
    ("leave_unnoted", Mutant::LeaveUnnoted),
    ("leave_untold", Mutant::LeaveUntold),
    ("farewell_lasts", Mutant::FarewellLasts),
    ("forget_generations", Mutant::ForgetGenerations),
    ("keep_strangers", Mutant::KeepStrangers),
    ("free_before_gone", Mutant::FreeBeforeGone),
    ("reuse_replicas", Mutant::ReuseReplicas),
    ("birth_before_durable", Mutant::BirthBeforeDurable),
    ("forget_jump", Mutant::ForgetJump),
    ("retry_sync", Mutant::RetrySync),
    ("ignore_checksums", Mutant::IgnoreChecksums),
    ("cut_at_damage", Mutant::CutAtDamage),
    ("forget_followers", Mutant::ForgetFollowers),
    ("start_without_data", Mutant::StartWithoutData),
    ("wall_clock", Mutant::WallClock),
    ("lease_over_transfer", Mutant::LeaseOverTransfer),
    ("lease_from_answer", Mutant::LeaseFromAnswer),
    ("hear_unconfirmed", Mutant::HearUnconfirmed),
    ("hear_before_applied", Mutant::HearBeforeApplied),
    ("forget_beats", Mutant::ForgetBeats),
    ("expire_anyway", Mutant::ExpireAnyway),
    ("expire_where_led", Mutant::ExpireWhereLed),
    ("grant_anyway", Mutant::GrantAnyway),
    ("keep_deadlines", Mutant::KeepDeadlines),
    ("forget_deadlines", Mutant::ForgetDeadlines),
    ("hold_for_ever", Mutant::HoldForEver),
    ("delays_of_leader", Mutant::DelaysOfLeader),
    ("listen_late", Mutant::ListenLate),
    ("forget_rings", Mutant::ForgetRings),
    ("forget_indexes", Mutant::ForgetIndexes),
];

impl Mutant {
    /// Every mutant with its name.
    #[must_use]
    pub fn all() -> Vec<(&'static str, Self)> {
        let guards = Guards::NAMES.into_iter().map(|name| (name, Self::Guard(name)));
        let hosts = HostGuards::NAMES.into_iter().map(|name| (name, Self::Host(name)));
        OWN.into_iter().chain(guards).chain(hosts).collect()
    }

    /// The only world that shows it, if there is one.
    #[must_use]
    pub fn world(self) -> Option<Scenario> {
        if matches!(self, Self::RoutesUnchecked | Self::GroundUnchecked | Self::BirthBeforeDurable)
        {
            return Some(Scenario::Split);
        }
        let of_places = matches!(
            self,
            Self::Host("bear_losses")
                | Self::LeaveUnnoted
                | Self::LeaveUntold
                | Self::FarewellLasts
                | Self::ForgetGenerations
                | Self::KeepStrangers
                | Self::FreeBeforeGone
                | Self::ReuseReplicas
        );
        if of_places {
            return Some(Scenario::Placement);
        }
        let of_registry = matches!(
            self,
            Self::HearUnconfirmed
                | Self::HearBeforeApplied
                | Self::ForgetBeats
                | Self::ExpireAnyway
                | Self::ExpireWhereLed
                | Self::GrantAnyway
                | Self::KeepDeadlines
                | Self::ForgetDeadlines
                | Self::HoldForEver
                | Self::DelaysOfLeader
                | Self::ListenLate
                | Self::ForgetRings
                | Self::ForgetIndexes
        );
        of_registry.then_some(Scenario::Registry)
    }

    /// The one called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|(known, _)| *known == name).map(|(_, mutant)| mutant)
    }
}
