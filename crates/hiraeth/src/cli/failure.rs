//! How a command ends: exit codes, and words that say what to do next.

use std::io;
use std::process::ExitCode;

use client::Error;
use types::Code;

/// The exit codes, for `--help`; the same as in `api`'s table of errors.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed in a way no other code names
  2  the command line or the request is wrong
  3  what is named is not there: a key, a lease, a keyspace
  4  the state forbids it: comparisons of a txn that do not hold, a compacted or future revision,
     a name that is taken
  5  not now: no server can be reached, or there is no leader
  6  the outcome is unknown: a write may or may not have been carried out
  7  a limit was reached
  8  damage, or a bug";

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Done {
    /// As hoped for.
    Well,
    /// There is nothing of that name.
    NotFound,
    /// Comparisons did not hold.
    Conflict,
    /// It was told; the code says how things are (`status`).
    Code(u8),
}

/// Arguments that are wrong in a way clap cannot see.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What was asked for was not begun, for the reason this comes with.
#[derive(Debug)]
pub(crate) struct NotBegun(pub(crate) String);

impl std::fmt::Display for NotBegun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a server answered by HTTP that was not what was asked for.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl std::error::Error for Refused {}

impl Refused {
    fn exit(&self) -> u8 {
        match self.status {
            400 | 405 => 2,
            404 => 3,
            401 | 403 | 409 => 4,
            413 | 429 | 507 => 7,
            503 => 5,
            504 => 6,
            // What servers say in Consul's tongue, which has no other number for it.
            500 if self.text.contains("No cluster leader") => 5,
            500 if self.text.contains("the outcome is unknown") => 6,
            _ => 1,
        }
    }

    /// By Consul's words, which are all that tells one refusal of its API from another.
    fn hint(&self) -> Option<&'static str> {
        let says = |words: &str| self.text.contains(words);
        Some(match self.status {
            401 if says("ACL support disabled") => {
                "the ACL is off; `hiraeth serve --acl on` (HIRAETH_ACL=on) on one node switches it on for \
                 all, when that node starts"
            }
            403 if says("only root bootstraps") => {
                "this cluster knows users: say --user root:PASSWORD, or put the number of the last bootstrap \
                 into the file acl-bootstrap-reset in a node's data directory"
            }
            403 if says("bootstrap no longer allowed") => {
                "put that number into the file acl-bootstrap-reset in the data directory of the node that is \
                 asked, and ask it again"
            }
            403 if says("ACL not found") => {
                "the cluster has no token with that secret, or its time is over: --acl-token or \
                 HIRAETH_ACL_TOKEN says who asks"
            }
            _ => return None,
        })
    }
}

/// What was asked by HTTP and has no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// Whether it may have been carried out.
    pub(crate) outcome_unknown: bool,
    pub(crate) text: String,
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Unanswered {}

