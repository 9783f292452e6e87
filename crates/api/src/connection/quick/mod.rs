//! Reads and writes of keys that the connection's own task sees through.

mod arriving;
mod call;
mod pending;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http2::{RequestHead, StreamKey};
use node::{Desk, Handle, News, Orders};
use tonic::Status;

use self::arriving::Arriving;
use self::call::{Admitted, Call, Kind, Method};
use self::pending::{Pending, Reads};
use super::send::{Respond, send, send_later};
use super::wire::Wire;
use crate::calls::{self, Traced};
use crate::front::{Front, is_grpc};
use crate::guests::{Guest, HALF};
use crate::waiting::{Sweep, Table};

/// The requests of one connection.
pub(super) struct Quick {
    handle: Handle,
    guest: Option<Arc<Guest>>,
    desk: Arc<Desk>,
    orders: Orders,
    /// Whose message has not come whole, by the stream's place.
    arriving: Vec<Option<Arriving>>,
    halves: usize,
    /// Linearizable reads that came since the last look.
    reads: Reads,
    pending: Table<Pending>,
    news: Vec<(u64, News)>,
    sweep: Sweep,
}

impl Quick {
    pub(super) fn new(front: &Front) -> Self {
        let desk = Desk::new();
        Self {
            handle: front.handle().clone(),
            guest: front.guest().cloned(),
            orders: Orders::new(Arc::clone(&desk)),
            desk,
            arriving: Vec::new(),
            halves: 0,
            reads: Reads::default(),
            pending: Table::default(),
            news: Vec::new(),
            sweep: Sweep::default(),
        }
    }

    /// Takes a request, if it is one of a kind that needs no task; says whether it was.
    pub(super) fn take(
        &mut self,
        wire: &mut Wire,
        stream: StreamKey,
        head: &Arc<RequestHead>,
        ends: bool,
    ) -> bool {
        let Some(method) = Method::of(head) else { return false };
        let mut call = match calls::start(method.path(), self.guest.as_ref()) {
            Ok(call) => call,
            Err(status) => {
                wire.status(stream, status);
                return true;
            }
        };
        let tracer = self.handle.tracer();
        if tracer.is_on() {
            call.trace(Traced::grpc(tracer, &**head, method.path()));
        }
        if self.arriving.len() <= stream.place() {
            self.arriving.resize_with(stream.place() + 1, || None);
        }
        let arriving = Arriving::new(stream, method, head, call);
        if self.arriving[stream.place()].replace(arriving).is_none() {
            self.halves += 1;
        }
        if ends {
            self.end(wire, stream);
        }
        true
    }

    /// Data of a request that was taken.
    pub(super) fn data(&mut self, wire: &mut Wire, stream: StreamKey, bytes: Bytes, ends: bool) {
        let Some(place) = self.arriving.get_mut(stream.place()) else { return };
        let Some(arriving) = place.as_mut().filter(|it| it.stream == stream) else { return };
        let Poll::Ready(message) = arriving.push(bytes, ends) else { return };
        let Some(Arriving { method, head, call, .. }) = place.take() else { return };
        self.halves -= 1;
        // Not before: what has come of requests that are not whole is bounded by the windows.
        wire.http2.used(stream, usize::MAX);
        let respond = Respond::new(stream, call);
        let decoded = message.and_then(|it| Call::decode(&self.handle, method, &head, it));
        match decoded {
            Ok(call) => self.admit(wire, call, &head, respond),
            Err(status) => send(wire, respond, Err(status)),
        }
    }

    /// A request ended without more data.
    pub(super) fn end(&mut self, wire: &mut Wire, stream: StreamKey) {
        self.data(wire, stream, Bytes::new(), true);
    }

    /// The client gave up on a request.
    pub(super) fn give_up(&mut self, stream: StreamKey) {
        let Some(place) = self.arriving.get_mut(stream.place()) else { return };
        if place.take_if(|arriving| arriving.stream == stream).is_some() {
            self.halves -= 1;
        }
    }

    /// Looks now and then for what does not get on. To be called when all that came was taken up, or
    /// what came last would wait for the next event to be looked at.
    pub(super) fn look(&mut self, wire: &mut Wire, context: &mut Context<'_>) {
        while self.sweep.is_due(!self.pending.is_empty() || self.halves > 0, context) {
            pending::look_at_all(wire, &self.handle, &mut self.pending);
            self.give_up_halves(wire);
        }
    }

    /// Who sends part of a request and nothing more is not waited for.
    fn give_up_halves(&mut self, wire: &mut Wire) {
        if self.halves == 0 {
            return;
        }
        for place in &mut self.arriving {
            let Some(half) = place.take_if(|arriving| arriving.is_late()) else { continue };
            self.halves -= 1;
            if let Some(guest) = &self.guest {
                HALF.about(guest.address(), 1);
            }
            let words = "hiraeth: the request did not come to its end";
            let respond = Respond::new(half.stream, half.call);
            send(wire, respond, Err(Status::deadline_exceeded(words)));
        }
    }

    fn admit(&mut self, wire: &mut Wire, call: Call, head: &RequestHead, respond: Respond) {
        let proof = self.guest.as_ref().and_then(|guest| guest.proof());
        let proof = proof.filter(|_| is_grpc(head));
        let origin = self.guest.as_ref().map_or("", |guest| guest.from());
        match call.admit(&self.handle, head, proof, origin) {
            Admitted::Begin(call) => self.begin(wire, call, respond),
            Admitted::Refuse(status) => send(wire, respond, Err(status)),
            Admitted::Later(call, sender) => {
                let handle = self.handle.clone();
                send_later(wire, respond, async move { call.carry_out(&handle, &sender).await });
            }
        }
    }

    fn begin(&mut self, wire: &mut Wire, call: Call, respond: Respond) {
        match call {
            Call::Write { kind, keyspace, command } => {
                let ticket = self.pending.reserve();
                let trace = respond.traced();
                let submitted =
                    self.handle.submit(keyspace, command, &mut self.orders, ticket, trace);
                pending::submitted(
                    wire,
                    &self.handle,
                    (kind, keyspace, respond),
                    submitted,
                    &mut self.pending,
                    ticket,
                );
            }
            Call::ReadTxn { keyspace, request, consistency } => {
                let handle = self.handle.clone();
                send_later(wire, respond, async move {
                    Kind::Txn.reply(handle.txn(keyspace, request, consistency).await)
                });
            }
            Call::Read(read) if read.is_linearizable() => self.reads.push(read, respond),
            Call::Read(read) => read.answer(wire, &self.handle, respond),
        }
    }

    /// Hands over everything that has come.
    pub(super) fn send(&mut self, wire: &mut Wire) {
        self.reads.submit(wire, &self.handle, &mut self.orders, &mut self.pending);
        self.handle.send(&mut self.orders);
    }

    /// Writes the answers that there are.
    pub(super) fn answer(&mut self, wire: &mut Wire, context: &mut Context<'_>) {
        // A second look registers the waker, and finds what came meanwhile.
        while self.desk.poll(context, &mut self.news).is_ready() {
            for (ticket, news) in self.news.drain(..) {
                pending::news(wire, &self.handle, &mut self.pending, ticket, news);
            }
        }
    }
}
