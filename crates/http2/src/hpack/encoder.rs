//! Fields of answers: literals that no table keeps, so that none has to be kept in step.

use bytes::{BufMut, BytesMut};

use super::integer;

/// `:status` in the static table.
const STATUS: usize = 8;

/// Writes `:status`.
pub(crate) fn put_status(out: &mut BytesMut, status: u16) {
    let indexed = match status {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            integer::put(out, 0, 4, STATUS);
            let digits = [status / 100 % 10, status / 10 % 10, status % 10];
            out.put_u8(3);
            return out.put_slice(&digits.map(|digit| b'0' + digit as u8));
        }
    };
    out.put_u8(0x80 | indexed);
}

/// Writes any other field; its name is in lower case.
pub(crate) fn put_literal(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_u8(0);
    for text in [name, value] {
        integer::put(out, 0, 7, text.len());
        out.put_slice(text);
    }
}
