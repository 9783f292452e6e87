//! One connection: calls go in, bytes come out, and the other way round.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use super::frame::{self, Head};
use super::headers::{Reader, Writer};
use super::stream::{PREFIX, Status, Stream, message_length};

/// Bytes a server may send ahead on one stream, and on the connection.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
/// What both begin with, and what a connection begins with whatever is agreed.
const FIRST_WINDOW: u32 = 65_535;
/// Bytes of headers in one block.
const BLOCK: usize = 256 * 1024;
/// Streams are numbered up to 2^31; a connection is given up before.
const LAST_STREAM: u32 = (1 << 31) - 1_000_000;

/// The connection is of no use any more, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Broken(pub(in super::super) &'static str);

/// Something came from the server.
#[derive(Debug)]
pub(in super::super) enum Event<'a> {
    /// A message of a call.
    Message { tag: usize, bytes: Cow<'a, [u8]> },
    /// A call ended.
    Closed { tag: usize, status: Status },
}

#[derive(Debug)]
pub(in super::super) struct Connection {
    out: Vec<u8>,
    authority: String,
    /// Which keyspace its calls are about, if not etcd's.
    keyspace: Option<String>,
    writer: Writer,
    reader: Reader,
    streams: HashMap<u32, Stream>,
    next: u32,
    /// Bytes the server takes on the connection, and on a new stream.
    window: i64,
    first_window: i64,
    most_streams: u32,
    unreturned: usize,
    ready: bool,
    leaving: bool,
    /// The rest of a frame with messages, all of it in the input.
    data: Option<Data>,
    /// Headers of which more are to come.
    block: Option<(Head, Vec<u8>)>,
    /// What the server does not take yet.
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Data {
    stream: u32,
    left: usize,
    padding: usize,
    end: bool,
}

#[derive(Debug)]
struct Waiting {
    stream: u32,
    bytes: Vec<u8>,
    sent: usize,
    end: bool,
}

impl Connection {
    /// A connection to `authority` (host and port) for calls about `keyspace`, with what a client says first
    /// in its output.
    pub(in super::super) fn new(authority: &str, keyspace: Option<&str>) -> Self {
        let mut out = frame::PREFACE.to_vec();
        let mut settings = Vec::new();
        for (name, value) in [(frame::SETTING_PUSH, 0), (frame::SETTING_WINDOW, STREAM_WINDOW)] {
            settings.extend_from_slice(&name.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        frame::write(&mut out, frame::SETTINGS, 0, 0, &settings);
        window_update(&mut out, 0, CONNECTION_WINDOW - FIRST_WINDOW);
        Self {
            out,
            authority: authority.to_owned(),
            keyspace: keyspace.map(str::to_owned),
            writer: Writer::default(),
            reader: Reader::default(),
            streams: HashMap::new(),
            next: 1,
            window: i64::from(FIRST_WINDOW),
            first_window: i64::from(FIRST_WINDOW),
            most_streams: u32::MAX,
            unreturned: 0,
            ready: false,
            leaving: false,
            data: None,
            block: None,
            waiting: VecDeque::new(),
        }
    }

    /// Whether the server said how it wants to be spoken to.
    pub(in super::super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether nothing new should begin here: the server leaves, or the streams' numbers end.
    pub(in super::super) fn is_leaving(&self) -> bool {
        self.leaving || self.next > LAST_STREAM
    }

    /// How many calls the server lets be under way.
    pub(in super::super) fn most_streams(&self) -> usize {
        self.most_streams as usize
    }

    /// Bytes to be sent; whoever sent some takes them out.
    pub(in super::super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Begins a call; what comes of it is told with `tag`.
    pub(in super::super) fn open(&mut self, path: &str, tag: usize) -> u32 {
        let stream = self.next;
        self.next += 2;
        let start = self.out.len();
        let head = Head { length: 0, kind: frame::HEADERS, flags: frame::END_HEADERS, stream };
        head.write(&mut self.out);
        self.writer.call(&mut self.out, path, &self.authority, self.keyspace.as_deref());
        let length = (self.out.len() - start - frame::HEAD) as u32;
        self.out[start..start + 3].copy_from_slice(&length.to_be_bytes()[1..]);
        self.streams.insert(stream, Stream::new(tag, self.first_window));
        stream
    }

    /// Sends a message on a call; `end` says that no other follows.
    pub(in super::super) fn send(&mut self, stream: u32, message: &[u8], end: bool) {
        let length = PREFIX + message.len();
        let Some(to) = self.streams.get_mut(&stream) else { return };
        let room = self.window.min(to.window);
        let prefix = (message.len() as u32).to_be_bytes();
        if self.waiting.is_empty() && length <= frame::PAYLOAD && length as i64 <= room {
            self.window -= length as i64;
            to.window -= length as i64;
            let flags = if end { frame::END_STREAM } else { 0 };
            Head { length, kind: frame::DATA, flags, stream }.write(&mut self.out);
            self.out.push(0);
            self.out.extend_from_slice(&prefix);
            self.out.extend_from_slice(message);
            return;
        }
        let bytes = [&[0], &prefix[..], message].concat();
        self.waiting.push_back(Waiting { stream, bytes, sent: 0, end });
        self.send_waiting();
    }

    /// Gives a call up; nothing more is told of it.
    pub(in super::super) fn cancel(&mut self, stream: u32) {
        const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
        if self.streams.remove(&stream).is_some() {
            frame::write(&mut self.out, frame::RST_STREAM, 0, stream, &CANCEL);
            self.waiting.retain(|waiting| waiting.stream != stream);
        }
    }

    fn send_waiting(&mut self) {
        while let Some(first) = self.waiting.front_mut() {
            let Some(to) = self.streams.get_mut(&first.stream) else {
                self.waiting.pop_front();
                continue;
            };
            let room = usize::try_from(self.window.min(to.window)).unwrap_or(0);
            let left = first.bytes.len() - first.sent;
            let length = left.min(room).min(frame::PAYLOAD);
            if length == 0 {
                return;
            }
            let is_last = length == left;
            let flags = if is_last && first.end { frame::END_STREAM } else { 0 };
            let payload = &first.bytes[first.sent..first.sent + length];
            frame::write(&mut self.out, frame::DATA, flags, first.stream, payload);
            self.window -= length as i64;
            to.window -= length as i64;
            first.sent += length;
            if is_last {
                self.waiting.pop_front();
            }
        }
    }

    /// The next event in `input` from `at` on, which moves on; `None` once more bytes are needed. The
    /// bytes before `at` are done with then, and only then.
    pub(in super::super) fn next<'a>(
        &mut self,
        input: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Event<'a>>, Broken> {
        loop {
            if let Some(data) = self.data.take() {
                if let Some(event) = self.message(data, input, at)? {
                    return Ok(Some(event));
                }
                continue;
            }
            let Some(head) = Head::read(&input[*at..]) else { return Ok(None) };
            if head.length > frame::PAYLOAD {
                return Err(Broken("a frame is longer than agreed"));
            }
            let start = *at + frame::HEAD;
            let Some(payload) = input.get(start..start + head.length) else { return Ok(None) };
            if self.block.is_some() && head.kind != frame::CONTINUATION {
                return Err(Broken("headers were interrupted"));
            }
            *at = start;
            if head.kind == frame::DATA {
                self.begin_data(head, payload, at)?;
                continue;
            }
            *at += head.length;
            if let Some(event) = self.frame(head, payload)? {
                return Ok(Some(event));
            }
        }
    }

    fn begin_data(&mut self, head: Head, payload: &[u8], at: &mut usize) -> Result<(), Broken> {
        let inner = frame::inner(head, payload).ok_or(Broken("padding does not fit"))?;
        let before = usize::from(head.has(frame::PADDED));
        *at += before;
        let padding = payload.len() - before - inner.len();
        let end = head.has(frame::END_STREAM);
        self.data = Some(Data { stream: head.stream, left: inner.len(), padding, end });
        self.unreturned += payload.len();
        if self.unreturned >= (CONNECTION_WINDOW / 2) as usize {
            window_update(&mut self.out, 0, self.unreturned as u32);
            self.unreturned = 0;
        }
        if let Some(stream) = self.streams.get_mut(&head.stream).filter(|_| !end) {
            stream.unreturned += payload.len();
            if stream.unreturned >= (STREAM_WINDOW / 2) as usize {
                window_update(&mut self.out, head.stream, stream.unreturned as u32);
                stream.unreturned = 0;
            }
        }
        Ok(())
    }

    /// Takes the next message out of a frame; what is left of the frame is kept for the next call.
    fn message<'a>(
        &mut self,
        mut data: Data,
        input: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Event<'a>>, Broken> {
        const WRONG: Broken = Broken("a message is compressed, or too long");
        let Some(stream) = self.streams.get_mut(&data.stream) else {
            *at += data.left + data.padding;
            return Ok(None);
        };
        let tag = stream.tag;
        if data.left == 0 {
            *at += data.padding;
            return Ok(if data.end { self.close(data.stream) } else { None });
        }
        let rest = &input[*at..*at + data.left];
        if stream.partial.is_empty()
            && let Some(length) = message_length(rest).map_err(|()| WRONG)?
            && let Some(bytes) = rest.get(PREFIX..PREFIX + length)
        {
            *at += PREFIX + length;
            data.left -= PREFIX + length;
            self.data = Some(data);
            return Ok(Some(Event::Message { tag, bytes: Cow::Borrowed(bytes) }));
        }
        let (used, message) = stream.collect(rest).map_err(|()| WRONG)?;
        *at += used;
        data.left -= used;
        self.data = Some(data);
        Ok(message.map(|bytes| Event::Message { tag, bytes: Cow::Owned(bytes) }))
    }

    fn frame(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'static>>, Broken> {
        match head.kind {
            frame::HEADERS => {
                let block = frame::inner(head, payload).ok_or(Broken("padding does not fit"))?;
                if head.has(frame::END_HEADERS) {
                    return self.headers(head, block);
                }
                self.block = Some((head, block.to_vec()));
            }
            frame::CONTINUATION => {
                let Some((first, mut block)) = self.block.take() else {
                    return Err(Broken("headers go on that never began"));
                };
                block.extend_from_slice(payload);
                if first.stream != head.stream || block.len() > BLOCK {
                    return Err(Broken("headers go on elsewhere, or for ever"));
                }
                if head.has(frame::END_HEADERS) {
                    return self.headers(first, &block);
                }
                self.block = Some((first, block));
            }
            frame::RST_STREAM => {
                let code = payload.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
                let said = format!("the server reset the stream (HTTP/2 error {code})");
                return Ok(self.streams.remove(&head.stream).map(|stream| {
                    let tag = stream.tag;
                    let status = match (stream.code, code) {
                        (Some(_), _) => stream.status(),
                        (None, 8) => Status::new(Status::CANCELLED, said),
                        (None, _) => Status::new(Status::UNAVAILABLE, said),
                    };
                    Event::Closed { tag, status }
                }));
            }
            frame::SETTINGS if !head.has(frame::ACK) => self.settings(payload)?,
            frame::PING if !head.has(frame::ACK) => {
                frame::write(&mut self.out, frame::PING, frame::ACK, 0, payload);
            }
            frame::GOAWAY => self.leaving = true,
            frame::WINDOW_UPDATE => {
                let more = payload.first_chunk().map_or(0, |more| u32::from_be_bytes(*more));
                let more = i64::from(more & 0x7fff_ffff);
                match head.stream {
                    0 => self.window += more,
                    stream => {
                        if let Some(stream) = self.streams.get_mut(&stream) {
                            stream.window += more;
                        }
                    }
                }
                self.send_waiting();
            }
            // Whatever else there is, is to be ignored.
            _ => {}
        }
        Ok(None)
    }

    fn headers(&mut self, head: Head, block: &[u8]) -> Result<Option<Event<'static>>, Broken> {
        let mut stream = self.streams.get_mut(&head.stream);
        let read = self.reader.read(block, |name, value| {
            if let Some(stream) = stream.as_deref_mut() {
                stream.header(name, value);
            }
        });
        read.ok_or(Broken("headers cannot be read"))?;
        Ok(if head.has(frame::END_STREAM) { self.close(head.stream) } else { None })
    }

    fn close(&mut self, stream: u32) -> Option<Event<'static>> {
        let stream = self.streams.remove(&stream)?;
        let tag = stream.tag;
        Some(Event::Closed { tag, status: stream.status() })
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), Broken> {
        let mut table = None;
        for setting in payload.chunks_exact(6) {
            let &[a, b, c, d, e, f] = setting else { continue };
            let value = u32::from_be_bytes([c, d, e, f]);
            match u16::from_be_bytes([a, b]) {
                frame::SETTING_TABLE_SIZE => table = Some(value as usize),
                frame::SETTING_STREAMS => self.most_streams = value,
                frame::SETTING_WINDOW if value >= 1 << 31 => {
                    return Err(Broken("a window is larger than allowed"));
                }
                frame::SETTING_WINDOW => {
                    let more = i64::from(value) - self.first_window;
                    self.first_window = i64::from(value);
                    self.streams.values_mut().for_each(|stream| stream.window += more);
                }
                _ => {}
            }
        }
        if !self.ready {
            self.writer.table_size(table.unwrap_or(usize::MAX));
            self.ready = true;
        }
        frame::write(&mut self.out, frame::SETTINGS, frame::ACK, 0, &[]);
        self.send_waiting();
        Ok(())
    }
}

fn window_update(out: &mut Vec<u8>, stream: u32, more: u32) {
    frame::write(out, frame::WINDOW_UPDATE, 0, stream, &more.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Connection, Event};
    use crate::bench::http2::frame::{self, HEAD, Head};

    fn events(connection: &mut Connection, input: &[u8]) -> Vec<(usize, Result<Vec<u8>, u32>)> {
        let (mut at, mut all) = (0, Vec::new());
        while let Some(event) = connection.next(input, &mut at).unwrap() {
            all.push(match event {
                Event::Message { tag, bytes } => (tag, Ok(bytes.into_owned())),
                Event::Closed { tag, status } => (tag, Err(status.code)),
            });
        }
        assert_eq!(at, input.len(), "all of it was used");
        all
    }

    /// The frames that were written, as kind, stream and length.
    fn written(connection: &mut Connection) -> Vec<(u8, u32, usize)> {
        let output = std::mem::take(connection.output());
        let mut rest = output.strip_prefix(frame::PREFACE).unwrap_or(&output);
        let mut all = Vec::new();
        while let Some(head) = Head::read(rest) {
            all.push((head.kind, head.stream, head.length));
            rest = &rest[HEAD + head.length..];
        }
        all
    }

    #[test]
    fn messages_of_many_streams_come_in_pieces_and_end_with_their_status() {
        let mut connection = Connection::new("host:1", None);
        let mut input = Vec::new();
        frame::write(&mut input, frame::SETTINGS, 0, 0, &[]);
        assert!(events(&mut connection, &input).is_empty() && connection.is_ready());
        let (one, other) = (connection.open("/a", 10), connection.open("/b", 20));
        assert_eq!((one, other), (1, 3));

        let mut input = Vec::new();
        frame::write(&mut input, frame::DATA, 0, 1, b"\0\0\0\0\x02ab\0\0\0\0\x03c");
        frame::write(&mut input, frame::DATA, frame::PADDED, 3, b"\x02\0\0\0\0\0zz");
        frame::write(&mut input, frame::DATA, 0, 1, b"de");
        // `grpc-status` with a literal name: 0, and for the other stream 5.
        let trailers = |status: u8| [&b"\x00\x0bgrpc-status\x01"[..], &[status]].concat();
        let flags = frame::END_HEADERS | frame::END_STREAM;
        frame::write(&mut input, frame::HEADERS, flags, 1, &trailers(b'0'));
        let (first, rest) = (&trailers(b'5')[..4], &trailers(b'5')[4..]);
        frame::write(&mut input, frame::HEADERS, frame::END_STREAM, 3, first);
        frame::write(&mut input, frame::CONTINUATION, frame::END_HEADERS, 3, rest);
        let told = events(&mut connection, &input);
        let text = |text: &str| Ok(text.as_bytes().to_vec());
        let wanted =
            [(10, text("ab")), (20, text("")), (10, text("cde")), (10, Err(0)), (20, Err(5))];
        assert_eq!(told, wanted);
    }

    #[test]
    fn no_more_is_sent_than_the_server_takes() {
        let mut connection = Connection::new("host:1", None);
        written(&mut connection);
        let stream = connection.open("/a", 0);
        connection.send(stream, &vec![7; 100_000], true);
        let data = |connection: &mut Connection| {
            let frames = written(connection).into_iter();
            frames.filter(|it| it.0 == frame::DATA).map(|it| it.2).collect::<Vec<_>>()
        };
        assert_eq!(data(&mut connection), [16_384, 16_384, 16_384, 16_383], "the first window");
        let update = |stream, more: u32| {
            let mut input = Vec::new();
            frame::write(&mut input, frame::WINDOW_UPDATE, 0, stream, &more.to_be_bytes());
            input
        };
        events(&mut connection, &update(0, 20_000));
        assert_eq!(data(&mut connection), [0; 0], "the stream's window is used up");
        events(&mut connection, &update(1, 1 << 20));
        assert_eq!(data(&mut connection), [16_384, 3_616]);
        // Another stream waits behind: the connection's window is one for all.
        let other = connection.open("/b", 1);
        connection.send(other, b"x", true);
        events(&mut connection, &update(0, 1 << 20));
        assert_eq!(data(&mut connection), [14_470, 6]);
        connection.cancel(other);
        assert_eq!(written(&mut connection), [(frame::RST_STREAM, other, 4)]);
    }

    proptest! {
        /// Whatever a server sends, nothing panics, and nothing waits that was whole.
        #[test]
        fn any_bytes_are_events_or_an_error(
            frames in prop::collection::vec(
                (0_u8..11, any::<u8>(), 0_u32..6, prop::collection::vec(any::<u8>(), 0..40)),
                0..30,
            ),
        ) {
            let mut connection = Connection::new("host:1", None);
            connection.open("/a", 0);
            connection.open("/b", 1);
            let mut input = Vec::new();
            for (kind, flags, stream, payload) in &frames {
                frame::write(&mut input, *kind, *flags, *stream, payload);
            }
            let mut at = 0;
            let ended = loop {
                match connection.next(&input, &mut at) {
                    Ok(Some(_)) => {}
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            prop_assert!(at <= input.len());
            prop_assert!(!ended || at == input.len());
        }
    }
}
