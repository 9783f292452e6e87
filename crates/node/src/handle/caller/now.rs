use state::auth::Demand;
use state::auth::acl::needs_registry;
use state::command::Command;
use state::request::RangeRequest;
use types::Fault;

use super::{Caller, Credentials, Known};
use crate::answer::Consistency;
use crate::auth::Ended;

/// What can be said of a request at once.
#[derive(Debug)]
pub enum Verdict<T> {
    /// It may be carried out, as it is here.
    Granted(T),
    /// This is its answer.
    Refused(Fault),
    /// That takes a question to others: to be asked for by itself, with the other calls.
    NotNow(T),
}

/// For those who have many requests under way in one task, and cannot wait for each.
impl<C: Credentials> Caller<'_, C> {
    /// Whether it may have `command` carried out by [`crate::Handle::submit`].
    pub fn command_now(&self, command: Command) -> Verdict<Command> {
        if self.handle.shared.auth.is_open() {
            return Verdict::Granted(command);
        }
        if let Err(fault) = state::check(&command) {
            return Verdict::Refused(fault);
        }
        // What is registered has to be looked at for rights of tokens.
        let is_long = matches!(&command, Command::Registry(command) if needs_registry(command));
        if is_long && self.handle.shared.auth.auth().acl.enabled {
            return Verdict::NotNow(command);
        }
        match self.known_now(Demand::Command(&command)) {
            None => Verdict::NotNow(command),
            Some(Err(fault)) => Verdict::Refused(fault),
            Some(Ok(known)) => {
                let limited = known.auth.limit(known.principal(), self.keyspace, command);
                Verdict::Granted(limited)
            }
        }
    }

    /// Whether it may read a range, by [`crate::Handle::submit_read`] and
    /// [`crate::Handle::range_here`].
    pub fn range_now(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Verdict<RangeRequest> {
        if self.handle.shared.auth.is_open() {
            return Verdict::Granted(request);
        }
        if let Err(fault) = state::check_range(&request) {
            return Verdict::Refused(fault);
        }
        let what = Demand::Range(&request.range);
        let may = match consistency {
            Consistency::Stale | Consistency::StaleWithin(_) => Some(self.permit_locally(what)),
            _ => self.known_now(what).map(|known| known.map(drop)),
        };
        match may {
            None => Verdict::NotNow(request),
            Some(Err(fault)) => Verdict::Refused(fault),
            Some(Ok(())) => Verdict::Granted(request),
        }
    }

    /// By the own copy; `None` while this node may not go by it.
    fn known_now(&self, what: Demand<'_>) -> Option<Result<Known, Fault>> {
        let shared = &self.handle.shared;
        let auth = shared.auth.current(shared.clock.now())?;
        Some(
            self.identify(auth, Ended::Refuse)
                .and_then(|known| known.authorize(what).map(|()| known)),
        )
    }
}
