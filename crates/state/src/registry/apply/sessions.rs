//! Sessions come, and are renewed.

use types::{Code, Fault, limits};

use super::Edit;
use crate::codec::primitives::Writer;
use crate::registry::answer::{Timer, TimerChange};
use crate::registry::name::CheckKey;
use crate::registry::record::{Session, Status};
use crate::registry::{codec, keys};

impl Edit<'_> {
    /// Refused in Consul's words, which its clients look at.
    pub(super) fn create_session(&mut self, session: Session) -> Result<(), Fault> {
        if self.registry.sessions.contains_key(&session.id) {
            let detail = format!("the session {:?} is there already", session.id);
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
        if self.registry.sessions.len() >= limits::REGISTRY_SESSIONS {
            let most = limits::REGISTRY_SESSIONS;
            let detail = format!("the registry holds at most {most} sessions");
            return Err(Fault::new(Code::LimitReached, detail));
        }
        if !self.registry.nodes.contains_key(&session.node) {
            return Err(Fault::new(Code::NodeUnknown, "Missing node registration"));
        }
        for key in session.checks() {
            let CheckKey { id, .. } = &key;
            let Some(check) = self.registry.check_at(&key) else {
                let detail = format!("Missing check '{id}' registration");
                return Err(Fault::new(Code::CheckUnknown, detail));
            };
            if check.status == Status::Critical {
                let detail = format!("Check '{id}' is in critical state");
                return Err(Fault::new(Code::InvalidArgument, detail));
            }
        }
        let (created, timer) = (self.revision, self.new_timer());
        self.put_session(Session { created, modified: created, timer, ..session });
        Ok(())
    }

    pub(crate) fn put_session(&mut self, session: Session) {
        let mut out = Writer::with_capacity(128);
        codec::put_session(&mut out, &session);
        self.batch.put(keys::session(self.region, &session.id), out.finish());
        if session.ttl_ms > 0 {
            let timer = Timer::Session { ttl_ms: session.ttl_ms };
            self.restart_timer(session.timer, timer);
        }
        self.changed = true;
        self.changes.sessions.insert(session.id.clone());
        self.registry.lists.sessions = self.revision;
        self.registry.insert_session(session);
    }

    pub(super) fn end_session(&mut self, id: &str) {
        let Some(session) = self.registry.drop_session(id) else { return };
        self.batch.delete(keys::session(self.region, id));
        if session.ttl_ms > 0 {
            self.changes.timers.push(TimerChange::Stop(session.timer));
        }
        self.changed = true;
        self.changes.sessions.insert(session.id.clone());
        self.registry.lists.sessions = self.revision;
        self.untold_lists = true;
        self.ended.push(session);
    }

    pub(super) fn renew_session(&mut self, id: &str) -> Result<(), Fault> {
        let Some(session) = self.registry.sessions.get(id) else {
            return Err(unknown(id));
        };
        if session.ttl_ms > 0 {
            let session = Session { modified: self.revision, ..(**session).clone() };
            self.put_session(session);
        }
        Ok(())
    }
}

/// What whoever asks for a session that is not there is told.
pub(crate) fn unknown(id: &str) -> Fault {
    Fault::new(Code::SessionUnknown, format!("invalid session {id:?}"))
}
