use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::{Connection, Event, Sent};
use crate::error::Reason;
use crate::frame::{HEAD_BYTES, Head, flag, kind, put_head, put_settings, put_word, setting};
use crate::hpack::put_literal;
use crate::limits::Limits;

const LIMITS: Limits = Limits {
    streams: 8,
    stream_window: 65_535,
    connection_window: 100_000,
    header_bytes: 4_096,
    control_frames: 100,
    resets: 10,
};
/// All that etcdctl 3.4.23 sent for `endpoint status`; its `:authority` is `http://127.0.0.1:27100`.
const ETCDCTL: &str = "\
505249202a20485454502f322e300d0a0d0a534d0d0a0d0a00000004000000000000000004010000\
00000000770104000000018386459760a924882d9dcb6571afa066a925a87510ac6e48d36a3f4190\
9d29aee30c044eae05c0b86e09d0801f5f8b1d75d0620d263d4c4d65647a8b9acac8b4c7602bb2ca\
ecff40027465864d833505b11f40899acac8b24d494f6a7f8669f7de1381b7408d25062d49587599\
6ee5b1063d5f03332e340000050001000000010000000000";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(digits).collect()
}

/// What a client says first.
fn hello(settings: &[(u16, u32)]) -> BytesMut {
    let mut out = BytesMut::from(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]);
    put_settings(&mut out, settings);
    out
}

fn block() -> BytesMut {
    let mut block = BytesMut::from(&[0x83, 0x86][..]);
    put_literal(&mut block, b":path", b"/a.B/C");
    put_literal(&mut block, b":authority", b"x");
    put_literal(&mut block, b"content-type", b"application/grpc");
    block
}

fn frame(out: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    put_head(out, payload.len(), kind, flags, stream);
    out.put_slice(payload);
}

fn request(out: &mut BytesMut, stream: u32, ends: bool) {
    let flags = flag::END_HEADERS | if ends { flag::END_STREAM } else { 0 };
    frame(out, kind::HEADERS, flags, stream, &block());
}

fn events(connection: &mut Connection, input: &mut BytesMut) -> Result<Vec<Event>, Reason> {
    let mut events = Vec::new();
    while let Some(event) = connection.next(input).map_err(|error| error.reason)? {
        events.push(event);
    }
    Ok(events)
}

/// The frames that are to be written, without SETTINGS and the like of the connection.
fn written(connection: &mut Connection) -> Vec<(u8, u8, u32, Bytes)> {
    let mut output = connection.output().split();
    let mut frames = Vec::new();
    while let Some(head) = Head::parse(&output) {
        let payload = output.split_to(HEAD_BYTES + head.length).freeze().slice(HEAD_BYTES..);
        frames.push((head.kind, head.flags, head.stream, payload));
    }
    assert!(output.is_empty());
    frames.retain(|(kind, _, stream, _)| *stream > 0 || *kind == kind::GOAWAY);
    frames
}

fn opened(settings: &[(u16, u32)]) -> Connection {
    let mut connection = Connection::new(LIMITS);
    assert_eq!(events(&mut connection, &mut hello(settings)), Ok(vec![]));
    connection.output().clear();
    connection
}

/// What a client says that ends a connection, and why.
fn fails(said: impl FnOnce(&mut BytesMut)) -> Option<Reason> {
    let mut connection = opened(&[]);
    let mut input = BytesMut::new();
    said(&mut input);
    let reason = events(&mut connection, &mut input).err()?;
    let (kind, _, _, payload) = written(&mut connection).pop().unwrap();
    assert_eq!((kind, &payload[4..8]), (kind::GOAWAY, &reason.0.to_be_bytes()[..]));
    Some(reason)
}

