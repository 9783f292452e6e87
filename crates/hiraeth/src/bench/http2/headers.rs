//! RFC 7541 (HPACK): the headers of requests, written, and of answers, read.

use std::collections::VecDeque;

use super::huffman;

/// Names of the static table; of the values only those of `:status` matter here.
const STATIC: [&str; 61] = [
    ":authority",
    ":method",
    ":method",
    ":path",
    ":path",
    ":scheme",
    ":scheme",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];
/// `:status` from index 8 on.
const STATUS: [&[u8]; 7] = [b"200", b"204", b"206", b"304", b"400", b"404", b"500"];
/// Bytes a table of the default size may hold; both sides keep to it.
const TABLE: usize = 4096;
/// What an entry counts beyond its name and value.
const ENTRY: usize = 32;

/// Writes request headers. What repeats is sent once and then named by its index, as clients in the
/// field do.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What was entered into the peer's table, oldest first: names and values.
    entered: Vec<(&'static str, Vec<u8>)>,
    bytes: usize,
    /// Whether the peer keeps a table of the default size at least.
    table: bool,
}

impl Writer {
    /// The peer said how large its table is.
    pub(super) fn table_size(&mut self, bytes: usize) {
        self.table = bytes >= TABLE;
    }

    /// The headers of a gRPC call of `path`.
    pub(super) fn call(
        &mut self,
        out: &mut Vec<u8>,
        path: &str,
        authority: &str,
        keyspace: Option<&str>,
    ) {
        // `:method POST` and `:scheme http` of the static table.
        out.extend_from_slice(&[0x83, 0x86]);
        self.field(out, ":path", 4, path.as_bytes());
        self.field(out, ":authority", 1, authority.as_bytes());
        self.field(out, "content-type", 31, b"application/grpc");
        self.field(out, "te", 0, b"trailers");
        let agent = concat!("hiraeth-bench/", env!("CARGO_PKG_VERSION"));
        self.field(out, "user-agent", 58, agent.as_bytes());
        if let Some(keyspace) = keyspace {
            self.field(out, "hiraeth-keyspace", 0, keyspace.as_bytes());
        }
    }

    fn field(&mut self, out: &mut Vec<u8>, name: &'static str, index: usize, value: &[u8]) {
        let known = self.entered.iter().rev().position(|(n, v)| *n == name && v == value);
        if let Some(age) = known {
            return integer(out, 0x80, 7, STATIC.len() + 1 + age);
        }
        let size = name.len() + value.len() + ENTRY;
        // Nothing is ever evicted: what does not fit is spelled out each time.
        if self.table && self.bytes + size <= TABLE {
            integer(out, 0x40, 6, index);
            self.entered.push((name, value.to_vec()));
            self.bytes += size;
        } else {
            integer(out, 0x00, 4, index);
        }
        if index == 0 {
            string(out, name.as_bytes());
        }
        string(out, value);
    }
}

