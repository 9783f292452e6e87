use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;
use proto::hiraeth::v1 as pb;

use super::copy::{Copy, Delta};
use super::mailbox::{Mailbox, Note};

/// A namespace and a service in it.
pub(super) type ServiceName = (String, String);

/// One service that clients of a gateway follow: one subscription at a member.
pub(super) struct Feed {
    pub(super) service: ServiceName,
    /// The number it has at the member.
    pub(super) number: u64,
    copy: Mutex<Copy>,
    /// By where they are, which is where they stay.
    readers: Mutex<BTreeMap<usize, Arc<Subscription>>>,
    /// The newest version that anybody came with.
    wanted: AtomicI64,
}

/// One client's wish to be told of one service.
pub(super) struct Subscription {
    /// The client's number for it.
    number: u64,
    mailbox: Arc<Mailbox>,
    /// Whether it is in the mailbox.
    queued: AtomicBool,
}

impl Subscription {
    pub(super) fn new(number: u64, mailbox: Arc<Mailbox>) -> Self {
        Self { number, mailbox, queued: AtomicBool::new(false) }
    }

    /// There is news for it; told once until it is taken. So who is slow is told the newest.
    fn wake(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.mailbox.put(Note::News(self.number));
        }
    }

    /// It is looked after now.
    pub(super) fn taken(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Feed {
    pub(super) fn new(service: ServiceName, number: u64) -> Self {
        let (copy, readers, wanted) = Default::default();
        Self { service, number, copy, readers, wanted }
    }

    pub(super) fn join(&self, subscription: &Arc<Subscription>) {
        self.readers.lock().insert(address(subscription), Arc::clone(subscription));
        subscription.wake();
    }

    /// Somebody leaves; answers whether nobody is left.
    pub(super) fn leave(&self, subscription: &Arc<Subscription>) -> bool {
        let mut readers = self.readers.lock();
        readers.remove(&address(subscription));
        readers.is_empty()
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.lock().len()
    }

    /// The version that is known here.
    pub(super) fn version(&self) -> i64 {
        self.copy.lock().version()
    }

    /// Whether somebody has a newer version than is known here, of which a member will not speak by itself
    /// if nothing is to be seen of it.
    pub(super) fn is_behind(&self) -> bool {
        let version = self.version();
        version > 0 && self.wanted.load(Ordering::Relaxed) > version
    }

    /// Takes in what a member told.
    pub(super) fn take(&self, change: pb::Change) {
        let readers = self.readers.lock();
        if self.copy.lock().take(change) {
            readers.values().for_each(|reader| reader.wake());
        }
    }

    /// What brings somebody on who has a version.
    pub(super) fn since(&self, have: i64, confirm: bool) -> Vec<Arc<Delta>> {
        self.wanted.fetch_max(have, Ordering::Relaxed);
        self.copy.lock().since(have, confirm)
    }

    /// The member does not take the subscription.
    pub(super) fn refuse(&self, answer: &pb::Answer) {
        for reader in self.readers.lock().values() {
            reader.mailbox.put(Note::Refused(reader.number, answer.clone()));
        }
    }
}

fn address(subscription: &Arc<Subscription>) -> usize {
    Arc::as_ptr(subscription).addr()
}
