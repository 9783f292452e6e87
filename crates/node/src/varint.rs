//! Whole numbers in as few bytes as they need (LEB128), for what is sent often.

use bytes::{Buf, BufMut, Bytes};

pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.put_u8(u8::try_from(number).unwrap_or(0));
}

/// The next number; `None` if there is none in its shortest form.
pub(crate) fn get(input: &mut Bytes) -> Option<u64> {
    let mut value = 0_u64;
    for at in 0..10 {
        let byte = input.try_get_u8().ok()?;
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte < 0x80 {
            return (byte != 0 || at == 0).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    #[test]
    fn numbers_come_back_and_have_one_form() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            super::put(&mut out, number);
            let mut input = Bytes::from(out.clone());
            assert_eq!(super::get(&mut input), Some(number));
            assert!(input.is_empty());
            out.pop();
            assert_eq!(super::get(&mut Bytes::from(out)), None, "{number} cut off");
        }
        for padded in [&[0x80, 0][..], &[0xff; 10], &[0x80; 11]] {
            assert_eq!(super::get(&mut Bytes::copy_from_slice(padded)), None, "{padded:?}");
        }
    }
}
