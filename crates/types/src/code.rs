//! The finite list of errors callers branch on. `api` maps each once to gRPC, HTTP and exit codes.

use core::fmt;

/// Why a request was not carried out. The variants say what the caller can do; the words for people
/// are in [`Fault::detail`] or in the front door's own table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// A request that is malformed in a way no other variant names.
    InvalidArgument = 1,
    /// A key is empty.
    EmptyKey = 2,
    /// `ignore_value` came with a value.
    ValueProvided = 3,
    /// `ignore_lease` came with a lease.
    LeaseProvided = 4,
    /// `ignore_value` or `ignore_lease` needs an existing key.
    KeyNotFound = 5,
    /// A transaction names the same key in two writes that can both run.
    DuplicateKey = 6,
    /// More operations in a transaction than the limit.
    TooManyOperations = 7,
    /// A sort option the request cannot have.
    InvalidSortOption = 8,
    /// The revision was compacted away.
    Compacted = 9,
    /// The revision has not happened yet.
    FutureRevision = 10,
    /// The request is over the size limit.
    RequestTooLarge = 11,
    /// No such lease.
    LeaseNotFound = 12,
    /// The lease id is taken.
    LeaseExists = 13,
    /// The lease's time to live is over the limit.
    LeaseTtlTooLarge = 14,
    /// A watch id is in use on the stream.
    DuplicateWatch = 15,
    /// A watch's range is empty.
    EmptyWatchRange = 16,
    /// The disk or the quota is full.
    NoSpace = 17,
    /// A queue is full, or too much is committed and not applied: try again later.
    TooManyRequests = 18,
    /// The region has no leader now.
    NoLeader = 19,
    /// This node is not the region's leader; the command was not proposed.
    NotLeader = 20,
    /// Leadership was lost with the command in flight: the outcome is unknown.
    LeaderChanged = 21,
    /// The deadline passed: the outcome is unknown.
    Timeout = 22,
    /// The command met a region whose epoch moved on; it was not applied.
    EpochMismatch = 23,
    /// No such keyspace.
    KeyspaceNotFound = 24,
    /// The keyspace's name is taken.
    KeyspaceExists = 25,
    /// No such region on this node.
    RegionNotFound = 26,
    /// The client session is older than what is kept; the outcome of a retry cannot be told.
    SessionExpired = 27,
    /// The command was applied before, and its answer was too large to keep.
    OutcomeNotKept = 28,
    /// The node is shutting down.
    ShuttingDown = 29,
    /// The node or region found damage and does not serve.
    Corrupt = 30,
    /// No such member.
    MemberNotFound = 31,
    /// The message or directory belongs to another cluster.
    ClusterMismatch = 32,
    /// The node does not know this operation (yet).
    Unsupported = 33,
    /// A limit that no other variant names was reached.
    LimitReached = 34,
    /// A bug of ours, told instead of hidden.
    Internal = 35,
    /// This node's copy is older than the reader takes.
    TooStale = 36,
    /// The user may not do this.
    PermissionDenied = 37,
    /// Nobody asks, where somebody must; or a user's name is empty.
    UserEmpty = 38,
    /// The user's name is taken.
    UserExists = 39,
    /// No such user.
    UserNotFound = 40,
    /// A role's name is empty.
    RoleEmpty = 41,
    /// The role's name is taken.
    RoleExists = 42,
    /// No such role.
    RoleNotFound = 43,
    /// The user does not have the role.
    RoleNotGranted = 44,
    /// A permission was to be granted, and none was named.
    PermissionNotGiven = 45,
    /// The role does not have the permission.
    PermissionNotGranted = 46,
    /// No such user, or another password.
    AuthFailed = 47,
    /// There is nothing to authenticate for.
    AuthNotEnabled = 48,
    /// A password was given for a user that can have none.
    NoPasswordUser = 49,
    /// The token was not made here, or does not count any more.
    InvalidAuthToken = 50,
    /// A change of users and roles that would lock everybody out, or makes no sense.
    InvalidAuthManagement = 51,
    /// Auth cannot be on without a user `root`,
    RootUserMissing = 52,
    /// or with one that is not root.
    RootRoleMissing = 53,
    /// What was known of users and roles has changed on the way.
    AuthRevisionOld = 54,
    /// Leadership cannot go there: no such member, or one without a vote.
    BadTransferee = 60,
    /// Leadership did not move in time.
    TransferTimedOut = 61,
    /// Another member is reached under this peer URL.
    PeerUrlExists = 62,
    /// A member's peer URLs are none, or cannot be used.
    BadMemberUrls = 63,
    /// Too few voting members ever started for the change to keep a quorum.
    NotEnoughStarted = 64,
    /// Too few voting members are heard now for the change to keep a quorum.
    Unhealthy = 65,
    /// The learner lacks too much of what is committed to be given a vote.
    LearnerNotReady = 66,
    /// The member votes already.
    MemberNotLearner = 67,
    /// The cluster has as many learners as it may.
    TooManyLearners = 68,
    /// The node was removed from the cluster for good.
    MemberRemoved = 69,
    /// The registry has no such node.
    NodeUnknown = 80,
    /// The registry has no such instance of a service.
    InstanceUnknown = 81,
    /// The registry has no such check.
    CheckUnknown = 82,
    /// The registry has no such session, or has it no more.
    SessionUnknown = 83,
    /// There is no such configuration.
    ConfigUnknown = 100,
    /// The configuration is not at the version it was expected to be.
    ConfigChanged = 101,
    /// The version of a configuration is not kept any more, or never was one.
    VersionNotKept = 102,
    /// The content is none that the schema allows.
    SchemaViolated = 103,
    /// A gray release of the configuration is under way.
    GrayRunning = 104,
    /// No gray release of the configuration is under way.
    GrayMissing = 105,
}

