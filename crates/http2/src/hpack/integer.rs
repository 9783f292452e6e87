//! Integers (RFC 7541, 5.1).

use bytes::{BufMut, BytesMut};

/// The largest number that means anything here; more is an attack.
const MOST: usize = 1 << 24;

/// Takes an integer whose first byte has `prefix` bits of it; `None` if it is cut short or too large.
pub(crate) fn take(bytes: &mut &[u8], prefix: u32) -> Option<usize> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1 << prefix) - 1;
    let mut number = usize::from(*first) & most;
    if number == most {
        // Four more bytes hold everything that is allowed.
        for shift in [0, 7, 14, 21] {
            let (byte, after) = rest.split_first()?;
            rest = after;
            number += usize::from(byte & 0x7f) << shift;
            if number > MOST {
                return None;
            }
            if byte & 0x80 == 0 {
                *bytes = rest;
                return Some(number);
            }
        }
        return None;
    }
    *bytes = rest;
    Some(number)
}

/// Writes an integer behind the bits of `first`.
pub(crate) fn put(out: &mut BytesMut, first: u8, prefix: u32, number: usize) {
    let most = (1_usize << prefix) - 1;
    if number < most {
        return out.put_u8(first | number as u8);
    }
    out.put_u8(first | most as u8);
    let mut rest = number - most;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{MOST, put, take};

    proptest! {
        #[test]
        fn an_integer_is_read_as_it_was_written(number in 0..=MOST, prefix in 4_u32..=7) {
            let mut out = BytesMut::new();
            put(&mut out, 0, prefix, number);
            let mut bytes = &out[..];
            prop_assert_eq!(take(&mut bytes, prefix), Some(number));
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn numbers_without_end_are_refused() {
        assert_eq!(take(&mut &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f][..], 7), None);
        assert_eq!(take(&mut &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..], 7), None);
        assert_eq!(take(&mut &[0x7f, 0x80][..], 7), None);
        // RFC 7541, C.1.2.
        assert_eq!(take(&mut &[0x1f, 0x9a, 0x0a][..], 5), Some(1337));
    }
}
