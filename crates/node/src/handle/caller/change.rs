use state::auth::acl::{AclCommand, AclId};
use state::auth::{AuthCommand, Permission};
use types::{Code, Fault};

use super::{Known, Who};
use crate::audit::Refusal;

/// A change of users or rights that is under way. What became of it is written down, also where nobody waits
/// for that any more: a client that hangs up takes its request along, and the change may be made all the
/// same.
pub(super) struct Change<'a> {
    known: &'a Known,
    what: &'static str,
    on: String,
    permission: Option<Permission>,
    open: Open,
    is_told: bool,
}

/// Who can bring it about again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Nobody: who may do it may also fill the audit log.
    No,
    /// Who may do nothing, and is refused then.
    ToRefused,
    /// Who is let in by an auth method, whatever comes of it.
    ToSessions,
}

impl Open {
    fn of(known: &Known, command: &AuthCommand) -> Self {
        let AuthCommand::Acl(command) = command else { return Self::No };
        match &**command {
            AclCommand::Bootstrap { .. } => Self::ToRefused,
            AclCommand::LogIn { .. } => Self::ToSessions,
            AclCommand::DeleteToken { id } if is_logout(known, id) => Self::ToSessions,
            _ => Self::No,
        }
    }

    /// As what it is bounded, if it is: refused, or done, or maybe done.
    fn refusal(self, is_refused: bool) -> Option<Refusal> {
        match self {
            Self::ToRefused => is_refused.then_some(Refusal::Management),
            Self::ToSessions if is_refused => Some(Refusal::Login),
            Self::ToSessions => Some(Refusal::Session),
            Self::No => None,
        }
    }
}

/// Whether somebody gives back its own token, which it has by a login. One that was made it could not get
/// again by itself.
fn is_logout(known: &Known, id: &AclId) -> bool {
    let is_own = matches!(&known.who, Who::Token(own) if own.token == *id);
    is_own && known.auth.acl.tokens.get(id).is_some_and(|it| !it.auth_method.is_empty())
}

impl<'a> Change<'a> {
    pub(super) fn begin(known: &'a Known, command: &AuthCommand) -> Self {
        let (what, user, role) = command.describe();
        let permission = match command {
            AuthCommand::GrantPermission { permission, .. } => Some(permission.clone()),
            _ => None,
        };
        let open = Open::of(known, command);
        let on = format!("{user} {role}").trim().to_owned();
        Self { known, what, on, permission, open, is_told: false }
    }

    pub(super) fn end(mut self, done: &Result<(), Fault>) {
        self.is_told = true;
        let (by, what, on, permission) = (self.known.name(), self.what, &self.on, &self.permission);
        match done {
            Ok(()) => tracing::info!(by, what, on, ?permission, "users or rights changed"),
            Err(fault) => {
                tracing::info!(by, what, on, ?permission, %fault, "users or rights not changed");
            }
        }
        if let Some(trace) = &self.known.trace {
            let refuses = [Code::PermissionDenied, Code::InvalidArgument, Code::LimitReached];
            let is_refused = done.as_ref().is_err_and(|fault| refuses.contains(&fault.code));
            let (outcome, refusal) = (super::trace::outcome(done), self.open.refusal(is_refused));
            trace.rights(&self.known.who, (what, on), &outcome, refusal);
        }
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        let (by, what, on, permission) = (self.known.name(), self.what, &self.on, &self.permission);
        tracing::info!(by, what, on, ?permission, "users or rights maybe changed: the client went");
        if let Some(trace) = &self.known.trace {
            let outcome = crate::audit::UNKNOWN;
            trace.rights(&self.known.who, (what, on), outcome, self.open.refusal(false));
        }
    }
}
