//! The one table from [`types::Code`] to what each kind of caller sees.

use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};
use types::{Code, Fault};

/// How one [`Code`] looks from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The gRPC status code.
    pub grpc: tonic::Code,
    /// The HTTP status code.
    pub http: u16,
    /// The exit code of the command line tool: 2 the request is wrong, 3 something named is not
    /// there, 4 its state forbids it, 5 not now, 6 the outcome is unknown, 7 a limit, 8 damage or bug.
    pub exit: u8,
    /// The words. Those that begin with `etcdserver:` or `mvcc:` are etcd's own, byte for byte
    /// (its `rpctypes/error.go` and `mvcc` package): clients compare them.
    pub text: &'static str,
}

const fn row(grpc: tonic::Code, http: u16, exit: u8, text: &'static str) -> Row {
    Row { grpc, http, exit, text }
}

/// The row of `code`.
#[must_use]
pub const fn of(code: Code) -> Row {
    use tonic::Code as G;
    match code {
        Code::InvalidArgument => row(G::InvalidArgument, 400, 2, "hiraeth: invalid request"),
        Code::EmptyKey => row(G::InvalidArgument, 400, 2, "etcdserver: key is not provided"),
        Code::ValueProvided => row(G::InvalidArgument, 400, 2, "etcdserver: value is provided"),
        Code::LeaseProvided => row(G::InvalidArgument, 400, 2, "etcdserver: lease is provided"),
        Code::KeyNotFound => row(G::InvalidArgument, 404, 3, "etcdserver: key not found"),
        Code::DuplicateKey => {
            row(G::InvalidArgument, 400, 2, "etcdserver: duplicate key given in txn request")
        }
        Code::TooManyOperations => {
            row(G::InvalidArgument, 400, 2, "etcdserver: too many operations in txn request")
        }
        Code::InvalidSortOption => {
            row(G::InvalidArgument, 400, 2, "etcdserver: invalid sort option")
        }
        Code::Compacted => {
            row(G::OutOfRange, 410, 4, "etcdserver: mvcc: required revision has been compacted")
        }
        Code::FutureRevision => {
            row(G::OutOfRange, 400, 4, "etcdserver: mvcc: required revision is a future revision")
        }
        Code::RequestTooLarge => {
            row(G::InvalidArgument, 413, 2, "etcdserver: request is too large")
        }
        Code::LeaseNotFound => row(G::NotFound, 404, 3, "etcdserver: requested lease not found"),
        Code::LeaseExists => row(G::FailedPrecondition, 409, 4, "etcdserver: lease already exists"),
        Code::LeaseTtlTooLarge => row(G::OutOfRange, 400, 2, "etcdserver: too large lease TTL"),
        Code::DuplicateWatch => {
            row(G::AlreadyExists, 409, 4, "mvcc: duplicate watch ID provided on the WatchStream")
        }
        Code::EmptyWatchRange => row(G::InvalidArgument, 400, 2, "mvcc: watcher range is empty"),
        Code::NoSpace => {
            row(G::ResourceExhausted, 507, 7, "etcdserver: mvcc: database space exceeded")
        }
        Code::TooManyRequests => row(G::ResourceExhausted, 429, 7, "etcdserver: too many requests"),
        Code::NoLeader => row(G::Unavailable, 503, 5, "etcdserver: no leader"),
        Code::NotLeader => row(G::FailedPrecondition, 503, 5, "etcdserver: not leader"),
        Code::LeaderChanged => row(G::Unavailable, 503, 6, "etcdserver: leader changed"),
        Code::Timeout => row(G::Unavailable, 504, 6, "etcdserver: request timed out"),
        Code::EpochMismatch => {
            row(G::Unavailable, 503, 5, "hiraeth: the region has changed, try again")
        }
        Code::KeyspaceNotFound => row(G::NotFound, 404, 3, "hiraeth: keyspace not found"),
        Code::KeyspaceExists => row(G::AlreadyExists, 409, 4, "hiraeth: keyspace already exists"),
        Code::RegionNotFound => {
            row(G::Unavailable, 503, 5, "hiraeth: the region is not on this node")
        }
        Code::SessionExpired => row(
            G::FailedPrecondition,
            409,
            6,
            "hiraeth: the client session is too old to tell what became of the request",
        ),
        Code::OutcomeNotKept => row(
            G::FailedPrecondition,
            409,
            6,
            "hiraeth: the request was carried out before, and its answer was too large to keep",
        ),
        Code::ShuttingDown => row(G::Unavailable, 503, 5, "etcdserver: server stopped"),
        Code::Corrupt => row(G::DataLoss, 500, 8, "etcdserver: corrupt cluster"),
        Code::MemberNotFound => row(G::NotFound, 404, 3, "etcdserver: member not found"),
        Code::ClusterMismatch => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: cluster ID mismatch")
        }
        Code::Unsupported => row(G::Unimplemented, 501, 2, "hiraeth: not supported"),
        Code::LimitReached => row(G::ResourceExhausted, 429, 7, "hiraeth: a limit was reached"),
        Code::Internal => row(G::Internal, 500, 8, "hiraeth: internal error"),
        Code::BadTransferee => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: bad leader transferee")
        }
        Code::TransferTimedOut => {
            row(G::Unknown, 504, 5, "etcdserver: request timed out, leader transfer took too long")
        }
        Code::TooStale => {
            row(G::Unavailable, 503, 5, "hiraeth: this node's copy is older than the request takes")
        }
        Code::PermissionDenied => row(G::PermissionDenied, 403, 4, "etcdserver: permission denied"),
        Code::UserEmpty => row(G::InvalidArgument, 400, 2, "etcdserver: user name is empty"),
        Code::UserExists => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: user name already exists")
        }
        Code::UserNotFound => row(G::FailedPrecondition, 404, 3, "etcdserver: user name not found"),
        Code::RoleEmpty => row(G::InvalidArgument, 400, 2, "etcdserver: role name is empty"),
        Code::RoleExists => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: role name already exists")
        }
        Code::RoleNotFound => row(G::FailedPrecondition, 404, 3, "etcdserver: role name not found"),
        Code::RoleNotGranted => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: role is not granted to the user")
        }
        Code::PermissionNotGiven => {
            row(G::InvalidArgument, 400, 2, "etcdserver: permission not given")
        }
        Code::PermissionNotGranted => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: permission is not granted to the role")
        }
        Code::AuthFailed => row(
            G::InvalidArgument,
            401,
            4,
            "etcdserver: authentication failed, invalid user ID or password",
        ),
        Code::AuthNotEnabled => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: authentication is not enabled")
        }
        Code::NoPasswordUser => row(
            G::Unknown,
            401,
            4,
            "auth: authentication failed, password was given for no password user",
        ),
        Code::InvalidAuthToken => row(G::Unauthenticated, 401, 4, "etcdserver: invalid auth token"),
        Code::InvalidAuthManagement => {
            row(G::InvalidArgument, 409, 4, "etcdserver: invalid auth management")
        }
        Code::RootUserMissing => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: root user does not exist")
        }
        Code::RootRoleMissing => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: root user does not have root role")
        }
        Code::AuthRevisionOld => {
            row(G::InvalidArgument, 409, 5, "etcdserver: revision of auth store is old")
        }
        Code::PeerUrlExists => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: Peer URLs already exists")
        }
        Code::BadMemberUrls => {
            row(G::InvalidArgument, 400, 2, "etcdserver: given member URLs are invalid")
        }
        Code::NotEnoughStarted => row(
            G::FailedPrecondition,
            409,
            4,
            "etcdserver: re-configuration failed due to not enough started members",
        ),
        Code::Unhealthy => row(G::Unavailable, 503, 5, "etcdserver: unhealthy cluster"),
        Code::LearnerNotReady => row(
            G::FailedPrecondition,
            409,
            5,
            "etcdserver: can only promote a learner member which is in sync with leader",
        ),
        Code::MemberNotLearner => {
            row(G::FailedPrecondition, 409, 4, "etcdserver: can only promote a learner member")
        }
        Code::TooManyLearners => {
            row(G::FailedPrecondition, 409, 7, "etcdserver: too many learner members in cluster")
        }
        Code::MemberRemoved => {
            row(G::FailedPrecondition, 409, 4, "hiraeth: the node was removed from the cluster")
        }
        Code::NodeUnknown => row(G::NotFound, 404, 3, "hiraeth: the registry has no such node"),
        Code::InstanceUnknown => {
            row(G::NotFound, 404, 3, "hiraeth: the registry has no such instance")
        }
        Code::CheckUnknown => row(G::NotFound, 404, 3, "hiraeth: the registry has no such check"),
        Code::SessionUnknown => {
            row(G::NotFound, 404, 3, "hiraeth: the registry has no such session")
        }
        Code::ConfigUnknown => row(G::NotFound, 404, 3, "hiraeth: no such configuration"),
        Code::ConfigChanged => {
            row(G::Aborted, 409, 4, "hiraeth: the configuration is not as it was expected")
        }
        Code::VersionNotKept => {
            row(G::OutOfRange, 410, 3, "hiraeth: the version is not kept, or never was")
        }
        Code::SchemaViolated => {
            row(G::InvalidArgument, 422, 2, "hiraeth: the content is not what it has to be")
        }
        Code::GrayRunning => {
            row(G::FailedPrecondition, 409, 4, "hiraeth: a gray release is under way")
        }
        Code::GrayMissing => row(G::NotFound, 404, 3, "hiraeth: no gray release is under way"),
    }
}

