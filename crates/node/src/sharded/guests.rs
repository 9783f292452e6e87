//! Commands that this node's replicas carry out for nodes that have none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use state::command::SessionTag;
use tokio::sync::oneshot;
use types::Fault;

use crate::applier::Applied;

type Told = Result<Applied, Fault>;
/// Who sent a command, and under which number.
type Name = (u64, u64);

/// Who waits for which command. Its bound is that of the node's requests: each is one. Made when the first
/// comes: where every node has a replica, none does.
#[derive(Default)]
pub(crate) struct Guests(OnceLock<Arc<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// So that an applier need not look where nobody waits.
    count: AtomicUsize,
    by_name: Mutex<BTreeMap<Name, oneshot::Sender<Told>>>,
}

/// Waits as long as it lives.
pub(crate) struct Guest {
    waiting: Arc<Waiting>,
    name: Name,
    pub(crate) outcome: oneshot::Receiver<Told>,
}

const fn name_of(tag: &SessionTag) -> Name {
    (tag.client, tag.sequence)
}

impl Guests {
    /// Waits for a command to be applied here; whoever waited for it before does so no longer.
    pub(crate) fn enter(&self, tag: &SessionTag) -> Guest {
        let (sender, outcome) = oneshot::channel();
        let name = name_of(tag);
        let waiting = Arc::clone(self.0.get_or_init(Arc::default));
        let mut by_name = waiting.by_name.lock();
        drop(by_name.insert(name, sender));
        waiting.count.store(by_name.len(), Ordering::Release);
        drop(by_name);
        Guest { waiting, name, outcome }
    }

    /// Whether anybody waits for the command.
    pub(crate) fn wait_for(&self, tag: &SessionTag) -> bool {
        self.0.get().is_some_and(|waiting| {
            waiting.count.load(Ordering::Acquire) > 0
                && waiting.by_name.lock().contains_key(&name_of(tag))
        })
    }

    /// What became of commands.
    pub(crate) fn tell(&self, told: Vec<(SessionTag, Told)>) {
        if told.is_empty() {
            return;
        }
        let Some(waiting) = self.0.get() else { return };
        let mut by_name = waiting.by_name.lock();
        for (tag, told) in told {
            if let Some(sender) = by_name.remove(&name_of(&tag)) {
                // Nobody there any more: the request timed out.
                drop(sender.send(told));
            }
        }
        waiting.count.store(by_name.len(), Ordering::Release);
    }

    /// Nothing is applied here any more.
    pub(crate) fn end(&self) {
        let Some(waiting) = self.0.get() else { return };
        let senders = std::mem::take(&mut *waiting.by_name.lock());
        waiting.count.store(0, Ordering::Release);
        drop(senders);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.outcome.close();
        let mut by_name = self.waiting.by_name.lock();
        // Another one may wait under the name by now.
        if by_name.get(&self.name).is_some_and(oneshot::Sender::is_closed) {
            by_name.remove(&self.name);
        }
        self.waiting.count.store(by_name.len(), Ordering::Release);
    }
}
