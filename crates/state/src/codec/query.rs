//! Reads that another node carries out.

use bytes::Bytes;

use super::VERSION;
use super::primitives::{CodecError, Cursor, Writer};
use super::request::{get_range_request, get_txn, put_range_request, put_txn};
use crate::request::Query;

const RANGE: u8 = 1;
const TXN: u8 = 2;

impl Query {
    /// The read as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::with_capacity(64);
        out.byte(VERSION);
        match self {
            Self::Range(range) => {
                out.byte(RANGE);
                put_range_request(&mut out, range);
            }
            Self::Txn(txn) => {
                out.byte(TXN);
                put_txn(&mut out, txn);
            }
        }
        out.finish()
    }

    /// The read in `bytes`; its byte strings are slices of them.
    ///
    /// # Errors
    /// When the bytes are not exactly one read of a known version.
    pub fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut from = Cursor::new(bytes);
        if from.byte()? != VERSION {
            return Err(from.error("a read of an unknown version"));
        }
        let query = match from.byte()? {
            RANGE => Self::Range(get_range_request(&mut from)?),
            TXN => Self::Txn(get_txn(&mut from, 1)?),
            _ => return Err(from.error("an unknown read")),
        };
        from.end()?;
        Ok(query)
    }
}