/// The words for `fault`: etcd's exactly, ours followed by the detail.
#[must_use]
pub fn message(fault: &Fault) -> String {
    let text = of(fault.code).text;
    if fault.detail.is_empty() || !text.starts_with("hiraeth: ") {
        text.to_owned()
    } else {
        format!("{text}: {}", fault.detail)
    }
}

/// Where the particulars are told that etcd's words have no room for.
pub const DETAIL: &str = "hiraeth-detail";

/// `fault` as a gRPC status. What its words leave out is in the metadata [`DETAIL`].
#[must_use]
pub fn status(fault: &Fault) -> Status {
    let (grpc, message) = (of(fault.code).grpc, message(fault));
    if fault.detail.is_empty() || message.ends_with(&fault.detail) {
        return Status::new(grpc, message);
    }
    let mut metadata = MetadataMap::new();
    if let Ok(detail) = MetadataValue::try_from(fault.detail.as_str()) {
        metadata.insert(DETAIL, detail);
    }
    Status::with_metadata(grpc, message, metadata)
}

/// The HTTP status for a gRPC one that was made here: several codes share a gRPC code, and their words tell
/// them apart. `None` for one that was not.
pub(crate) fn http_of(status: &Status) -> Option<u16> {
    let rows = Code::ALL.iter().map(|code| of(*code));
    let known = rows.filter(|row| {
        let is_text = status.message().starts_with(row.text);
        row.grpc == status.code() && is_text
    });
    known.max_by_key(|row| row.text.len()).map(|row| row.http)
}

