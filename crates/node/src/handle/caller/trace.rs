use state::auth::acl::{ANONYMOUS_TOKEN, Access, AclCommand, Resource};
use state::auth::{AuthCommand, Demand};
use types::{Code, Fault};

use super::{Caller, Credentials, Trace, Who};
use crate::audit::{AuditKind, AuditRecord, OK, Refusal, Sender};
use crate::auth::{Ended, hash_of};

impl Who {
    fn sender(&self, origin: &str) -> Sender {
        let mut sender = Sender { address: origin.to_owned(), ..Sender::default() };
        match self {
            Self::Nobody => {}
            Self::User(user) => sender.user.clone_from(user),
            Self::Token(token) => sender.token = token.token.to_string(),
        }
        sender
    }
}

/// What came of it, in words; of a fault its kind, and what it says of rights.
pub(super) fn outcome(done: &Result<(), Fault>) -> String {
    match done {
        Ok(()) => OK.to_owned(),
        Err(fault) if fault.detail.is_empty() => format!("{:?}", fault.code),
        Err(fault) => format!("{:?}: {}", fault.code, fault.detail),
    }
}

/// Whether somebody whom an auth method vouches for wants to be let in.
fn is_login(what: Demand<'_>) -> bool {
    let Demand::Auth(AuthCommand::Acl(command)) = what else { return false };
    matches!(**command, AclCommand::LogIn { .. })
}

impl<C: Credentials> Caller<'_, C> {
    /// Who it is, as far as this node knows, for the audit log.
    pub(crate) fn sender(&self) -> Sender {
        let shared = &self.handle.shared;
        let auth = shared.auth.auth();
        let who = self.who(&auth, self.handle.area(self.keyspace), Ended::Take);
        who.unwrap_or(Who::Nobody).sender(self.credentials.origin())
    }

    /// Whether it may run the cluster, or most of it, as far as this node knows.
    pub(in crate::handle) fn may_manage(&self) -> bool {
        let Ok(known) = self.identify_silently() else { return false };
        let operator = Demand::Resource(Resource::Operator, Access::Write);
        known.decide(Demand::Root).or_else(|_| known.decide(operator)).is_ok()
    }
}

impl Trace {
    fn write(&self, refusal: Option<Refusal>, record: impl FnOnce() -> AuditRecord) {
        self.shared.config.audit.record(self.shared.clock.wall_millis(), record, refusal);
    }

    /// Of what kind it is that somebody was refused.
    fn refusal(&self, who: &Who, what: Demand<'_>, code: Code) -> Refusal {
        match who {
            _ if is_login(what) => Refusal::Login,
            _ if code == Code::InvalidAuthToken => Refusal::Token,
            Who::User(_) => Refusal::Somebody,
            Who::Token(token) if !self.is_anybodys(&token.token) => Refusal::Somebody,
            Who::Nobody | Who::Token(_) => Refusal::Nobody,
        }
    }

    /// Whether it is asked in the name of this token for those that bring none.
    fn is_anybodys(&self, token: &str) -> bool {
        if token == ANONYMOUS_TOKEN {
            return true;
        }
        let Some(own) = self.shared.default_token.lock().clone() else { return false };
        let auth = self.shared.auth.auth();
        auth.acl.token_of(&hash_of(&*own)).is_some_and(|own| **own == *token)
    }

    /// Somebody was refused.
    pub(super) fn denied(&self, who: &Who, what: Demand<'_>, fault: &Fault) {
        if !self.shared.config.audit.is_on() {
            return;
        }
        self.write(Some(self.refusal(who, what, fault.code)), || {
            let (what, on) = what.describe();
            let (who, outcome) = (who.sender(&self.origin), outcome(&Err(fault.clone())));
            AuditRecord { kind: AuditKind::Denied, who, what, on, outcome }
        });
    }

    /// Somebody changed users or rights, or could not; bounded as refusals are, if it could be brought about
    /// again and again.
    pub(super) fn rights(
        &self,
        who: &Who,
        (what, on): (&str, &str),
        outcome: &str,
        refusal: Option<Refusal>,
    ) {
        self.write(refusal, || AuditRecord {
            kind: AuditKind::Rights,
            who: who.sender(&self.origin),
            what: what.to_owned(),
            on: on.to_owned(),
            outcome: outcome.to_owned(),
        });
    }
}
