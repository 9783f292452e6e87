//! The first keys of all, with the count of all.

use super::calls::{Notes, Operation};
use super::kv::RANGE;
use crate::bench::protobuf::{Field, Fields, put_bytes, put_number};

pub(in crate::bench) struct Range {
    pub(in crate::bench) limit: u64,
    pub(in crate::bench) serializable: bool,
}

impl Operation for Range {
    fn ask(&mut self, _: usize, message: &mut Vec<u8>) -> &'static str {
        // From zero to zero is everything.
        put_bytes(message, 1, &[0]);
        put_bytes(message, 2, &[0]);
        put_number(message, 3, self.limit);
        if self.serializable {
            put_number(message, 7, 1);
        }
        RANGE
    }

    fn answer(&mut self, _: usize, message: &[u8], notes: &Notes<'_>) -> Result<(), &'static str> {
        let (mut records, mut count) = (0, 0);
        for field in Fields(message) {
            match field {
                Field::Bytes(2, _) => records += 1,
                Field::Number(4, number) => count = number,
                _ => {}
            }
        }
        let wanted = if self.limit == 0 { count } else { count.min(self.limit) };
        if records != wanted {
            return Err("the answer's count and its records do not agree");
        }
        if count == 0 {
            notes.add("ranges without a key");
        }
        Ok(())
    }

    fn ended(&mut self, _: usize) -> Option<usize> {
        Some(0)
    }
}
