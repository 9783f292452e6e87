use bytes::Bytes;

use crate::error::ConnectionError;
use crate::hpack::Decoder;

/// What a field counts beside its bytes (RFC 9113, 6.5.2).
const FIELD_BYTES: usize = 32;

/// Fields as they came, or as they are to go: names in lower case, and values.
pub type Fields = Vec<(Bytes, Bytes)>;

/// How a request begins. The authority is as the client wrote it, whatever that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// `:method`.
    pub method: Bytes,
    /// `:scheme`.
    pub scheme: Bytes,
    /// `:authority`, empty if there was none.
    pub authority: Bytes,
    /// `:path`, with the query.
    pub path: Bytes,
    /// All fields whose names do not begin with a colon, in order.
    pub fields: Fields,
}

impl RequestHead {
    /// The first field of this name, which is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        fields.find(|(found, _)| found == name.as_bytes()).map(|(_, value)| &value[..])
    }
}

/// What a header block turned out to be.
pub(crate) enum Block {
    Fields(RequestHead),
    /// Against the rules of HTTP (RFC 9113, 8.1.1): the stream's fault, not the connection's.
    Malformed,
    /// Longer than what is taken.
    TooLong,
}

/// Reads a header block: the whole of it in any case, or the next could not be read.
pub(crate) fn read(
    decoder: &mut Decoder,
    block: &[u8],
    most_bytes: usize,
    is_trailers: bool,
) -> Result<Block, ConnectionError> {
    let mut head = RequestHead::default();
    let (mut bytes, mut well_formed) = (0_usize, true);
    decoder.decode(block, |(name, value)| {
        bytes += name.len() + value.len() + FIELD_BYTES;
        if bytes > most_bytes || !well_formed {
            return;
        }
        well_formed = match name.first() {
            Some(b':') => !is_trailers && head.fields.is_empty() && head.put_pseudo(&name, value),
            _ if !is_sound(&name, &value) => false,
            _ => {
                head.fields.push((name, value));
                true
            }
        };
    })?;
    Ok(if bytes > most_bytes {
        Block::TooLong
    } else if !well_formed || !is_trailers && !head.is_complete() {
        Block::Malformed
    } else {
        Block::Fields(head)
    })
}

impl RequestHead {
    /// Says whether the field is one there may be, and the first of its name.
    fn put_pseudo(&mut self, name: &[u8], value: Bytes) -> bool {
        let place = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            _ => return false,
        };
        let is_first = place.is_empty();
        *place = value;
        is_first && place.iter().all(|&byte| byte > b' ' && byte != 0x7f)
    }

    fn is_complete(&self) -> bool {
        !self.method.is_empty() && !self.scheme.is_empty() && !self.path.is_empty()
    }
}

/// RFC 9113, 8.2.1 and 8.2.2.
fn is_sound(name: &[u8], value: &[u8]) -> bool {
    let is_name = !name.is_empty() && name.iter().all(|byte| {
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.')
            || matches!(byte, b'^'..=b'`' | b'|' | b'~')
    });
    let is_value = value.iter().all(|byte| !matches!(byte, 0 | b'\n' | b'\r'));
    let of_connections = match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            true
        }
        b"te" => value != b"trailers",
        _ => false,
    };
    is_name && is_value && !of_connections
}
