//! Values that requests are made of: the ordinary ones, and those at the edges.

use crate::random::Random;

/// Few keys, so that requests meet each other.
const KEYS: [&[u8]; 12] =
    [b"a", b"b", b"c", b"k/", b"k/1", b"k/2", b"k0", b"l", b"\0", b"\0\0", b"\xff", b"\xff\xff"];
const REVISIONS: [i64; 14] =
    [0, 1, 2, 3, 5, 8, 20, 100, -1, i64::MIN, i64::MAX, 1 << 32, -(1 << 31), i64::MAX - 1];
const LEASES: [i64; 10] = [0, 1, 2, 3, 4, 5, -1, i64::MIN, i64::MAX, 1 << 48];
const SECONDS: [i64; 12] =
    [1, 2, 60, 600, 0, -1, i64::MIN, i64::MAX, 9_000_000_000, 9_000_000_001, 1 << 32, 5];
const LIMITS: [i64; 9] = [0, 1, 2, 100, -1, i64::MIN, i64::MAX, 1 << 31, 1 << 32];
const NAMES: [&str; 10] = ["", "root", "u", "v", "r", "default", "ks1", "ks2", "3.5.0", "a\u{0}b"];
const URLS: [&str; 5] = ["", "http://", "not an url", "http://[::1]:x", "//"];

/// Bytes for a field of this name.
pub(crate) fn bytes(random: &mut Random, field: &str) -> Vec<u8> {
    match random.below(40) {
        0 => random.bytes(300),
        1 => vec![b'x'; random.one(&[65_535, 65_536, 65_537, 200_000])],
        2 => Vec::new(),
        _ if field == "value" => {
            let length = random.below(20);
            random.bytes(length)
        }
        _ => random.pick(&KEYS).to_vec(),
    }
}

/// Text for a field of this name; mostly it is UTF-8.
pub(crate) fn text(random: &mut Random, field: &str) -> Vec<u8> {
    match random.below(30) {
        0 => random.bytes(20),
        1 => vec![b'n'; random.one(&[128, 129, 5_000, 100_000])],
        2 => b"\xc3\x28\xff".to_vec(),
        _ if field.ends_with("URLs") => random.pick(&URLS).as_bytes().to_vec(),
        _ => random.pick(&NAMES).as_bytes().to_vec(),
    }
}

/// A whole number for a field of this name.
pub(crate) fn number(random: &mut Random, field: &str) -> i64 {
    if random.once_in(30) {
        return i64::from_le_bytes(random.next().to_le_bytes());
    }
    match field {
        "ID" | "lease" | "memberID" | "targetID" => random.one(&LEASES),
        "TTL" => random.one(&SECONDS),
        "limit" | "watch_id" => random.one(&LIMITS),
        _ => random.one(&REVISIONS),
    }
}