/// Tells what went wrong, if anything did, and answers the exit code.
pub(crate) fn code(result: anyhow::Result<Done>) -> ExitCode {
    let error = match result {
        Ok(Done::Well) => return ExitCode::SUCCESS,
        Ok(Done::NotFound) => return ExitCode::from(3),
        Ok(Done::Conflict) => return ExitCode::from(4),
        Ok(Done::Code(code)) => return ExitCode::from(code),
        Err(error) => error,
    };
    if broken_pipe(&error) {
        // Whoever read the output has enough.
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    let not_begun = error.is::<NotBegun>();
    match error.downcast_ref::<Error>() {
        // What became of its lease, or its place in a line, is not what was asked for.
        Some(error) if not_begun && (exit(error) == 6 || is_gone(error)) => ExitCode::from(5),
        Some(error) => {
            if let Some(hint) = hint(error) {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(exit(error))
        }
        None if error.is::<Usage>() => ExitCode::from(2),
        None => {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                if let Some(hint) = refused.hint() {
                    eprintln!("hint: {hint}");
                }
                return ExitCode::from(refused.exit());
            }
            match error.downcast_ref::<Unanswered>() {
                Some(it) => ExitCode::from(5 + u8::from(it.outcome_unknown)),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error.code(), Some(Code::LeaseNotFound | Code::KeyNotFound))
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
}

fn exit(error: &Error) -> u8 {
    match error {
        Error::Server { code, .. } => api::error::of(*code).exit,
        Error::Compacted { .. } => api::error::of(Code::Compacted).exit,
        Error::Setting(_) => 2,
        Error::Unreachable { .. } => 5,
        Error::Interrupted { .. } => 6,
        Error::TimedOut { outcome_unknown, .. } => 5 + u8::from(*outcome_unknown),
        Error::Malformed(_) => 8,
        Error::Status { grpc, .. } => grpc_exit(*grpc),
        _ => 1,
    }
}

/// The exit code of a server's word that says no more than gRPC does.
pub(crate) fn grpc_exit(code: tonic::Code) -> u8 {
    use tonic::Code as G;
    match code {
        G::InvalidArgument | G::OutOfRange | G::Unimplemented => 2,
        G::NotFound => 3,
        G::FailedPrecondition | G::AlreadyExists => 4,
        G::Unavailable => 5,
        G::DeadlineExceeded | G::Cancelled | G::Unknown => 6,
        G::ResourceExhausted => 7,
        G::DataLoss | G::Internal => 8,
        _ => 1,
    }
}

fn hint(error: &Error) -> Option<String> {
    const CLUSTER: &str = "a majority of the nodes must be up; `hiraeth status` shows which are";
    const UNKNOWN: &str =
        "if this was a write, it may have been carried out: read before writing again";
    Some(match error {
        Error::Unreachable { .. } => {
            "is a server running there? `hiraeth serve` starts one; --endpoints or \
             HIRAETH_ENDPOINTS say where it is"
                .to_owned()
        }
        Error::Compacted { oldest } => format!("watch from revision {oldest} on: --rev {oldest}"),
        Error::Interrupted { .. } => UNKNOWN.to_owned(),
        Error::TimedOut { outcome_unknown: true, .. } => format!("{UNKNOWN}; {CLUSTER}"),
        Error::TimedOut { .. } => {
            format!("{CLUSTER}, a server's log what it waits for; --timeout waits longer")
        }
        Error::Server { code, .. } => return hint_of(*code).map(ToOwned::to_owned),
        Error::Status { grpc: tonic::Code::Unimplemented, .. } => {
            "the server does not know this; is it Hiraeth, and of this version?".to_owned()
        }
        _ => return None,
    })
}

fn hint_of(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::UserEmpty => "this cluster knows users: say who asks with --user NAME:PASSWORD",
        Code::AuthFailed => {
            "--user or HIRAETH_USER says who asks, HIRAETH_PASSWORD may have the password"
        }
        Code::PermissionDenied => {
            "the user has no role that allows it; `etcdctl role grant-permission` gives one"
        }
        Code::EmptyKey => "name a key; `hiraeth kv scan` reads many",
        Code::KeyNotFound => "what is to be kept must be there; put the key as a whole first",
        Code::DuplicateKey => "write each key once in a transaction",
        Code::Compacted => "that revision is gone; leave --rev out to read what is now",
        Code::FutureRevision => {
            "that revision has not happened yet; leave --rev out to read what is now"
        }
        Code::RequestTooLarge => "a request may have 1.5 MiB; split the value over several keys",
        Code::TooManyOperations => "a transaction may have 128 operations; make several",
        Code::LeaseNotFound => {
            "it ended or was revoked; `hiraeth lease list` shows the living, `hiraeth lease grant` \
             makes one"
        }
        Code::LeaseExists => "leave --id out to let the server choose",
        Code::KeyspaceExists => "`hiraeth keyspace list` shows all; use it with --keyspace",
        Code::NoSpace => "delete and compact, or give the servers more disk",
        Code::TooManyRequests => "the servers are overloaded; try again in a while",
        Code::NoLeader | Code::RegionNotFound => {
            "a majority of the nodes must be up; `hiraeth status` shows which are"
        }
        Code::NotLeader | Code::EpochMismatch | Code::ShuttingDown => "try again",
        Code::LeaderChanged | Code::Timeout | Code::SessionExpired => {
            "if this was a write, it may have been carried out: read before writing again"
        }
        Code::ConfigUnknown => "`hiraeth config list` shows all; `hiraeth config put` makes one",
        Code::ConfigChanged => {
            "somebody else released meanwhile; `hiraeth config history` shows what, --expected says \
             what you build upon"
        }
        Code::VersionNotKept => "`hiraeth config history` shows what is kept",
        Code::SchemaViolated => {
            "mend the content; `hiraeth config schema get NAME`, or GROUP/, shows what it has to be"
        }
        Code::GrayRunning => {
            "`hiraeth config gray status` shows it, `gray promote` or `gray abort` ends it"
        }
        Code::GrayMissing => "`hiraeth config history` shows how the last one ended",
        Code::Corrupt | Code::Internal => "the server's log says more",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use client::Error;
    use types::{Code, Fault};

    use super::exit;

    /// The client reads codes from words; `api` writes them.
    #[test]
    fn the_client_knows_every_error_the_server_can_send() {
        for code in Code::ALL {
            for fault in [Fault::from(code), Fault::new(code, "and more")] {
                let error = Error::from(api::error::status(&fault));
                assert_eq!(error.code(), Some(code), "{error}");
                assert_eq!(exit(&error), api::error::of(code).exit, "{error}");
            }
        }
    }
}
