use std::sync::Arc;
use std::task::Context;

use bytes::{Buf, Bytes};
use http2::{Connection, Sent, StreamKey};
use hyper::HeaderMap;
use prost::Message;
use tokio::task::AbortHandle;
use tonic::Status;

use super::ahead::Ahead;
use super::mail::{Letter, Mail};
use super::send::{Reply, Respond, send};
use super::stream::Inbound;
use crate::guests::Guest;

/// Bytes that wait to be written, from which on nothing more is read or answered. A client that reads
/// nothing gets no further.
const OUTPUT_BYTES: usize = 256 * 1024;
/// Bytes taken of one stream before another may have its turn.
const TURN_BYTES: usize = 64 * 1024;

/// A connection, and what its streams have to send that it did not take yet.
pub(super) struct Wire {
    pub(super) http2: Connection,
    pub(super) mail: Arc<Mail>,
    /// By the stream's place; most requests have none.
    lanes: Vec<Option<Lane>>,
    /// Streams that go on once more of the output is written.
    turns: Vec<StreamKey>,
    tasks: usize,
}

/// What there is of a stream beside the connection's own.
struct Lane {
    stream: StreamKey,
    /// In the order in which it goes. Its data is bounded by [`Inbound`], or is one held answer.
    letters: std::collections::VecDeque<Letter>,
    inbound: Option<Arc<Inbound>>,
    task: Option<AbortHandle>,
    in_turns: bool,
}

impl Lane {
    fn new(stream: StreamKey) -> Self {
        let letters = std::collections::VecDeque::new();
        Self { stream, letters, inbound: None, task: None, in_turns: false }
    }
}

impl Wire {
    pub(super) fn new(http2: Connection, guest: Option<Arc<Guest>>) -> Self {
        let mail = Arc::new(Mail::new(Ahead::new(guest)));
        Self { http2, mail, lanes: Vec::new(), turns: Vec::new(), tasks: 0 }
    }

    /// Whether what waits to be written must be written before anything else.
    pub(super) fn is_full(&mut self) -> bool {
        self.http2.output().len() > OUTPUT_BYTES
    }

    /// Whether tasks may have something to send.
    pub(super) fn has_tasks(&self) -> bool {
        self.tasks > 0
    }