impl Code {
    /// Every code there is, in number order.
    pub const ALL: [Self; 74] = [
        Self::InvalidArgument,
        Self::EmptyKey,
        Self::ValueProvided,
        Self::LeaseProvided,
        Self::KeyNotFound,
        Self::DuplicateKey,
        Self::TooManyOperations,
        Self::InvalidSortOption,
        Self::Compacted,
        Self::FutureRevision,
        Self::RequestTooLarge,
        Self::LeaseNotFound,
        Self::LeaseExists,
        Self::LeaseTtlTooLarge,
        Self::DuplicateWatch,
        Self::EmptyWatchRange,
        Self::NoSpace,
        Self::TooManyRequests,
        Self::NoLeader,
        Self::NotLeader,
        Self::LeaderChanged,
        Self::Timeout,
        Self::EpochMismatch,
        Self::KeyspaceNotFound,
        Self::KeyspaceExists,
        Self::RegionNotFound,
        Self::SessionExpired,
        Self::OutcomeNotKept,
        Self::ShuttingDown,
        Self::Corrupt,
        Self::MemberNotFound,
        Self::ClusterMismatch,
        Self::Unsupported,
        Self::LimitReached,
        Self::Internal,
        Self::TooStale,
        Self::PermissionDenied,
        Self::UserEmpty,
        Self::UserExists,
        Self::UserNotFound,
        Self::RoleEmpty,
        Self::RoleExists,
        Self::RoleNotFound,
        Self::RoleNotGranted,
        Self::PermissionNotGiven,
        Self::PermissionNotGranted,
        Self::AuthFailed,
        Self::AuthNotEnabled,
        Self::NoPasswordUser,
        Self::InvalidAuthToken,
        Self::InvalidAuthManagement,
        Self::RootUserMissing,
        Self::RootRoleMissing,
        Self::AuthRevisionOld,
        Self::BadTransferee,
        Self::TransferTimedOut,
        Self::PeerUrlExists,
        Self::BadMemberUrls,
        Self::NotEnoughStarted,
        Self::Unhealthy,
        Self::LearnerNotReady,
        Self::MemberNotLearner,
        Self::TooManyLearners,
        Self::MemberRemoved,
        Self::NodeUnknown,
        Self::InstanceUnknown,
        Self::CheckUnknown,
        Self::SessionUnknown,
        Self::ConfigUnknown,
        Self::ConfigChanged,
        Self::VersionNotKept,
        Self::SchemaViolated,
        Self::GrayRunning,
        Self::GrayMissing,
    ];

    /// The code with this number, as peers and session records carry it.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.iter().find(|code| **code as u8 == number).copied()
    }
}

/// A [`Code`] with what a person needs to know about this occurrence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What the caller branches on.
    pub code: Code,
    /// What was wrong, for people; may be empty where the code says it all.
    pub detail: String,
}

impl Fault {
    /// A fault with words of its own.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self { code, detail: String::new() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "{:?}", self.code)
        } else {
            f.write_str(&self.detail)
        }
    }
}

impl core::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn numbers_ascend_and_come_back() {
        assert!(Code::ALL.is_sorted_by(|one, next| (*one as u8) < *next as u8));
        let known = (0..=u8::MAX).filter_map(Code::from_u8);
        assert_eq!(known.collect::<Vec<_>>(), Code::ALL);
    }
}
