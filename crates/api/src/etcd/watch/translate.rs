use std::collections::{BTreeMap, VecDeque};

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

/// What a watch was asked for with.
struct Asked {
    /// Whether its responses may be split.
    split: bool,
    range: KeyRange,
    /// Why it is being ended, if that is not for the client to know by itself.
    denied: Option<Fault>,
    /// Refusals of what was asked for after it, while its own answer is to come: clients know what an
    /// answer is for by its place in the row.
    behind: Vec<Frame>,
}

/// One stream's watches, as far as answering them needs to know.
pub(super) struct Answers {
    /// Bytes from which on a response is split, for those who want it.
    limit: usize,
    /// The creations that are not answered yet, oldest first: they are answered in order.
    asked: VecDeque<Asked>,
    /// The watches.
    watches: BTreeMap<i64, Asked>,
    /// How many of them are denied, and not ended yet.
    denied: usize,
    /// Creations that were under way at the last review, and are to be looked at once they are made.
    unreviewed: usize,
    /// Whether one of those was made.
    wants_review: bool,
    /// The header of the last events, and its form on the wire: that of all watches' events of one batch.
    last: (pb::ResponseHeader, Bytes),
    /// What is to be sent next.
    pub(super) ready: VecDeque<Frame>,
}

impl Answers {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            asked: VecDeque::new(),
            watches: BTreeMap::new(),
            denied: 0,
            unreviewed: 0,
            wants_review: false,
            last: Default::default(),
            ready: VecDeque::new(),
        }
    }

    /// A creation is under way.
    pub(super) fn asked(&mut self, split: bool, range: KeyRange) {
        self.asked.push_back(Asked { split, range, denied: None, behind: Vec::new() });
    }

    /// Asks of every watch whether it may go on, and keeps why it may not until its end is told. Until
    /// then it is told nothing more.
    pub(super) fn review(&mut self, mut may: impl FnMut(i64, &KeyRange) -> Result<(), Fault>) {
        for (id, watch) in &mut self.watches {
            if watch.denied.is_none() {
                watch.denied = may(*id, &watch.range).err();
                self.denied += usize::from(watch.denied.is_some());
            }
        }
        self.unreviewed = self.asked.len();
    }

    /// Whether a watch was made that a review came too early for.
    pub(super) fn wants_review(&mut self) -> bool {
        std::mem::take(&mut self.wants_review)
    }

    /// The oldest creation is answered.
    fn answered(&mut self) -> Option<Asked> {
        if self.unreviewed > 0 {
            self.unreviewed -= 1;
            self.wants_review = true;
        }
        self.asked.pop_front()
    }

    /// A watch is not made, without having been asked for.
    pub(super) fn refuse(&mut self, header: pb::ResponseHeader, fault: &Fault) {
        let frame = Frame::bare(not_made(header, fault));
        match self.asked.back_mut() {
            Some(last) => last.behind.push(frame),
            None => self.ready.push_back(frame),
        }
    }

    /// Whether a refusal waits for its turn: nothing more is to be asked for until it is told.
    pub(super) fn holds_a_refusal(&self) -> bool {
        self.asked.back().is_some_and(|last| !last.behind.is_empty())
    }

    fn may_split(&self, id: i64) -> bool {
        self.watches.get(&id).is_some_and(|watch| watch.split)
    }

    /// A response with events, in parts if it is large and the watch allows it.
    pub(super) fn events(&mut self, header: pb::ResponseHeader, watch_id: i64, events: Bytes) {
        let is_denied = |watch: &Asked| watch.denied.is_some();
        if self.denied > 0 && self.watches.get(&watch_id).is_some_and(is_denied) {
            return;
        }
        if self.last.0 != header || self.last.1.is_empty() {
            self.last = (header, frame::encode_header(&header));
        }
        let head = pb::WatchResponse { watch_id, ..Default::default() };
        let frame = Frame { header: self.last.1.clone(), head, events };
        if frame.encoded_len() >= self.limit && self.may_split(watch_id) {
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
                self.ready.push_back(Frame::bare(pb::WatchResponse {
                    header: Some(header(revision)),
                    watch_id: id,
                    created: true,
                    ..Default::default()
                }));
                if let Some(mut asked) = self.answered() {
                    self.ready.extend(std::mem::take(&mut asked.behind));
                    self.watches.insert(id, asked);
                }
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
                let fault = fault.unwrap_or_else(|| Code::Internal.into());
                self.ready.push_back(Frame::bare(not_made(header(revision), &fault)));
                let behind = self.answered().map(|asked| asked.behind).unwrap_or_default();
                self.ready.extend(behind);
            }
            WatchMessage::Canceled { id, revision, compacted, fault } => {
                let denied = self.watches.remove(&id).and_then(|watch| watch.denied);
                self.denied -= usize::from(denied.is_some());
                self.ready.push_back(Frame::bare(pb::WatchResponse {
                    header: Some(header(revision)),
                    watch_id: id,
                    canceled: true,
                    compact_revision: compacted.get(),
                    // etcd gives the compacted revision and no words.
                    cancel_reason: match denied.or(fault) {
                        Some(fault) if compacted == Revision(0) => reason(&fault),
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
        cancel_reason: reason(fault),
        ..Default::default()
    }
}

/// Why a watch ends. etcd tells what has to do with users as Go prints a status, and clients look for
/// these very words to log in again.
fn reason(fault: &Fault) -> String {
    let message = error::message(fault);
    match fault.code {
        Code::PermissionDenied | Code::InvalidAuthToken | Code::UserEmpty => {
            format!("rpc error: code = {:?} desc = {message}", error::of(fault.code).grpc)
        }
        _ => message,
    }
}
