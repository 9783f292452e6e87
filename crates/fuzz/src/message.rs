//! Messages, drawn field by field.

use prost_types::field_descriptor_proto::Type;

use crate::random::Random;
use crate::schema::{Field, Schema};
use crate::words;

/// How deep ordinary messages nest.
const DEPTH: usize = 5;

pub(crate) const VARINT: u32 = 0;
pub(crate) const BYTES: u32 = 2;

/// Draws messages of a schema.
pub(crate) struct Messages<'a> {
    pub(crate) schema: &'a Schema,
}

impl Messages<'_> {
    /// A message of this type, whose fields mostly have a meaning.
    pub(crate) fn draw(&self, random: &mut Random, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        self.fields(random, name, 0, &mut out);
        out
    }

    fn fields(&self, random: &mut Random, name: &str, depth: usize, out: &mut Vec<u8>) {
        for field in self.schema.fields(name) {
            let is_message = field.kind == Type::Message;
            if is_message && depth >= DEPTH || random.below(10) >= likely(field) {
                continue;
            }
            let times = match random.below(60) {
                // The most operations of a transaction, and one more.
                0 if field.repeated => random.one(&[128, 129]),
                1 => 2,
                _ if field.repeated => 1 + random.below(3),
                _ => 1,
            };
            for _ in 0..times {
                self.field(random, field, depth, out);
            }
        }
        if random.once_in(25) {
            unknown(random, out);
        }
    }

    fn field(&self, random: &mut Random, field: &Field, depth: usize, out: &mut Vec<u8>) {
        match field.kind {
            Type::Message => {
                let mut inner = Vec::new();
                self.fields(random, &field.of, depth + 1, &mut inner);
                bytes(out, field.number, &inner);
            }
            Type::Bytes => bytes(out, field.number, &words::bytes(random, &field.name)),
            Type::String => bytes(out, field.number, &words::text(random, &field.name)),
            Type::Enum => {
                let values = self.schema.values(&field.of);
                let value = match random.below(12) {
                    0 => random.one(&[-1, 99, i64::from(i32::MIN), i64::from(i32::MAX)]),
                    _ if values.is_empty() => 0,
                    _ => i64::from(values[random.below(values.len())].1),
                };
                number(out, field.number, value);
            }
            Type::Bool => number(out, field.number, i64::from(random.once_in(2))),
            _ => number(out, field.number, words::number(random, &field.name)),
        }
    }
}

/// In how many of ten messages a field is there.
fn likely(field: &Field) -> usize {
    match field.name.as_str() {
        "key" | "name" | "role" | "user" | "ID" | "TTL" | "success" | "create_request" => 9,
        "revision" | "start_revision" | "ignore_value" | "ignore_lease" | "lease" => 2,
        name if name.starts_with("min_") || name.starts_with("max_") => 1,
        _ => 5,
    }
}

/// A field that no message has, in each way of the wire.
fn unknown(random: &mut Random, out: &mut Vec<u8>) {
    let kind = u32::try_from(random.below(8)).unwrap_or(0);
    tag(out, 1_000 + u32::try_from(random.below(5)).unwrap_or(0), kind);
    let length = random.below(12);
    out.extend(random.bytes(length));
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(crate) fn tag(out: &mut Vec<u8>, number: u32, kind: u32) {
    varint(out, u64::from(number << 3 | kind));
}

pub(crate) fn number(out: &mut Vec<u8>, field: u32, value: i64) {
    tag(out, field, VARINT);
    varint(out, u64::from_le_bytes(value.to_le_bytes()));
}

pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    tag(out, field, BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}