#[test]
fn an_authority_that_is_a_url_is_taken_as_it_is() {
    let mut connection = Connection::new(LIMITS);
    let events = events(&mut connection, &mut BytesMut::from(&bytes(ETCDCTL)[..])).unwrap();
    let [Event::Request { head, ends: false, .. }, Event::Data { bytes, ends: true, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(head.authority, "http://127.0.0.1:27100");
    assert_eq!(head.path, "/etcdserverpb.Maintenance/Status");
    assert_eq!(head.get("te"), Some(&b"trailers"[..]));
    assert_eq!(bytes[..], [0; 5]);
}

#[test]
fn a_small_answer_is_three_frames_at_once() {
    let mut connection = opened(&[]);
    let mut input = BytesMut::new();
    request(&mut input, 1, true);
    request(&mut input, 3, true);
    let events = events(&mut connection, &mut input).unwrap();
    let [Event::Request { stream, head, .. }, Event::Request { stream: other, head: again, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    // The same bytes are not decoded twice.
    assert!(std::sync::Arc::ptr_eq(head, again));
    let sent = connection.respond_unary::<&str>(*stream, &[], 2, |out| out.put_slice(b"hi"));
    assert_eq!(sent, Sent::Whole);
    let frames = written(&mut connection);
    let kinds: Vec<_> = frames.iter().map(|(kind, flags, ..)| (*kind, *flags)).collect();
    assert_eq!(kinds, [(kind::HEADERS, 4), (kind::DATA, 0), (kind::HEADERS, 5)]);
    assert_eq!(frames[1].3[..], *b"\0\0\0\0\x02hi");
    assert_eq!(connection.respond_unary::<&str>(*stream, &[], 0, |_| {}), Sent::Gone);
    connection.reset(*other, Reason::CANCEL);
    assert_eq!(connection.streams(), 0);
}

#[test]
fn answers_wait_for_windows_and_are_told_of_room() {
    let mut connection = opened(&[(setting::INITIAL_WINDOW_SIZE, 3)]);
    let mut input = BytesMut::new();
    request(&mut input, 1, true);
    let Event::Request { stream, .. } = events(&mut connection, &mut input).unwrap().remove(0)
    else {
        panic!()
    };
    let sent = connection.respond_unary::<&str>(stream, &[], 2, |out| out.put_slice(b"hi"));
    assert_eq!(sent, Sent::NoRoom);
    connection.headers::<&str>(stream, 200, &[], false);
    let mut data = Bytes::from_static(b"0123456789");
    connection.data(stream, &mut data, true);
    assert_eq!(data, "3456789");
    // Below zero, then just open again.
    put_settings(&mut input, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    put_word(&mut input, kind::WINDOW_UPDATE, 1, 3);
    assert_eq!(events(&mut connection, &mut input), Ok(vec![]));
    put_word(&mut input, kind::WINDOW_UPDATE, 1, 7);
    assert_eq!(events(&mut connection, &mut input), Ok(vec![Event::Capacity { stream }]));
    connection.data(stream, &mut data, true);
    assert!(data.is_empty());
    assert_eq!(connection.streams(), 0);
    let sent: usize = written(&mut connection)
        .iter()
        .filter(|(kind, ..)| *kind == kind::DATA)
        .map(|(.., payload)| payload.len())
        .sum();
    assert_eq!(sent, 10);
}

#[test]
fn what_breaks_the_rules_ends_the_connection() {
    let ping = |out: &mut BytesMut| frame(out, kind::PING, 0, 0, &[0; 8]);
    let protocol = Some(Reason::PROTOCOL_ERROR);
    let (calm, size) = (Some(Reason::ENHANCE_YOUR_CALM), Some(Reason::FRAME_SIZE_ERROR));
    let flow = Some(Reason::FLOW_CONTROL_ERROR);
    assert_eq!(fails(ping), None);
    assert_eq!(fails(|out| (0..101).for_each(|_| ping(out))), calm, "pings");
    assert_eq!(fails(|out| (0..101).for_each(|_| put_settings(out, &[]))), calm, "settings");
    let priority = |out: &mut BytesMut| frame(out, kind::PRIORITY, 0, 1, &[0; 5]);
    assert_eq!(fails(|out| (0..101).for_each(|_| priority(out))), calm, "priorities");
    let window = |out: &mut BytesMut| put_word(out, kind::WINDOW_UPDATE, 0, 1);
    assert_eq!(fails(|out| (0..101).for_each(|_| window(out))), calm, "windows");
    let empty = |out: &mut BytesMut| {
        request(out, 1, false);
        (0..110).for_each(|_| frame(out, kind::DATA, 0, 1, &[]));
    };
    assert_eq!(fails(empty), calm, "empty data");
    let resets = |out: &mut BytesMut| {
        for stream in (1..30).step_by(2) {
            request(out, stream, false);
            put_word(out, kind::RST_STREAM, stream, 8);
        }
    };
    assert_eq!(fails(resets), calm, "rapid resets");
    let endless = |out: &mut BytesMut| {
        frame(out, kind::HEADERS, 0, 1, &[]);
        (0..20).for_each(|_| frame(out, kind::CONTINUATION, 0, 1, &[]));
    };
    assert_eq!(fails(endless), calm, "a header block of many frames");
    let long = |out: &mut BytesMut| {
        frame(out, kind::HEADERS, 0, 1, &[0; 8_000]);
        (0..10).for_each(|_| frame(out, kind::CONTINUATION, 0, 1, &[0; 8_000]));
    };
    assert_eq!(fails(long), calm, "a long header block");
    let between = |out: &mut BytesMut| {
        frame(out, kind::HEADERS, 0, 1, &block());
        ping(out);
    };
    assert_eq!(fails(between), protocol);
    assert_eq!(fails(|out| frame(out, kind::CONTINUATION, 4, 1, &[])), protocol);
    assert_eq!(fails(|out| frame(out, kind::DATA, 0, 1, &[])), protocol, "idle");
    assert_eq!(fails(|out| put_word(out, kind::RST_STREAM, 1, 8)), protocol, "idle");
    assert_eq!(fails(|out| request(out, 2, true)), protocol, "even");
    assert_eq!(fails(|out| frame(out, kind::PUSH_PROMISE, 4, 1, &[0; 4])), protocol);
    assert_eq!(fails(|out| frame(out, kind::PING, 0, 0, &[0; 7])), size);
    assert_eq!(fails(|out| put_head(out, 16_385, kind::DATA, 0, 1)), size);
    assert_eq!(fails(|out| put_word(out, kind::WINDOW_UPDATE, 0, u32::MAX >> 1)), flow);
    let wide = [(setting::INITIAL_WINDOW_SIZE, 1 << 31)];
    assert_eq!(fails(|out| put_settings(out, &wide)), flow);
    let much = |out: &mut BytesMut| {
        request(out, 1, false);
        request(out, 3, false);
        for stream in [1, 1, 1, 1, 3, 3, 3] {
            frame(out, kind::DATA, 0, stream, &[0; 16_000]);
        }
    };
    assert_eq!(fails(much), flow, "the connection's window");
    let coded = |out: &mut BytesMut| frame(out, kind::HEADERS, 4, 1, &[0x7f, 0xff]);
    assert_eq!(fails(coded), Some(Reason::COMPRESSION_ERROR));
}

/// What ends one stream only, with what it ends.
#[test]
fn what_breaks_the_rules_of_a_stream_ends_that() {
    let ends = |said: fn(&mut BytesMut)| {
        let mut connection = opened(&[]);
        let mut input = BytesMut::new();
        said(&mut input);
        events(&mut connection, &mut input).unwrap();
        let (kind, _, stream, payload) = written(&mut connection).pop().unwrap();
        assert_eq!(kind, kind::RST_STREAM);
        (stream, Reason(u32::from_be_bytes(payload[..].try_into().unwrap())))
    };
    let after_end = |out: &mut BytesMut| {
        request(out, 1, true);
        frame(out, kind::DATA, 0, 1, b"more");
    };
    assert_eq!(ends(after_end), (1, Reason::STREAM_CLOSED));
    let one_too_many = |out: &mut BytesMut| (0..9).for_each(|at| request(out, at * 2 + 1, false));
    assert_eq!(ends(one_too_many), (17, Reason::REFUSED_STREAM));
    let upper_case = |out: &mut BytesMut| {
        let mut block = block();
        put_literal(&mut block, b"Upper", b"");
        frame(out, kind::HEADERS, 5, 1, &block);
    };
    assert_eq!(ends(upper_case), (1, Reason::PROTOCOL_ERROR));
    let no_path = |out: &mut BytesMut| frame(out, kind::HEADERS, 5, 1, &[0x83, 0x86]);
    assert_eq!(ends(no_path), (1, Reason::PROTOCOL_ERROR));
    let pseudo_late = |out: &mut BytesMut| {
        frame(out, kind::HEADERS, 5, 1, &[&block()[..], &[0x83]].concat());
    };
    assert_eq!(ends(pseudo_late), (1, Reason::PROTOCOL_ERROR));
    let window = |out: &mut BytesMut| {
        request(out, 1, false);
        put_word(out, kind::WINDOW_UPDATE, 1, u32::MAX >> 1);
    };
    assert_eq!(ends(window), (1, Reason::FLOW_CONTROL_ERROR));
}

#[test]
fn who_leaves_answers_what_was_on_the_way() {
    let mut connection = opened(&[]);
    connection.leave();
    let mut input = BytesMut::new();
    request(&mut input, 1, true);
    let Event::Request { stream, .. } = events(&mut connection, &mut input).unwrap().remove(0)
    else {
        panic!()
    };
    frame(&mut input, kind::PING, flag::ACK, 0, b"hiraeth!");
    // Too late, and not looked at any more.
    request(&mut input, 3, false);
    frame(&mut input, kind::DATA, flag::END_STREAM, 3, b"late");
    assert_eq!(events(&mut connection, &mut input), Ok(vec![]));
    assert!(!connection.is_over());
    connection.headers::<&str>(stream, 200, &[], true);
    assert!(connection.is_over());
    let last: Vec<_> = written(&mut connection)
        .into_iter()
        .filter(|(kind, ..)| *kind == kind::GOAWAY)
        .map(|(.., payload)| u32::from_be_bytes(payload[..4].try_into().unwrap()))
        .collect();
    assert_eq!(last, [u32::MAX >> 1, 1]);
}

#[derive(Clone, Debug)]
enum Said {
    Request(bool),
    Split(usize),
    Data(Vec<u8>, u8, bool),
    Trailers,
    Reset,
    Ping,
    Window(u32),
}

fn said() -> impl Strategy<Value = Said> {
    let data = proptest::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        any::<bool>().prop_map(Said::Request),
        (0_usize..40).prop_map(Said::Split),
        (data, 0_u8..20, any::<bool>()).prop_map(|(data, pad, ends)| Said::Data(data, pad, ends)),
        Just(Said::Trailers),
        Just(Said::Reset),
        Just(Said::Ping),
        (1_u32..1000).prop_map(Said::Window),
    ]
}

/// What a client says that keeps to the rules.
fn conversation(all: Vec<Said>) -> BytesMut {
    let mut out = hello(&[(setting::INITIAL_WINDOW_SIZE, 1000)]);
    let (mut stream, mut is_open) = (0, false);
    for said in all {
        match said {
            Said::Request(ends) => {
                stream += if stream == 0 { 1 } else { 2 };
                is_open = !ends;
                request(&mut out, stream, ends);
            }
            Said::Split(at) => {
                stream += if stream == 0 { 1 } else { 2 };
                is_open = true;
                let block = block();
                let (first, rest) = block.split_at(at);
                frame(&mut out, kind::HEADERS, flag::PRIORITY, stream, &[&[0; 5], first].concat());
                frame(&mut out, kind::CONTINUATION, 0, stream, rest);
                frame(&mut out, kind::CONTINUATION, flag::END_HEADERS, stream, &[]);
            }
            Said::Data(data, pad, ends) if is_open => {
                let padded = [&[pad], &data[..], &vec![0; usize::from(pad)]].concat();
                let flags = flag::PADDED | u8::from(ends);
                frame(&mut out, kind::DATA, flags, stream, &padded);
                is_open = !ends;
            }
            Said::Trailers if is_open => {
                let mut block = BytesMut::new();
                put_literal(&mut block, b"x", b"y");
                frame(&mut out, kind::HEADERS, 5, stream, &block);
                is_open = false;
            }
            Said::Reset if stream > 0 => {
                put_word(&mut out, kind::RST_STREAM, stream, 8);
                is_open = false;
            }
            Said::Window(by) if stream > 0 => put_word(&mut out, kind::WINDOW_UPDATE, stream, by),
            _ => frame(&mut out, kind::PING, 0, 0, &[7; 8]),
        }
    }
    out
}

/// What happens when the bytes come cut there. The server uses all data, and answers what has ended.
fn played(said: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), Reason>, BytesMut) {
    let mut connection = Connection::new(LIMITS);
    let (mut input, mut all, mut from) = (BytesMut::new(), Vec::new(), 0);
    let mut output = BytesMut::new();
    for &to in cuts.iter().chain([&said.len()]) {
        input.put_slice(&said[from..to]);
        from = to;
        loop {
            let event = match connection.next(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => event,
                Err(error) => return (all, Err(error.reason), output),
            };
            match &event {
                Event::Data { stream, bytes, ends } => {
                    connection.used(*stream, bytes.len());
                    if *ends {
                        connection.respond_unary::<&str>(*stream, &[], 1, |out| out.put_u8(1));
                    }
                }
                Event::Request { stream, ends: true, .. } | Event::Trailers { stream, .. } => {
                    connection.headers(*stream, 404, &[("a", "b")], true);
                }
                _ => {}
            }
            all.push(event);
        }
        // Nothing is kept beyond a frame that is not whole.
        assert!(input.len() <= HEAD_BYTES + 16_384);
        output.unsplit(connection.output().split());
    }
    (all, Ok(()), output)
}

proptest! {
    #[test]
    fn cut_anywhere_it_means_the_same(all in proptest::collection::vec(said(), 0..20)) {
        let said = conversation(all);
        let whole = played(&said, &[]);
        for cut in 0..said.len() {
            prop_assert_eq!(&played(&said, &[cut]), &whole, "cut at {}", cut);
        }
        let bytes: Vec<_> = (0..said.len()).collect();
        prop_assert_eq!(&played(&said, &bytes), &whole);
    }

    /// Whatever comes, nothing panics, and what is written is no more than a few times what came.
    #[test]
    fn no_bytes_break_it(
        all in proptest::collection::vec(said(), 0..20),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        more in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut said = conversation(all);
        said.put_slice(&more);
        // Past the preface, or nothing else would be looked at.
        for (at, byte) in changes {
            let at = 24 + at.index(said.len() - 24);
            said[at] = byte;
        }
        let (_, _, output) = played(&said, &[]);
        prop_assert!(output.len() < 300 + said.len() * 10);
    }
}