/// RFC 7541, 5.1.
fn integer(out: &mut Vec<u8>, pattern: u8, prefix: u32, number: usize) {
    let most = (1 << prefix) - 1;
    if number < most {
        out.push(pattern | number as u8);
        return;
    }
    out.push(pattern | most as u8);
    let mut rest = number - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    integer(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

/// Reads the headers of answers, and keeps the table that goes with them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Newest first.
    table: VecDeque<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
    most: Option<usize>,
}

impl Reader {
    /// Calls `field` with each header of `block`; `None` if the block is wrong.
    pub(super) fn read(&mut self, block: &[u8], mut field: impl FnMut(&[u8], &[u8])) -> Option<()> {
        let mut cursor = Cursor { block, at: 0 };
        while let Some(&first) = block.get(cursor.at) {
            match first {
                0x80.. => {
                    let index = cursor.integer(7)?;
                    if let Some(status) = index.checked_sub(8).and_then(|at| STATUS.get(at)) {
                        field(b":status", status);
                    } else if let Some(at) = index.checked_sub(STATIC.len() + 1) {
                        let (name, value) = self.table.get(at)?;
                        field(name, value);
                    } else if index == 0 {
                        return None;
                    }
                }
                0x20..0x40 => {
                    let size = cursor.integer(5)?;
                    self.most = Some(size).filter(|size| *size <= TABLE);
                    self.most?;
                    self.shrink();
                }
                _ => {
                    let index = cursor.integer(if first >= 0x40 { 6 } else { 4 })?;
                    let name = match index {
                        0 => cursor.string()?,
                        _ => self.name(index)?.to_vec(),
                    };
                    let value = cursor.string()?;
                    field(&name, &value);
                    if first >= 0x40 {
                        self.bytes += name.len() + value.len() + ENTRY;
                        self.table.push_front((name, value));
                        self.shrink();
                    }
                }
            }
        }
        Some(())
    }

    fn name(&self, index: usize) -> Option<&[u8]> {
        match index.checked_sub(STATIC.len() + 1) {
            Some(at) => self.table.get(at).map(|(name, _)| name.as_slice()),
            None => STATIC.get(index.checked_sub(1)?).map(|name| name.as_bytes()),
        }
    }

    fn shrink(&mut self) {
        while self.bytes > self.most.unwrap_or(TABLE) {
            let Some((name, value)) = self.table.pop_back() else { break };
            self.bytes -= name.len() + value.len() + ENTRY;
        }
    }
}

struct Cursor<'a> {
    block: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.block.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn integer(&mut self, prefix: u32) -> Option<usize> {
        let most = (1 << prefix) - 1;
        let mut number = usize::from(self.byte()?) & most;
        if number < most {
            return Some(number);
        }
        for shift in [0, 7, 14] {
            let byte = usize::from(self.byte()?);
            number += (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let huffman = *self.block.get(self.at)? >= 0x80;
        let length = self.integer(7)?;
        let text = self.block.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        if huffman { huffman::decode(text) } else { Some(text.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Writer};

    fn read(reader: &mut Reader, block: &[u8]) -> Option<Vec<(String, String)>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = Vec::new();
        reader.read(block, |name, value| fields.push((text(name), text(value))))?;
        Some(fields)
    }

    #[test]
    fn what_is_written_can_be_read_and_is_short_the_second_time() {
        for (table, second) in [(4096, 7), (0, 113)] {
            let (mut writer, mut reader) = (Writer::default(), Reader::default());
            writer.table_size(table);
            let path = "/etcdserverpb.KV/Put";
            for round in 0..3 {
                let mut out = Vec::new();
                writer.call(&mut out, path, "127.0.0.1:2379", None);
                let fields = read(&mut reader, &out).unwrap();
                let value = |name: &str| {
                    fields.iter().find(|field| field.0 == name).map(|it| it.1.as_str())
                };
                assert_eq!(value(":path"), Some(path));
                assert_eq!(value(":authority"), Some("127.0.0.1:2379"));
                assert_eq!(value("te"), Some("trailers"));
                assert!(round == 0 || out.len() <= second, "{}", out.len());
            }
        }
    }

    /// RFC 7541, C.6.1 and C.6.2: answers with Huffman codes and a table of 256 bytes.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let mut reader = Reader { most: Some(256), ..Reader::default() };
        let first = [
            0x48, 0x82, 0x64, 0x02, 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b, 0x61, 0x96, 0xd0,
            0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81,
            0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff, 0x6e, 0x91, 0x9d, 0x29, 0xad, 0x17, 0x18,
            0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82, 0xae, 0x43, 0xd3,
        ];
        let fields = read(&mut reader, &first).unwrap();
        assert_eq!(fields[0], (":status".into(), "302".into()));
        assert_eq!(fields[3], ("location".into(), "https://www.example.com".into()));
        let second = [0x48, 0x83, 0x64, 0x0e, 0xff, 0xc1, 0xc0, 0xbf];
        let fields = read(&mut reader, &second).unwrap();
        assert_eq!(fields[0], (":status".into(), "307".into()));
        assert_eq!(fields[1], ("cache-control".into(), "private".into()));
        assert_eq!((reader.bytes, reader.table.len()), (222, 4), "one was evicted");
    }

    #[test]
    fn blocks_that_are_wrong_are_refused() {
        let wrong: [&[u8]; 6] = [
            &[0x80],
            &[0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xbe],
            &[0x00, 0x05, b'a'],
            &[0x3f, 0xe2, 0x1f],
            &[0x40, 0x81, 0x00, 0x00],
        ];
        for block in wrong {
            assert_eq!(read(&mut Reader::default(), block), None, "{block:x?}");
        }
    }
}
