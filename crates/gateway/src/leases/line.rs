use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::HeaderMap;
use parking_lot::Mutex;
use proto::etcdserverpb as pb;
use tokio::sync::{Notify, watch};
use tonic::Status;

/// Renewals under way at once.
const AT_ONCE: usize = 1_024;
/// Renewals of one client under way at once. Until one of them is answered no more are read.
const OF_A_CLIENT: usize = 256;

/// All renewals of clients with the same token in the same keyspace.
pub(super) struct Line {
    /// What the member is told of who asks: token, keyspace, and whether a leader is wanted.
    pub(super) metadata: HeaderMap,
    /// By which it finds its member.
    pub(super) number: u64,
    pub(super) clients: AtomicUsize,
    inner: Mutex<Inner>,
    /// Rung when there is something to say to the member, or nobody is left.
    pub(super) bell: Notify,
    pub(super) state: watch::Sender<State>,
}

/// How it stands with the member.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// One is looked for.
    Trying,
    /// It took the token.
    Connected,
    /// There will be none: what clients are told.
    Over(Status),
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Renewal>,
    /// In the order in which they are answered.
    under_way: VecDeque<Renewal>,
    /// So many go one by one: one of them made a stream end, and it is not known which.
    careful: usize,
}

struct Renewal {
    mailbox: Arc<Mailbox>,
    lease: i64,
}

/// Where one client finds its answers.
#[derive(Default)]
pub(super) struct Mailbox {
    answers: Mutex<VecDeque<Result<pb::LeaseKeepAliveResponse, Status>>>,
    under_way: AtomicUsize,
    pub(super) bell: Notify,
}

impl Mailbox {
    fn put(&self, answer: Result<pb::LeaseKeepAliveResponse, Status>) {
        self.answers.lock().push_back(answer);
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        self.bell.notify_one();
    }

    pub(super) fn take(&self) -> Option<Result<pb::LeaseKeepAliveResponse, Status>> {
        self.answers.lock().pop_front()
    }

    /// Whether one more renewal may come.
    pub(super) fn has_room(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) < OF_A_CLIENT
    }

    /// Whether everything is answered.
    pub(super) fn is_done(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0 && self.answers.lock().is_empty()
    }
}

impl Line {
    pub(super) fn new(metadata: HeaderMap, number: u64) -> Self {
        let (clients, inner, bell) = Default::default();
        Self { metadata, number, clients, inner, bell, state: watch::Sender::new(State::Trying) }
    }

    /// Whether nobody is left.
    pub(super) fn is_left(&self) -> bool {
        self.clients.load(Ordering::Relaxed) == 0
    }

    /// A client renews a lease.
    pub(super) fn renew(&self, mailbox: &Arc<Mailbox>, lease: i64) {
        mailbox.under_way.fetch_add(1, Ordering::Relaxed);
        let renewal = Renewal { mailbox: Arc::clone(mailbox), lease };
        self.inner.lock().waiting.push_back(renewal);
        self.bell.notify_one();
    }

    /// Whether there is something to say.
    pub(super) fn is_ready(&self) -> bool {
        let inner = self.inner.lock();
        !inner.waiting.is_empty() && inner.has_room()
    }

    /// The next lease to renew.
    pub(super) fn next(&self) -> Option<pb::LeaseKeepAliveRequest> {
        let mut inner = self.inner.lock();
        if !inner.has_room() {
            return None;
        }
        let renewal = inner.waiting.pop_front()?;
        let request = pb::LeaseKeepAliveRequest { id: renewal.lease };
        inner.under_way.push_back(renewal);
        Some(request)
    }

    /// A member answers.
    pub(super) fn hear(&self, response: pb::LeaseKeepAliveResponse) {
        let mut inner = self.inner.lock();
        inner.careful = inner.careful.saturating_sub(1);
        let Some(renewal) = inner.under_way.pop_front() else { return };
        drop(inner);
        renewal.mailbox.put(Ok(response));
    }

    /// A stream ended; what was under way is renewed again, which does no harm. If the member has a reason,
    /// it is of one of these: of the only one, or it comes to light when they go one by one.
    pub(super) fn disconnected(&self, reason: Option<&Status>) {
        self.state.send_replace(State::Trying);
        let mut inner = self.inner.lock();
        let mut under_way = std::mem::take(&mut inner.under_way);
        let refused = match (reason, under_way.len()) {
            (Some(status), 1) => under_way.pop_front().map(|renewal| (renewal, status.clone())),
            (Some(_), many) => {
                inner.careful = many;
                None
            }
            (None, _) => None,
        };
        under_way.append(&mut inner.waiting);
        inner.waiting = under_way;
        if refused.is_some() {
            inner.careful = inner.careful.saturating_sub(1);
        }
        drop(inner);
        if let Some((renewal, status)) = refused {
            renewal.mailbox.put(Err(status));
        }
    }
}

impl Inner {
    fn has_room(&self) -> bool {
        self.under_way.len() < if self.careful > 0 { 1 } else { AT_ONCE }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::etcdserverpb as pb;
    use tonic::Status;

    use super::{Line, Mailbox};

    fn answer(id: i64) -> pb::LeaseKeepAliveResponse {
        pb::LeaseKeepAliveResponse { id, ttl: 9, ..pb::LeaseKeepAliveResponse::default() }
    }

    fn told(mailbox: &Mailbox) -> Vec<Result<i64, String>> {
        let answers = std::iter::from_fn(|| mailbox.take());
        answers.map(|it| it.map(|it| it.id).map_err(|it| it.message().to_owned())).collect()
    }

    #[test]
    fn each_is_answered_its_own_and_an_error_is_told_to_whose_it_is() {
        let line = Line::new(hyper::HeaderMap::new(), 0);
        let (good, bad): (Arc<Mailbox>, Arc<Mailbox>) = Default::default();
        line.renew(&good, 1);
        line.renew(&bad, 2);
        line.renew(&good, 3);
        let sent = || std::iter::from_fn(|| line.next()).map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(sent(), [1, 2, 3]);
        line.hear(answer(1));
        // Of two it is not known whose it is: they go one by one.
        line.disconnected(Some(&Status::permission_denied("no")));
        assert_eq!(sent(), [2]);
        line.disconnected(Some(&Status::permission_denied("no")));
        assert_eq!(told(&bad), [Err("no".to_owned())]);
        assert_eq!(sent(), [3]);
        // A member that goes costs nobody anything.
        line.disconnected(None);
        assert_eq!(sent(), [3]);
        line.hear(answer(3));
        assert_eq!(told(&good), [Ok(1), Ok(3)]);
        assert!(good.is_done() && bad.is_done());
        line.renew(&good, 4);
        line.renew(&good, 5);
        assert_eq!(sent(), [4, 5], "together again");
    }
}
