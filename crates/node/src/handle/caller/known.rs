//! Who asks: a user, the holder of one of Consul's tokens, or nobody.

use std::sync::Arc;

use state::auth::acl::Authorizer;
use state::auth::{Area, Auth, Demand, Principal};
use types::{Code, Fault, KeyspaceId};

use super::{Caller, Credentials};
use crate::auth::{ANONYMOUS, Ended};
use crate::shared::Shared;

/// Who asks, found out.
pub(in crate::handle) struct Known {
    pub(in crate::handle) auth: Arc<Auth>,
    pub(in crate::handle) who: Who,
    /// What is asked.
    pub(super) place: (KeyspaceId, Area),
    /// Where refusals are written down, if they are.
    pub(super) trace: Option<Trace>,
}

/// Somebody from somewhere, of whom something may be written down.
pub(super) struct Trace {
    pub(super) shared: Arc<Shared>,
    pub(super) origin: Box<str>,
}

pub(in crate::handle) enum Who {
    Nobody,
    User(String),
    /// The holder of one of Consul's tokens; where the ACL is on also who brings none.
    Token(Arc<Authorizer>),
}

impl Known {
    pub(super) fn principal(&self) -> Option<Principal<'_>> {
        match &self.who {
            Who::Nobody => None,
            Who::User(user) => Some(Principal::User(user)),
            Who::Token(token) => Some(Principal::Token(token)),
        }
    }

    /// For the log.
    pub(super) fn name(&self) -> &str {
        match &self.who {
            Who::Nobody => "",
            Who::User(user) => user,
            Who::Token(token) => &token.token,
        }
    }

    pub(in crate::handle) fn authorize(&self, what: Demand<'_>) -> Result<(), Fault> {
        self.hold_to(self.decide(what), what)
    }

    /// What was decided; written down, if it is a refusal.
    pub(in crate::handle) fn hold_to(
        &self,
        decided: Result<(), Fault>,
        what: Demand<'_>,
    ) -> Result<(), Fault> {
        if let (Err(fault), Some(trace)) = (&decided, &self.trace) {
            trace.denied(&self.who, what, fault);
        }
        decided
    }

    /// The same, where being refused is no event: what cannot be seen is left out.
    pub(super) fn decide(&self, what: Demand<'_>) -> Result<(), Fault> {
        self.auth.authorize(self.principal(), self.place, what)
    }
}

impl<C: Credentials> Caller<'_, C> {
    /// Who asks, by users and rights that are no older than this call.
    pub(in crate::handle) async fn known(&self) -> Result<Known, Fault> {
        self.identify(self.handle.auth_now().await?, Ended::Refuse)
    }

    pub(in crate::handle) fn identify(
        &self,
        auth: Arc<Auth>,
        ended: Ended,
    ) -> Result<Known, Fault> {
        let shared = &self.handle.shared;
        let trace = shared.config.audit.is_on().then(|| Trace {
            shared: Arc::clone(shared),
            origin: self.credentials.origin().into(),
        });
        self.identify_for(auth, ended, trace)
    }

    /// By what this node knows, and for no decision that is told to anybody.
    pub(super) fn identify_silently(&self) -> Result<Known, Fault> {
        self.identify_for(self.handle.shared.auth.auth(), Ended::Take, None)
    }

    fn identify_for(
        &self,
        auth: Arc<Auth>,
        ended: Ended,
        trace: Option<Trace>,
    ) -> Result<Known, Fault> {
        if self.handle.shared.auth.waits_for_acl(&auth) {
            let detail = "the ACL is being switched on, as this node's settings say";
            return Err(Fault::new(Code::NoLeader, detail));
        }
        let place = (self.keyspace, self.handle.area(self.keyspace));
        let who = self.who(&auth, place.1, ended);
        if let (Err(fault), Some(trace)) = (&who, &trace) {
            trace.denied(&Who::Nobody, Demand::Anyone, fault);
        }
        Ok(Known { auth, who: who?, place, trace })
    }

    /// While neither is on nobody's word is held against it.
    pub(super) fn who(&self, auth: &Auth, area: Area, ended: Ended) -> Result<Who, Fault> {
        let shared = &self.handle.shared;
        let (datacenter, now_ms) = (&shared.config.datacenter, shared.clock.wall_millis());
        let nobody = || {
            // Where etcd's Auth watches over keys, they are for its users.
            let of_users = auth.enabled && area.is_of_users();
            let is_acls = auth.acl.enabled && !of_users;
            let nobody = shared.authorizers.of_nobody(auth, datacenter, now_ms);
            nobody.filter(|_| is_acls).map_or(Who::Nobody, Who::Token)
        };
        // Who says that it has none is nobody in particular, too.
        let brought = self.credentials.token().filter(|it| *it != ANONYMOUS || !auth.acl.enabled);
        let Some(token) = brought.filter(|_| auth.is_on()) else {
            return Ok(nobody());
        };
        if let Some(user) = shared.words.read(token) {
            return Ok(if auth.enabled { Who::User(user.to_owned()) } else { nobody() });
        }
        if auth.acl.enabled
            && let Some(found) = shared.authorizers.of_secret(auth, token, datacenter, now_ms)
        {
            return Ok(Who::Token(found));
        }
        // Consul's words, which its clients look for.
        let unknown = || match auth.acl.enabled {
            true if auth.acl.bootstrapped == 0 => Fault::new(
                Code::InvalidAuthToken,
                "ACL system must be bootstrapped before making any requests that require authorization: \
                 ACL not found",
            ),
            true => Fault::new(Code::InvalidAuthToken, "ACL not found"),
            false => Code::InvalidAuthToken.into(),
        };
        if auth.enabled {
            let now = (shared.clock.now(), now_ms);
            let user = shared.tokens.read(auth, token, now, ended);
            return user.map(Who::User).map_err(|_| unknown());
        }
        // Keys are everybody's then, and clients of etcd may still have a token of when they were not.
        if area == Area::Keys { Ok(nobody()) } else { Err(unknown()) }
    }
}
