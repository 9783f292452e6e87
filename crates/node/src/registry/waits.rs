//! Who waits for an answer to become another one.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use state::registry::Changes;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use types::{Code, Fault};

use super::topic::{Topic, concerns_nobody, topics};

/// Who may wait at once, in all. Each costs a task, a connection and about a kilobyte.
const WAITING: usize = 200_000;

/// The bells of what is waited for, one for each thing.
#[derive(Default)]
pub(crate) struct Waits {
    bells: Mutex<Bells>,
}

#[derive(Default)]
struct Bells {
    /// The node stops: nobody is to wait any more.
    closed: bool,
    by_topic: BTreeMap<Topic, Bell>,
    waiting: usize,
}

struct Bell {
    notify: Arc<Notify>,
    listeners: usize,
}

impl Waits {
    /// Listens for changes of `topic` from now on.
    ///
    /// # Errors
    /// `TooManyRequests`.
    pub(crate) fn listen(&self, topic: Topic) -> Result<Listener<'_>, Fault> {
        let mut bells = self.bells.lock();
        if bells.waiting >= WAITING {
            let detail = format!("{WAITING} requests wait for changes already");
            return Err(Fault::new(Code::TooManyRequests, detail));
        }
        bells.waiting += 1;
        let bell = bells.by_topic.entry(topic.clone());
        let bell = bell.or_insert_with(|| Bell { notify: Arc::default(), listeners: 0 });
        bell.listeners += 1;
        let notify = Arc::clone(&bell.notify);
        Ok(Listener { waits: self, topic, notify })
    }

    /// Wakes who waits for what changed, and nobody else. Called once it can be read.
    pub(crate) fn ring(&self, changes: &[Changes]) {
        if changes.iter().all(concerns_nobody) {
            return;
        }
        let mut ringing = Vec::new();
        {
            let bells = self.bells.lock();
            if bells.waiting == 0 {
                return;
            }
            for topic in changes.iter().flat_map(topics) {
                ringing.extend(bells.by_topic.get(&topic).map(|bell| Arc::clone(&bell.notify)));
            }
        }
        ringing.iter().for_each(|notify| notify.notify_waiters());
    }

    /// Wakes everybody: the state is another one.
    pub(crate) fn ring_all(&self) {
        let bells: Vec<Arc<Notify>> =
            self.bells.lock().by_topic.values().map(|bell| Arc::clone(&bell.notify)).collect();
        bells.iter().for_each(|notify| notify.notify_waiters());
    }

    /// The node stops: wakes everybody, and nobody waits from here on.
    pub(crate) fn close(&self) {
        self.bells.lock().closed = true;
        self.ring_all();
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.bells.lock().waiting
    }
}

/// Somebody who waits.
pub(crate) struct Listener<'a> {
    waits: &'a Waits,
    topic: Topic,
    notify: Arc<Notify>,
}

impl Listener<'_> {
    /// Whether the node stops.
    pub(crate) fn is_closed(&self) -> bool {
        self.waits.bells.lock().closed
    }

    /// The next change; to be enabled before the answer is looked at, so that none falls between.
    pub(crate) fn next(&self) -> Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let mut bells = self.waits.bells.lock();
        bells.waiting -= 1;
        if let Some(bell) = bells.by_topic.get_mut(&self.topic) {
            bell.listeners -= 1;
            if bell.listeners == 0 {
                bells.by_topic.remove(&self.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt;
    use state::registry::{Changes, ServiceName};

    use super::{Topic, Waits};

    #[test]
    fn who_waits_is_woken_for_its_own_and_forgotten_when_it_goes() {
        let waits = Waits::default();
        let service = |name: &str| ServiceName::new("default", name);
        let mut changes = Changes::default();
        changes.services.insert(service("b"));
        {
            let a = waits.listen(Topic::Service(service("a"))).unwrap();
            let b = waits.listen(Topic::Service(service("b"))).unwrap();
            let (mut of_a, mut of_b) = (pin!(a.next()), pin!(b.next()));
            of_a.as_mut().enable();
            of_b.as_mut().enable();
            waits.ring(&[changes.clone()]);
            assert_eq!((of_a.as_mut().now_or_never(), of_b.now_or_never()), (None, Some(())));
            waits.ring_all();
            assert_eq!(of_a.now_or_never(), Some(()));
            assert_eq!(waits.len(), 2);
        }
        assert_eq!(waits.len(), 0);
        assert!(waits.bells.lock().by_topic.is_empty());
        waits.ring(&[changes]);
    }
}