    /// Whether something waits only for the output to be written.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    fn lane(&mut self, stream: StreamKey) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(stream.place())?.as_mut()?;
        (lane.stream == stream).then_some(lane)
    }

    fn open(&mut self, stream: StreamKey) -> &mut Lane {
        if self.lane(stream).is_none() {
            // One of a stream that is no more, if there is any.
            if let Some(old) = self.lanes.get(stream.place()).and_then(Option::as_ref) {
                self.close(old.stream);
            }
            if self.lanes.len() <= stream.place() {
                self.lanes.resize_with(stream.place() + 1, || None);
            }
        }
        self.lanes[stream.place()].get_or_insert_with(|| Lane::new(stream))
    }

    /// A task sees to a stream: it ends when the stream does.
    pub(super) fn run(
        &mut self,
        stream: StreamKey,
        inbound: Option<Arc<Inbound>>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = tokio::spawn(work).abort_handle();
        self.tasks += 1;
        let lane = self.open(stream);
        lane.inbound = inbound;
        lane.task = Some(task);
    }

    /// Where what the client sends on a stream goes, if it has a task.
    pub(super) fn inbound(&mut self, stream: StreamKey) -> Option<&Arc<Inbound>> {
        self.lane(stream)?.inbound.as_ref()
    }

    /// The stream is over.
    pub(super) fn close(&mut self, stream: StreamKey) {
        if self.lane(stream).is_none() {
            return;
        }
        let Some(lane) = self.lanes.get_mut(stream.place()).and_then(Option::take) else { return };
        self.forget(lane.letters.iter().map(Letter::bytes).sum());
        if let Some(task) = lane.task {
            self.tasks -= 1;
            task.abort();
        }
    }

    /// Takes what the tasks have to say.
    pub(super) fn take_mail(&mut self, context: &mut Context<'_>) {
        for (stream, letter) in self.mail.take(context) {
            match letter {
                Letter::Used(bytes) => self.http2.used(stream, bytes),
                Letter::Answer(call, answer) => {
                    // Its task has nothing more to do.
                    self.close(stream);
                    send(self, Respond::new(stream, call), *answer);
                }
                letter => {
                    let bytes = letter.bytes();
                    let Some(lane) = self.lane(stream) else {
                        self.forget(bytes);
                        continue;
                    };
                    lane.letters.push_back(letter);
                    if lane.letters.len() == 1 {
                        self.go_on(stream);
                    }
                }
            }
        }
    }

    /// Those go on that waited for the output.
    pub(super) fn take_turns(&mut self) {
        for stream in std::mem::take(&mut self.turns) {
            if let Some(lane) = self.lane(stream) {
                lane.in_turns = false;
                self.go_on(stream);
            }
        }
    }

    /// Sends what a stream has to send, as far as that is taken.
    pub(super) fn go_on(&mut self, stream: StreamKey) {
        loop {
            let is_full = self.is_full();
            let Some(lane) = self.lane(stream) else { return };
            if is_full {
                if !std::mem::replace(&mut lane.in_turns, true) {
                    self.turns.push(stream);
                }
                return;
            }
            let Some(letter) = lane.letters.pop_front() else { return };
            let ended = match letter {
                Letter::Headers(status, fields, ends) => {
                    self.http2.headers(stream, status, &listed(&fields), ends);
                    ends
                }
                Letter::Trailers(fields) => {
                    self.http2.trailers(stream, &listed(&fields));
                    true
                }
                Letter::Reset(reason) => {
                    self.http2.reset(stream, reason);
                    true
                }
                Letter::Data(data, ends) => {
                    let Some(rest) = self.data(stream, data, ends) else { continue };
                    if rest.is_empty() {
                        true
                    } else {
                        if let Some(lane) = self.lane(stream) {
                            lane.letters.push_front(Letter::Data(rest, ends));
                        }
                        return;
                    }
                }
                Letter::Used(_) | Letter::Answer(..) => false,
            };
            if ended {
                return self.close(stream);
            }
        }
    }

    /// Sends data. `None`: go on with what follows. Empty: that was the end. Otherwise: what has to wait.
    fn data(&mut self, stream: StreamKey, mut data: Bytes, ends: bool) -> Option<Bytes> {
        loop {
            let most = data.len().min(TURN_BYTES);
            let (mut part, is_last) = (data.slice(..most), most == data.len());
            self.http2.data(stream, &mut part, ends && is_last);
            let taken = most - part.len();
            data.advance(taken);
            self.taken(stream, taken);
            if !part.is_empty() {
                return Some(data);
            }
            if is_last {
                return ends.then(Bytes::new);
            }
            if self.is_full() {
                // Goes back to the front, and finds that out.
                let lane = self.lane(stream)?;
                lane.letters.push_front(Letter::Data(data, ends));
                return None;
            }
        }
    }

    fn taken(&mut self, stream: StreamKey, bytes: usize) {
        self.forget(bytes);
        if let Some(inbound) = self.lane(stream).and_then(|lane| lane.inbound.as_ref()) {
            inbound.taken(bytes);
        }
    }

    /// So many bytes of answers wait no more.
    fn forget(&mut self, bytes: usize) {
        self.mail.ahead.remove(bytes);
        self.http2.refuse_requests(self.mail.ahead.is_too_much());
    }

    /// Answers a call with one message and what is told beside it.
    pub(super) fn unary(
        &mut self,
        stream: StreamKey,
        told: Option<(&'static str, String)>,
        message: &impl Message,
    ) {
        let field = told.as_ref().map(|(name, value)| (*name, value.as_str()));
        let bytes = message.encoded_len();
        let fields = field.as_slice();
        let sent = self.http2.respond_unary(stream, fields, bytes, |out| message.encode_raw(out));
        if sent == Sent::NoRoom {
            self.hold(stream, fields, message, bytes);
        }
    }

    /// The windows have no room for an answer.
    fn hold(
        &mut self,
        stream: StreamKey,
        fields: &[(&str, &str)],
        message: &impl Message,
        bytes: usize,
    ) {
        let reply = Reply::framed(message, bytes);
        let mut all = vec![("content-type", "application/grpc")];
        all.extend_from_slice(fields);
        self.http2.headers(stream, 200, &all, false);
        self.mail.ahead.add(reply.len());
        self.http2.refuse_requests(self.mail.ahead.is_too_much());
        let lane = self.open(stream);
        lane.letters.push_back(Letter::Data(reply, false));
        lane.letters.push_back(Letter::Trailers(super::send::ok()));
        self.go_on(stream);
    }

    /// Answers a call with a status alone.
    pub(super) fn status(&mut self, stream: StreamKey, status: Status) {
        let response = status.into_http::<()>();
        self.http2.headers(stream, 200, &listed(response.headers()), true);
    }

    /// Answers with an HTTP status alone.
    pub(super) fn refuse(&mut self, stream: StreamKey, status: u16) {
        self.http2.headers::<&str>(stream, status, &[], true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for task in self.lanes.iter().flatten().filter_map(|lane| lane.task.as_ref()) {
            task.abort();
        }
    }
}

fn listed(fields: &HeaderMap) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect()
}
