use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::REGISTER;
use crate::bench::protobuf::{put_bytes, put_number};

/// Instances on one node.
const ON_A_NODE: u64 = 50;

/// The instances that are registered, numbered over all connections.
pub(in crate::bench) struct Instances {
    next: Cell<u64>,
    services: u64,
    ttl: Duration,
}

impl Instances {
    pub(in crate::bench) fn new(services: u64, ttl: Duration) -> Rc<Self> {
        Rc::new(Self { next: Cell::new(0), services, ttl })
    }

    /// A message that registers the next one.
    pub(super) fn register(&self, request: u64, message: &mut Vec<u8>) {
        let number = self.next.replace(self.next.get() + 1);
        let (mut instance, mut register) = (Vec::with_capacity(160), Vec::with_capacity(180));
        let node = number / ON_A_NODE;
        let service = format!("service-{:05}", number % self.services);
        let address = format!("10.{}.{}.{}", node >> 16 & 255, node >> 8 & 255, node & 255);
        put_bytes(&mut instance, 2, service.as_bytes());
        put_bytes(&mut instance, 3, format!("{service}-{number:07}").as_bytes());
        put_bytes(&mut instance, 5, address.as_bytes());
        put_number(&mut instance, 6, 1_024 + number % 60_000);
        put_bytes(&mut instance, 7, b"v1");
        put_bytes(&mut instance, 7, b"primary");
        put_bytes(&mut instance, 8, b"\x0a\x07version\x12\x051.2.3");
        put_number(&mut instance, 11, u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX));
        put_number(&mut register, 1, request);
        put_bytes(&mut register, 2, &instance);
        message.clear();
        put_bytes(message, REGISTER, &register);
    }
}
