//! etcd's lock service: Lock and Unlock are one operation.

use super::calls::{Notes, Operation};
use crate::bench::data::Random;
use crate::bench::protobuf::{bytes, put_bytes, put_number};

pub(in crate::bench) struct Lock {
    random: Random,
    /// Names that locks have; the fewer, the more wait for one another.
    names: u64,
    /// The key each slot holds.
    held: Vec<Option<Vec<u8>>>,
    /// Without one a lock would hang on a session nobody ends.
    lease: i64,
}

impl Lock {
    pub(in crate::bench) fn new(seed: u64, names: u64, lease: i64, slots: usize) -> Self {
        Self { random: Random::new(seed), names, held: vec![None; slots], lease }
    }
}

impl Operation for Lock {
    fn ask(&mut self, slot: usize, message: &mut Vec<u8>) -> &'static str {
        if let Some(key) = &self.held[slot] {
            put_bytes(message, 1, key);
            return "/v3lockpb.Lock/Unlock";
        }
        let name = format!("bench-lock-{}", self.random.below(self.names));
        put_bytes(message, 1, name.as_bytes());
        put_number(message, 2, self.lease.cast_unsigned());
        "/v3lockpb.Lock/Lock"
    }

    fn answer(&mut self, slot: usize, message: &[u8], _: &Notes<'_>) -> Result<(), &'static str> {
        if self.held[slot].take().is_some() {
            return Ok(());
        }
        let key = bytes(message, 2);
        self.held[slot] = Some(key.to_vec());
        if key.is_empty() { Err("a lock without a key") } else { Ok(()) }
    }

    fn ended(&mut self, slot: usize) -> Option<usize> {
        self.held[slot].is_none().then_some(0)
    }

    fn failed(&mut self, slot: usize) {
        self.held[slot] = None;
    }
}
