use std::collections::HashMap;
use std::time::Duration;

use proto::hiraeth::v1 as pb;

/// How an instance stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Standing {
    /// All of its checks pass.
    #[default]
    Passing,
    /// One of them warns.
    Warning,
    /// One of them failed, or it was taken out of service.
    Critical,
}

/// An instance of a service.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Instance {
    /// The namespace; `default` if empty.
    pub namespace: String,
    /// The service it is an instance of.
    pub service: String,
    /// Its id, unique on its node; made of service and port if empty.
    pub id: String,
    /// The node it is on; called like the address if empty.
    pub node: String,
    /// Where it is reached.
    pub address: String,
    /// On which port.
    pub port: u16,
    /// Its tags.
    pub tags: Vec<String>,
    /// What else is to be known of it.
    pub meta: HashMap<String, String>,
    /// How often it is to be chosen, beside others; 0 is 1.
    pub weight: u32,
    /// Where it runs, so that clients nearby can prefer it.
    pub zone: String,
    /// Silence after which it does not pass any more: one second at least; `None` for one that needs no
    /// beats.
    pub ttl: Option<Duration>,
    /// Time after which it is forgotten when it does not pass; `None` for never.
    pub deregister_after: Option<Duration>,
    /// How it stands, as the servers see it; not looked at in what is registered.
    pub standing: Standing,
}

impl Instance {
    /// An instance of `service` at an address, which dies after 15 seconds of silence, and is forgotten
    /// after ten minutes more.
    pub fn new(service: impl Into<String>, address: impl Into<String>, port: u16) -> Self {
        Self {
            service: service.into(),
            address: address.into(),
            port,
            ttl: Some(Duration::from_secs(15)),
            deregister_after: Some(Duration::from_secs(600)),
            ..Self::default()
        }
    }

    /// `address:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match self.address.contains(':') {
            true => format!("[{}]:{}", self.address, self.port),
            false => format!("{}:{}", self.address, self.port),
        }
    }
}

fn millis(time: Option<Duration>) -> u64 {
    time.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl From<Instance> for pb::Instance {
    fn from(instance: Instance) -> Self {
        Self {
            namespace: instance.namespace,
            service: instance.service,
            id: instance.id,
            node: instance.node,
            address: instance.address,
            port: u32::from(instance.port),
            tags: instance.tags,
            meta: instance.meta,
            weight: instance.weight,
            zone: instance.zone,
            ttl_ms: millis(instance.ttl),
            deregister_after_ms: millis(instance.deregister_after),
            ..Self::default()
        }
    }
}

impl From<pb::Instance> for Instance {
    fn from(instance: pb::Instance) -> Self {
        let standing = match instance.status() {
            pb::InstanceStatus::Passing => Standing::Passing,
            pb::InstanceStatus::Warning => Standing::Warning,
            pb::InstanceStatus::Critical => Standing::Critical,
        };
        Self {
            namespace: instance.namespace,
            service: instance.service,
            id: instance.id,
            node: instance.node,
            address: instance.address,
            port: u16::try_from(instance.port).unwrap_or(0),
            tags: instance.tags,
            meta: instance.meta,
            weight: instance.weight,
            zone: instance.zone,
            ttl: None,
            deregister_after: None,
            standing,
        }
    }
}
