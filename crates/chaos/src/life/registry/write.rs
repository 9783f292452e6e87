use std::time::{Duration, Instant};

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;

use super::truth::{FORGOTTEN_AFTER, Place, TTL};

/// A registration, or what takes it back.
#[derive(Clone, Copy)]
pub(super) struct Write {
    pub(super) place: Place,
    pub(super) registers: bool,
    /// Asked for once: its revision is that of the change.
    pub(super) is_first: bool,
    pub(super) sent: Instant,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Write {
    /// What is said to the server; of so many services.
    pub(super) fn ask(&self, request: u64, services: usize) -> Ask {
        let (id, address) = (self.place.id(), self.place.address(services));
        if !self.registers {
            let namespace = String::new();
            return Ask::Deregister(pb::Deregister { request, namespace, node: address, id });
        }
        let instance = pb::Instance {
            service: Place::service_name(self.place.service),
            id,
            address,
            port: 1_024 + u32::try_from(self.place.number % 60_000).unwrap_or(0),
            tags: vec!["v1".to_owned(), "primary".to_owned()],
            meta: [("version".to_owned(), "1.2.3".to_owned())].into(),
            ttl_ms: millis(TTL),
            deregister_after_ms: millis(FORGOTTEN_AFTER),
            ..pb::Instance::default()
        };
        Ask::Register(pb::Register { request, instance: Some(instance) })
    }
}
