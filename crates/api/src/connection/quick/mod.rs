//! Reads and writes of keys that the connection's own task sees through.

mod arriving;
mod call;
mod pending;
mod table;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use hyper::Request;
use node::{Desk, Handle, News, Orders};
use tonic::Status;
use tonic::metadata::MetadataMap;

use self::arriving::{Arrived, Arriving};
use self::call::{Call, Kind, Method};
use self::pending::{Pending, Reads, Sweep};
use self::table::Table;
use super::send::{Respond, send, send_later};
use crate::calls;
use crate::front::Front;
use crate::guests::{Guest, HALF};

/// The requests of one connection.
pub(super) struct Quick {
    handle: Handle,
    guest: Option<Arc<Guest>>,
    desk: Arc<Desk>,
    orders: Orders,
    /// Whose message has not come whole.
    arriving: Vec<Arriving>,
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
            reads: Reads::default(),
            pending: Table::default(),
            news: Vec::new(),
            sweep: Sweep::default(),
        }
    }

    /// Takes a request, if it is one of a kind that needs no task; answers with one that is not.
    pub(super) fn take(
        &mut self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        context: &mut Context<'_>,
    ) -> Option<(Request<RecvStream>, SendResponse<Bytes>)> {
        let Some(method) = Method::of(&request) else { return Some((request, respond)) };
        let call = match calls::start(request.uri().path(), self.guest.as_ref()) {
            Ok(call) => call,
            Err(status) => {
                drop(respond.send_response(status.into_http::<()>(), true));
                return None;
            }
        };
        let respond = Respond::new(respond, call);
        let (parts, data) = request.into_parts();
        let metadata = MetadataMap::from_headers(parts.headers);
        let mut arriving = Arriving::new(method, metadata, data, respond);
        match arriving.poll(context) {
            Poll::Ready(arrived) => self.arrived(arriving, arrived),
            Poll::Pending => self.arriving.push(arriving),
        }
        None
    }

    /// Looks for what was missing of requests.
    pub(super) fn read_on(&mut self, context: &mut Context<'_>) {
        let mut at = 0;
        while let Some(arriving) = self.arriving.get_mut(at) {
            match arriving.poll(context) {
                Poll::Ready(arrived) => {
                    let arriving = self.arriving.swap_remove(at);
                    self.arrived(arriving, arrived);
                }
                Poll::Pending => at += 1,
            }
        }
        if self.sweep.poll(context, &self.handle, &mut self.pending) {
            self.give_up_halves();
        }
    }

    /// Who sends part of a request and nothing more is not waited for.
    fn give_up_halves(&mut self) {
        for half in self.arriving.extract_if(.., |arriving| arriving.is_late()) {
            if let Some(guest) = &self.guest {
                HALF.about(guest.address(), 1);
            }
            let words = "hiraeth: the request did not come to its end";
            send(half.respond, Err(Status::deadline_exceeded(words)));
        }
    }

    fn arrived(&mut self, arriving: Arriving, arrived: Arrived) {
        match arrived {
            Arrived::Whole(message) => {
                let Arriving { method, metadata, respond, .. } = arriving;
                match Call::decode(&self.handle, method, &metadata, message) {
                    Ok(call) => self.begin(call, respond),
                    Err(status) => send(respond, Err(status)),
                }
            }
            Arrived::Bad(status) => send(arriving.respond, Err(status)),
            // The client is gone, or gave it up.
            Arrived::Gone => {}
        }
    }

    fn begin(&mut self, call: Call, respond: Respond) {
        match call {
            Call::Write { kind, keyspace, command } => {
                let ticket = self.pending.reserve();
                let submitted = self.handle.submit(keyspace, command, &mut self.orders, ticket);
                pending::submitted(
                    &self.handle,
                    (kind, keyspace, respond),
                    submitted,
                    &mut self.pending,
                    ticket,
                );
            }
            Call::ReadTxn { keyspace, request, consistency } => {
                let handle = self.handle.clone();
                send_later(respond, async move {
                    Kind::Txn.reply(handle.txn(keyspace, request, consistency).await)
                });
            }
            Call::Read(read) if read.is_linearizable() => self.reads.push(read, respond),
            Call::Read(read) => read.answer(&self.handle, respond),
        }
    }

    /// Hands over everything that has come.
    pub(super) fn send(&mut self) {
        self.reads.submit(&self.handle, &mut self.orders, &mut self.pending);
        self.handle.send(&mut self.orders);
        self.sweep.arm(!self.pending.is_empty() || !self.arriving.is_empty());
    }

    /// Writes the answers that there are.
    pub(super) fn answer(&mut self, context: &mut Context<'_>) {
        // A second look registers the waker, and finds what came meanwhile.
        while self.desk.poll(context, &mut self.news).is_ready() {
            for (ticket, news) in self.news.drain(..) {
                pending::news(&self.handle, &mut self.pending, ticket, news);
            }
        }
    }
}
