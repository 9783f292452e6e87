use std::collections::BTreeMap;
use std::sync::Arc;

use proto::hiraeth::v1 as pb;
use tokio::sync::{mpsc, watch};

use super::instance::{Instance, Standing};
use super::pick;
use super::session::Order;
use crate::Error;

/// What is known of a service, at one version.
#[derive(Clone, Default, Debug)]
pub(super) struct Known {
    /// 0 until the servers have told something.
    pub(super) version: i64,
    pub(super) instances: Arc<Vec<Arc<Instance>>>,
}

/// The instances of a service as they were told, step by step.
#[derive(Default)]
pub(super) struct Table {
    pub(super) version: i64,
    instances: BTreeMap<(String, String), Arc<Instance>>,
}

impl Table {
    pub(super) fn take(&mut self, change: pb::Change) -> Known {
        if change.everything {
            self.instances.clear();
        }
        for instance in change.changed {
            let instance = Instance::from(instance);
            let place = (instance.node.clone(), instance.id.clone());
            self.instances.insert(place, Arc::new(instance));
        }
        for place in change.gone {
            self.instances.remove(&(place.node, place.id));
        }
        self.version = change.version;
        let instances = Arc::new(self.instances.values().cloned().collect());
        Known { version: self.version, instances }
    }
}

/// A service that is followed: its instances are at hand, and what changes of them is pushed. While no
/// server is reached they stay as they were last. Following ends when it is dropped.
pub struct Service {
    pub(super) number: u64,
    pub(super) known: watch::Receiver<Known>,
    pub(super) orders: mpsc::UnboundedSender<Order>,
}

impl Service {
    /// The instances, whatever their standing, by node and id.
    #[must_use]
    pub fn instances(&self) -> Arc<Vec<Arc<Instance>>> {
        Arc::clone(&self.known.borrow().instances)
    }

    /// Those that pass.
    #[must_use]
    pub fn passing(&self) -> Vec<Arc<Instance>> {
        let known = self.known.borrow();
        known.instances.iter().filter(|it| it.standing == Standing::Passing).cloned().collect()
    }

    /// One that passes, the heavier the more often, those of `zone` before others; `None` if there is no
    /// such one.
    #[must_use]
    pub fn pick(&self, zone: &str) -> Option<Arc<Instance>> {
        pick::pick(&self.known.borrow().instances, zone)
    }

    /// The version of what is known.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.known.borrow().version
    }

    /// Answers once something else is known than at the last call.
    ///
    /// # Errors
    /// The registry's session ended.
    pub async fn changed(&mut self) -> Result<(), Error> {
        self.known.changed().await.map_err(|_| super::session::over())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.orders.send(Order::Unfollow(self.number)));
    }
}