/// The gRPC status of a code that needs no more words.
#[must_use]
pub fn status_of(code: Code) -> Status {
    let row = of(code);
    Status::new(row.grpc, row.text)
}

#[cfg(test)]
mod tests {
    use super::{DETAIL, message, of, status};
    use types::{Code, Fault};

    #[test]
    fn the_table_is_as_written_down() {
        let table: String = Code::ALL
            .iter()
            .map(|code| {
                let row = of(*code);
                format!("{code:?} | {:?} | {} | {} | {}\n", row.grpc, row.http, row.exit, row.text)
            })
            .collect();
        let golden = include_str!("../testdata/errors.txt");
        assert_eq!(table, golden, "testdata/errors.txt differs; the table now:\n{table}");
    }

    /// Who is shown a code finds it in the runbook, as it is, and what to do.
    #[test]
    fn the_runbook_has_a_row_for_every_code() {
        let runbook = include_str!("../../../docs/operations.md");
        for code in Code::ALL {
            let row = of(code);
            let begin = format!(
                "| `{code:?}` | {} | {:?} | {} | {} | ",
                row.text, row.grpc, row.http, row.exit
            );
            let found = runbook.lines().find_map(|line| line.strip_prefix(&begin));
            let next = found.unwrap_or_else(|| panic!("docs/operations.md#errors lacks {begin}"));
            assert!(next.trim_end_matches(" |").len() > 5, "what to do about {code:?}?");
        }
    }

    #[test]
    fn details_never_change_etcds_words() {
        let etcd = Fault::new(Code::Timeout, "after 7 s");
        assert_eq!(message(&etcd), "etcdserver: request timed out");
        assert_eq!(status(&etcd).metadata().get(DETAIL).unwrap(), "after 7 s");
        let ours = Fault::new(Code::LimitReached, "too many keyspaces");
        assert_eq!(message(&ours), "hiraeth: a limit was reached: too many keyspaces");
    }
}
