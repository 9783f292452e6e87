use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node::{Consistency, Handle};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use types::KeyspaceId;

use crate::ready;

/// How long a read may take before the node does not serve.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked at while somebody watches. A leader that is lost is seen at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// Whether the node serves, looked at once for all who watch, and only while somebody does.
#[derive(Clone)]
pub(super) struct Watched {
    handle: Handle,
    told: Arc<Mutex<Option<watch::Sender<Option<bool>>>>>,
}

impl Watched {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, told: Arc::default() }
    }

    /// Whether a linearizable read works now.
    pub(super) async fn look(&self) -> bool {
        let read = timeout(PATIENCE, ready::probe(&self.handle, Consistency::Linearizable)).await;
        matches!(read, Ok(Ok(())))
    }

    /// Follows it; `None` is not known yet.
    pub(super) fn watch(&self) -> watch::Receiver<Option<bool>> {
        let mut told = self.lock();
        if let Some(sender) = &*told {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        *told = Some(sender);
        // One per node.
        tokio::spawn(self.clone().follow());
        receiver
    }

    async fn follow(self) {
        loop {
            let serves = self.look().await;
            if !self.tell(serves) {
                return;
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = self.handle.leader_lost(KeyspaceId::DEFAULT), if serves => {
                    // What was just lost may be back; the next look says.
                    sleep(INTERVAL / 20).await;
                }
            }
        }
    }

    /// Whether there is anybody to tell; if not, the next one begins anew.
    fn tell(&self, serves: bool) -> bool {
        let mut told = self.lock();
        let Some(sender) = &*told else { return false };
        if sender.receiver_count() == 0 {
            *told = None;
            return false;
        }
        sender.send_if_modified(|known| known.replace(serves) != Some(serves));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<watch::Sender<Option<bool>>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
