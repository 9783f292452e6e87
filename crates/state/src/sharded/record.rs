//! The newest version of a key, as it is kept under it.

use bytes::Bytes;
use types::Revision;

use crate::codec::CodecError;
use crate::codec::primitives::{Cursor, Writer};
use crate::response::KeyValue;

/// Without the key and the value.
pub(crate) fn encode(kv: &KeyValue) -> Bytes {
    let mut out = Writer::with_capacity(kv.value.len() + 32);
    out.number(kv.create_revision.get().cast_unsigned());
    out.number(kv.mod_revision.get().cast_unsigned());
    out.number(kv.version.cast_unsigned());
    out.bytes(&kv.value);
    out.finish()
}

/// The value is a slice of `bytes`.
pub(crate) fn decode(key: Bytes, bytes: Bytes) -> Result<KeyValue, CodecError> {
    let mut from = Cursor::new(bytes);
    let kv = KeyValue {
        key,
        create_revision: Revision(from.number()?.cast_signed()),
        mod_revision: Revision(from.number()?.cast_signed()),
        version: from.number()?.cast_signed(),
        value: from.bytes()?,
        ..KeyValue::default()
    };
    from.end()?;
    Ok(kv)
}
