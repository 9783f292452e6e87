use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use node::{Header, WatchCreate, WatchMessage};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::watch_create_request::FilterType;
use proto::etcdserverpb::watch_request::RequestUnion;
use types::{Code, Fault, KeyRange, Revision};

use super::frame::{self, Frame};
use crate::error;
use crate::etcd::convert;

/// The id of no watch: of progress for the whole stream, and of a watch that was not made.
const NO_WATCH: i64 = -1;

/// What a request asks of the watches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Create {
        watch: WatchCreate,
        fragment: bool,
    },
    Cancel(i64),
    Progress,
    /// Answered without asking: the watch is not made.
    Refuse(Code),
    /// Nothing this server knows; etcd passes it over, too.
    Nothing,
}

/// Reads a request.
pub(super) fn order(request: pb::WatchRequest) -> Order {
    match request.request_union {
        Some(RequestUnion::CreateRequest(create)) => create_order(create),
        Some(RequestUnion::CancelRequest(cancel)) => Order::Cancel(cancel.watch_id),
        Some(RequestUnion::ProgressRequest(_)) => Order::Progress,
        None => Order::Nothing,
    }
}

fn create_order(create: pb::WatchCreateRequest) -> Order {
    if create.start_revision < 0 {
        return Order::Refuse(Code::Compacted);
    }
    // The smallest key there is.
    let key = if create.key.is_empty() { Bytes::from_static(&[0]) } else { create.key };
    let range = KeyRange::from_etcd(&key, &create.range_end);
    if range.is_empty() {
        return Order::Refuse(Code::EmptyWatchRange);
    }
    let filtered = |kind: FilterType| create.filters.contains(&kind.into());
    let watch = WatchCreate {
        id: (create.watch_id != 0).then_some(create.watch_id),
        range,
        start: Revision(create.start_revision),
        prev_kv: create.prev_kv,
        progress_notify: create.progress_notify,
        no_put: filtered(FilterType::Noput),
        no_delete: filtered(FilterType::Nodelete),
    };
    Order::Create { watch, fragment: create.fragment }
}

/// One stream's watches, as far as answering them needs to know.
pub(super) struct Answers {
    /// Bytes from which on a response is split, for those who want it.
    limit: usize,
    /// Whether those creations allow splitting that are not answered yet, oldest first: they are
    /// answered in order.
    asked: VecDeque<bool>,
    /// The watches whose responses may be split.
    split: BTreeSet<i64>,
    /// The header of the last events, and its form on the wire: that of all watches' events of one batch.
    last: (pb::ResponseHeader, Bytes),
    /// What is to be sent next.
    pub(super) ready: VecDeque<Frame>,
}

impl Answers {
    pub(super) fn new(limit: usize) -> Self {
        let last = Default::default();
        Self { limit, asked: VecDeque::new(), split: BTreeSet::new(), last, ready: VecDeque::new() }
    }

    /// A creation is under way.
    pub(super) fn asked(&mut self, fragment: bool) {
        self.asked.push_back(fragment);
    }

    /// A watch is not made, without having been asked for.
    pub(super) fn refuse(&mut self, header: pb::ResponseHeader, fault: &Fault) {
        self.ready.push_back(Frame::bare(not_made(header, fault)));
    }

    /// A response with events, in parts if it is large and the watch allows it.
    pub(super) fn events(&mut self, header: pb::ResponseHeader, watch_id: i64, events: Bytes) {
        if self.last.0 != header || self.last.1.is_empty() {
            self.last = (header, frame::encode_header(&header));
        }
        let head = pb::WatchResponse { watch_id, ..Default::default() };
        let frame = Frame { header: self.last.1.clone(), head, events };
        if frame.encoded_len() >= self.limit && self.split.contains(&watch_id) {
            let head = pb::WatchResponse { header: Some(header), ..frame.head };
            self.ready.extend(frame::split(&head, &frame.events, self.limit));
        } else {
            self.ready.push_back(frame);
        }
    }

    /// Makes responses of a message; `header` is one of now, its revision does not count.
    pub(super) fn message(&mut self, header: &Header, message: WatchMessage) {
        let header = |revision| convert::header(&Header { revision, ..*header });
        match message {
            WatchMessage::Created { id, revision } => {
                if self.asked.pop_front().unwrap_or(false) {
                    self.split.insert(id);
                }
                self.ready.push_back(Frame::bare(pb::WatchResponse {
                    header: Some(header(revision)),
                    watch_id: id,
                    created: true,
                    ..Default::default()
                }));
            }
            WatchMessage::Events { id, revision, events } => {
                self.events(header(revision), id, events.encoded(frame::encode));
            }
            WatchMessage::Progress { id, revision } => {
                self.ready.push_back(Frame::bare(pb::WatchResponse {
                    header: Some(header(revision)),
                    watch_id: id,
                    ..Default::default()
                }));
            }
            WatchMessage::Canceled { id: NO_WATCH, revision, fault, .. } => {
                self.asked.pop_front();
                let fault = fault.unwrap_or_else(|| Code::Internal.into());
                self.refuse(header(revision), &fault);
            }
            WatchMessage::Canceled { id, revision, compacted, fault } => {
                self.split.remove(&id);
                self.ready.push_back(Frame::bare(pb::WatchResponse {
                    header: Some(header(revision)),
                    watch_id: id,
                    canceled: true,
                    compact_revision: compacted.get(),
                    // etcd gives the compacted revision and no words.
                    cancel_reason: match fault {
                        Some(fault) if compacted == Revision(0) => error::message(&fault),
                        _ => String::new(),
                    },
                    ..Default::default()
                }));
            }
        }
    }
}

fn not_made(header: pb::ResponseHeader, fault: &Fault) -> pb::WatchResponse {
    pb::WatchResponse {
        header: Some(header),
        watch_id: NO_WATCH,
        created: true,
        canceled: true,
        cancel_reason: error::message(fault),
        ..Default::default()
    }
}
