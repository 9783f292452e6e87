//! As much of protobuf as hot messages need. What is asked once is left to `proto`.

/// A field's number and value.
pub(super) enum Field<'a> {
    Number(u32, u64),
    Bytes(u32, &'a [u8]),
}

/// The fields of a message, until its end or the first that cannot be read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let tag = self.number()?;
        let number = u32::try_from(tag >> 3).ok()?;
        match tag & 7 {
            0 => Some(Field::Number(number, self.number()?)),
            1 => {
                let (fixed, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Some(Field::Number(number, u64::from_le_bytes(*fixed)))
            }
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Some(Field::Bytes(number, bytes))
            }
            _ => None,
        }
    }
}

impl Fields<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// The number of field `wanted`, 0 if there is none.
pub(super) fn number(message: &[u8], wanted: u32) -> u64 {
    Fields(message)
        .find_map(|field| match field {
            Field::Number(number, value) if number == wanted => Some(value),
            _ => None,
        })
        .unwrap_or(0)
}

/// The bytes of field `wanted`, none if there is none.
pub(super) fn bytes(message: &[u8], wanted: u32) -> &[u8] {
    Fields(message)
        .find_map(|field| match field {
            Field::Bytes(number, value) if number == wanted => Some(value),
            _ => None,
        })
        .unwrap_or_default()
}

pub(super) fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3);
    varint(out, value);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    put_head(out, field, value.len());
    out.extend_from_slice(value);
}

/// The head of a field of `length` bytes that are written next.
pub(super) fn put_head(out: &mut Vec<u8>, field: u32, length: usize) {
    varint(out, u64::from(field) << 3 | 2);
    varint(out, length as u64);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proto::etcdserverpb::PutRequest;

    use super::{bytes, number, put_bytes, put_number};

    #[test]
    fn it_is_what_prost_reads_and_writes() {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, b"key");
        put_bytes(&mut out, 2, &[7; 300]);
        put_number(&mut out, 3, u64::MAX);
        let put: PutRequest = prost_decode(&out);
        assert_eq!(
            (put.key.as_ref(), put.value.as_ref(), put.lease),
            (&b"key"[..], &[7; 300][..], -1)
        );
        assert_eq!((number(&out, 3), number(&out, 4)), (u64::MAX, 0));
        assert_eq!(bytes(&out, 1), b"key");
        out.truncate(20);
        assert_eq!(bytes(&out, 2), b"", "cut short");
    }

    fn prost_decode(bytes: &[u8]) -> PutRequest {
        prost::Message::decode(bytes).unwrap()
    }
}
