//! From the words of a status back to the code they were made from. `api` has the table the other way
//! round; `hiraeth`'s tests hold the two together.

use types::Code;

/// Words that are the whole message.
const EXACT: [(&str, Code); 52] = [
    ("etcdserver: bad leader transferee", Code::BadTransferee),
    ("etcdserver: request timed out, leader transfer took too long", Code::TransferTimedOut),
    ("etcdserver: key is not provided", Code::EmptyKey),
    ("etcdserver: value is provided", Code::ValueProvided),
    ("etcdserver: lease is provided", Code::LeaseProvided),
    ("etcdserver: key not found", Code::KeyNotFound),
    ("etcdserver: duplicate key given in txn request", Code::DuplicateKey),
    ("etcdserver: too many operations in txn request", Code::TooManyOperations),
    ("etcdserver: invalid sort option", Code::InvalidSortOption),
    ("etcdserver: mvcc: required revision has been compacted", Code::Compacted),
    ("etcdserver: mvcc: required revision is a future revision", Code::FutureRevision),
    ("etcdserver: request is too large", Code::RequestTooLarge),
    ("grpc: received message larger than max", Code::RequestTooLarge),
    ("etcdserver: requested lease not found", Code::LeaseNotFound),
    ("etcdserver: lease already exists", Code::LeaseExists),
    ("etcdserver: too large lease TTL", Code::LeaseTtlTooLarge),
    ("mvcc: duplicate watch ID provided on the WatchStream", Code::DuplicateWatch),
    ("mvcc: watcher range is empty", Code::EmptyWatchRange),
    ("etcdserver: mvcc: database space exceeded", Code::NoSpace),
    ("etcdserver: too many requests", Code::TooManyRequests),
    ("etcdserver: no leader", Code::NoLeader),
    ("etcdserver: not leader", Code::NotLeader),
    ("etcdserver: leader changed", Code::LeaderChanged),
    ("etcdserver: request timed out", Code::Timeout),
    ("etcdserver: server stopped", Code::ShuttingDown),
    ("etcdserver: corrupt cluster", Code::Corrupt),
    ("etcdserver: member not found", Code::MemberNotFound),
    ("etcdserver: permission denied", Code::PermissionDenied),
    ("etcdserver: user name is empty", Code::UserEmpty),
    ("etcdserver: user name already exists", Code::UserExists),
    ("etcdserver: user name not found", Code::UserNotFound),
    ("etcdserver: role name is empty", Code::RoleEmpty),
    ("etcdserver: role name already exists", Code::RoleExists),
    ("etcdserver: role name not found", Code::RoleNotFound),
    ("etcdserver: role is not granted to the user", Code::RoleNotGranted),
    ("etcdserver: permission not given", Code::PermissionNotGiven),
    ("etcdserver: permission is not granted to the role", Code::PermissionNotGranted),
    ("etcdserver: authentication failed, invalid user ID or password", Code::AuthFailed),
    ("etcdserver: authentication is not enabled", Code::AuthNotEnabled),
    ("auth: authentication failed, password was given for no password user", Code::NoPasswordUser),
    ("etcdserver: invalid auth token", Code::InvalidAuthToken),
    ("etcdserver: invalid auth management", Code::InvalidAuthManagement),
    ("etcdserver: root user does not exist", Code::RootUserMissing),
    ("etcdserver: root user does not have root role", Code::RootRoleMissing),
    ("etcdserver: revision of auth store is old", Code::AuthRevisionOld),
    ("etcdserver: Peer URLs already exists", Code::PeerUrlExists),
    ("etcdserver: given member URLs are invalid", Code::BadMemberUrls),
    (
        "etcdserver: re-configuration failed due to not enough started members",
        Code::NotEnoughStarted,
    ),
    ("etcdserver: unhealthy cluster", Code::Unhealthy),
    (
        "etcdserver: can only promote a learner member which is in sync with leader",
        Code::LearnerNotReady,
    ),
    ("etcdserver: can only promote a learner member", Code::MemberNotLearner),
    ("etcdserver: too many learner members in cluster", Code::TooManyLearners),
];

/// Words that details may follow.
const PREFIX: [(&str, Code); 23] = [
    ("etcdserver: cluster ID mismatch", Code::ClusterMismatch),
    ("hiraeth: invalid request", Code::InvalidArgument),
    ("hiraeth: the region has changed", Code::EpochMismatch),
    ("hiraeth: keyspace not found", Code::KeyspaceNotFound),
    ("hiraeth: keyspace already exists", Code::KeyspaceExists),
    ("hiraeth: the region is not on this node", Code::RegionNotFound),
    ("hiraeth: the client session is too old", Code::SessionExpired),
    ("hiraeth: the request was carried out before", Code::OutcomeNotKept),
    ("hiraeth: not supported", Code::Unsupported),
    ("hiraeth: a limit was reached", Code::LimitReached),
    ("hiraeth: internal error", Code::Internal),
    ("hiraeth: this node's copy is older", Code::TooStale),
    ("hiraeth: the node was removed from the cluster", Code::MemberRemoved),
    ("hiraeth: the registry has no such node", Code::NodeUnknown),
    ("hiraeth: the registry has no such instance", Code::InstanceUnknown),
    ("hiraeth: the registry has no such check", Code::CheckUnknown),
    ("hiraeth: the registry has no such session", Code::SessionUnknown),
    ("hiraeth: no such configuration", Code::ConfigUnknown),
    ("hiraeth: the configuration is not as it was expected", Code::ConfigChanged),
    ("hiraeth: the version is not kept", Code::VersionNotKept),
    ("hiraeth: the content is not what it has to be", Code::SchemaViolated),
    ("hiraeth: a gray release is under way", Code::GrayRunning),
    ("hiraeth: no gray release is under way", Code::GrayMissing),
];

/// The code a server's message stands for; `None` for words this client does not know.
pub(crate) fn of(message: &str) -> Option<Code> {
    let exact = EXACT.iter().find(|(words, _)| *words == message);
    let found = exact.or_else(|| PREFIX.iter().find(|(words, _)| message.starts_with(words)));
    found.map(|(_, code)| *code)
}
