use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_response::Tell;
use tokio::sync::Notify;

/// Messages of one client that are under way at once. Until one of them is done no more are read.
pub(super) const UNDER_WAY: usize = 256;

/// Where one client finds what there is for it. Bounded: a piece of news for each subscription, and an
/// answer for each message under way.
#[derive(Default)]
pub(super) struct Mailbox {
    notes: Mutex<VecDeque<Note>>,
    under_way: AtomicUsize,
    pub(super) bell: Notify,
}

/// What there is.
pub(super) enum Note {
    /// News of a subscription, by the client's number.
    News(u64),
    /// A subscription, by the client's number, is refused.
    Refused(u64, pb::Answer),
    /// To be told as it is.
    Tell(Tell),
}

impl Mailbox {
    pub(super) fn put(&self, note: Note) {
        self.notes.lock().push_back(note);
        self.bell.notify_one();
    }

    pub(super) fn take(&self) -> Option<Note> {
        self.notes.lock().pop_front()
    }

    /// A message of the client's begins.
    pub(super) fn begin(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether another one may.
    pub(super) fn has_room(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) < UNDER_WAY
    }

    /// A message is done.
    pub(super) fn end(&self) {
        if self.under_way.fetch_sub(1, Ordering::Relaxed) == UNDER_WAY {
            self.bell.notify_one();
        }
    }

    /// A message is done, with this answer.
    pub(super) fn answer(&self, request: u64, answer: pb::Answer) {
        self.put(Note::Tell(Tell::Answer(pb::Answer { request, ..answer })));
        self.end();
    }
}
