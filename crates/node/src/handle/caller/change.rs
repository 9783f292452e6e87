use state::auth::acl::AclCommand;
use state::auth::{AuthCommand, Permission};
use types::{Code, Fault};

use super::Known;
use crate::audit::Refusal;

/// A change of users or rights that is under way. What became of it is written down, also where nobody waits
/// for that any more: a client that hangs up takes its request along, and the change may be made all the
/// same.
pub(super) struct Change<'a> {
    known: &'a Known,
    what: &'static str,
    on: String,
    permission: Option<Permission>,
    /// Whether who may do nothing can try it again and again.
    is_anybodys: bool,
    is_told: bool,
}

impl<'a> Change<'a> {
    pub(super) fn begin(known: &'a Known, command: &AuthCommand) -> Self {
        let (what, user, role) = command.describe();
        let permission = match command {
            AuthCommand::GrantPermission { permission, .. } => Some(permission.clone()),
            _ => None,
        };
        let is_open =
            |it: &AclCommand| matches!(it, AclCommand::Bootstrap { .. } | AclCommand::LogIn { .. });
        let is_anybodys = matches!(command, AuthCommand::Acl(command) if is_open(command));
        let on = format!("{user} {role}").trim().to_owned();
        Self { known, what, on, permission, is_anybodys, is_told: false }
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
            // What was refused was not done. Anything else cannot be brought about again and again.
            let refuses = [Code::PermissionDenied, Code::InvalidArgument, Code::LimitReached];
            let is_refused = done.as_ref().is_err_and(|fault| refuses.contains(&fault.code));
            let refusal = (self.is_anybodys && is_refused).then_some(Refusal::Management);
            trace.rights(&self.known.who, (what, on), &super::trace::outcome(done), refusal);
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
            trace.rights(&self.known.who, (what, on), outcome, None);
        }
    }
}
