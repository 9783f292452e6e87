//! The tables that fields are looked up in (RFC 7541, 2.3).

use std::collections::VecDeque;

use bytes::Bytes;

/// A name and a value.
pub(crate) type Field = (Bytes, Bytes);

/// What a field counts beside its bytes (RFC 7541, 4.1).
pub(crate) const FIELD_BYTES: usize = 32;

pub(crate) fn size(field: &Field) -> usize {
    field.0.len() + field.1.len() + FIELD_BYTES
}

/// Fields that the client had kept.
pub(crate) struct Dynamic {
    /// The newest first.
    fields: VecDeque<Field>,
    bytes: usize,
    most: usize,
}

impl Dynamic {
    pub(crate) fn new(most: usize) -> Self {
        Self { fields: VecDeque::new(), bytes: 0, most }
    }

    /// The field under a number, of both tables.
    pub(crate) fn get(&self, number: usize) -> Option<Field> {
        let (name, value) = match number.checked_sub(STATIC.len() + 1) {
            Some(number) => return self.fields.get(number).cloned(),
            None => STATIC.get(number.checked_sub(1)?)?,
        };
        Some((Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes())))
    }

    pub(crate) fn insert(&mut self, field: Field) {
        let bytes = size(&field);
        // One that is larger than the table empties it (RFC 7541, 4.4).
        self.evict(self.most.saturating_sub(bytes));
        if bytes <= self.most {
            self.bytes += bytes;
            self.fields.push_front(field);
        }
    }

    pub(crate) fn resize(&mut self, most: usize) {
        self.most = most;
        self.evict(most);
    }

    fn evict(&mut self, most: usize) {
        while self.bytes > most {
            let Some(oldest) = self.fields.pop_back() else { break };
            self.bytes -= size(&oldest);
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// RFC 7541, appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
