use state::auth::Demand;
use types::Fault;

use super::{Caller, Credentials, Trace, Who};
use crate::audit::{AuditKind, AuditRecord, Sender};
use crate::auth::Ended;

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
fn outcome(done: &Result<(), Fault>) -> String {
    match done {
        Ok(()) => "ok".to_owned(),
        Err(fault) if fault.detail.is_empty() => format!("{:?}", fault.code),
        Err(fault) => format!("{:?}: {}", fault.code, fault.detail),
    }
}

impl<C: Credentials> Caller<'_, C> {
    /// Who it is, as far as this node knows, for the audit log.
    pub(crate) fn sender(&self) -> Sender {
        let shared = &self.handle.shared;
        let auth = shared.auth.auth();
        let who = self.who(&auth, self.handle.area(self.keyspace), Ended::Take);
        who.unwrap_or(Who::Nobody).sender(self.credentials.origin())
    }
}

impl Trace {
    fn write(&self, is_denial: bool, record: impl FnOnce() -> AuditRecord) {
        self.shared.config.audit.record(self.shared.clock.wall_millis(), record, is_denial);
    }

    /// Somebody was refused.
    pub(super) fn denied(&self, who: &Who, what: Demand<'_>, fault: &Fault) {
        self.write(true, || {
            let (what, on) = what.describe();
            let (who, outcome) = (who.sender(&self.origin), outcome(&Err(fault.clone())));
            AuditRecord { kind: AuditKind::Denied, who, what, on, outcome }
        });
    }

    /// Somebody changed users or rights, or could not.
    pub(super) fn rights(&self, who: &Who, what: &str, on: &str, done: &Result<(), Fault>) {
        self.write(false, || AuditRecord {
            kind: AuditKind::Rights,
            who: who.sender(&self.origin),
            what: what.to_owned(),
            on: on.to_owned(),
            outcome: outcome(done),
        });
    }
}
