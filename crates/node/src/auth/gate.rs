//! Whether this node's copy of users and rights is good enough to be gone by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use env::Moment;
use parking_lot::Mutex;
use state::auth::Auth;

use super::listen::Listeners;

/// What the other nodes told with their beats of what they know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Told {
    /// The newest change any of them knows.
    pub(crate) newest: u64,
    /// Beats that this node sent until then were answered by a majority, itself included.
    pub(crate) majority: Option<Moment>,
}

/// A node goes by its own copy as long as a majority answers its beats, and none of them knows more.
/// Whoever changes users or rights tells nobody of it before all nodes know, or a majority does and
/// all others have lost the leave to go by their own copy.
pub(crate) struct Gate {
    /// Whether requests pass without being looked at: auth is off, and this node would know if it
    /// was not. All that a request costs then is to look here.
    open: AtomicBool,
    /// For how long one answer of a majority counts.
    leave_for: Duration,
    /// Nobody gets in before the ACL was seen to be on: this node was told to switch it on.
    wants_acl: AtomicBool,
    inner: Mutex<Inner>,
    listeners: Listeners,
}

#[derive(Default)]
struct Inner {
    auth: Arc<Auth>,
    /// Whether the copy was once as new as the meta region itself since this node started. What was
    /// told before may be older than what an earlier run had told.
    confirmed: bool,
    told: Told,
}

impl Gate {
    pub(crate) fn new(leave_for: Duration, wants_acl: bool) -> Self {
        Self {
            open: AtomicBool::new(false),
            leave_for,
            wants_acl: AtomicBool::new(wants_acl),
            inner: Mutex::default(),
            listeners: Listeners::default(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether this node still waits for the ACL to be on, in this copy.
    pub(crate) fn waits_for_acl(&self, auth: &Auth) -> bool {
        !auth.acl.enabled && self.wants_acl.load(Ordering::Relaxed)
    }

    /// For how long one answer of a majority counts.
    pub(crate) fn leave_for(&self) -> Duration {
        self.leave_for
    }

    /// The copy as it is.
    pub(crate) fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.inner.lock().auth)
    }

    /// The copy, if it may be gone by at `now`.
    pub(crate) fn current(&self, now: Moment) -> Option<Arc<Auth>> {
        let inner = self.inner.lock();
        self.has_leave(&inner, now).then(|| Arc::clone(&inner.auth))
    }

    /// What this node says with its beats: the number of the newest change it knows, from 1; 0 for as
    /// long as it cannot tell.
    pub(crate) fn word(&self) -> u64 {
        let inner = self.inner.lock();
        if inner.confirmed { inner.auth.changes + 1 } else { 0 }
    }

    /// The meta region's applier has something new. Called before anybody learns that it is applied.
    /// Answers whether the others are to be told.
    pub(crate) fn learn(&self, now: Moment, auth: &Arc<Auth>) -> bool {
        let mut inner = self.inner.lock();
        if inner.auth.changes == auth.changes {
            return false;
        }
        inner.auth = Arc::clone(auth);
        if auth.acl.enabled {
            self.wants_acl.store(false, Ordering::Relaxed);
        }
        self.settle(&inner, now);
        drop(inner);
        self.listeners.wake();
        true
    }

    /// The copy was as new as the meta region a moment ago.
    pub(crate) fn confirm(&self, now: Moment) {
        let mut inner = self.inner.lock();
        inner.confirmed = true;
        self.settle(&inner, now);
    }

    /// The others spoke, or time went by.
    pub(crate) fn hear(&self, now: Moment, told: Told) {
        let mut inner = self.inner.lock();
        inner.told = told;
        self.settle(&inner, now);
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    fn has_leave(&self, inner: &Inner, now: Moment) -> bool {
        let told = inner.told;
        inner.confirmed
            && told.newest <= inner.auth.changes + 1
            && told.majority.is_some_and(|at| now < at.after(self.leave_for))
    }

    fn settle(&self, inner: &Inner, now: Moment) {
        let is_on = inner.auth.is_on() || self.waits_for_acl(&inner.auth);
        let open = !is_on && self.has_leave(inner, now);
        self.open.store(open, Ordering::Relaxed);
    }
}
