use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use futures::stream::{self, BoxStream, StreamExt};
use node::{AuthChanges, Handle, Header, WatchControl, WatchCreate, WatchMessage, WatchMessages};
use proto::etcdserverpb as pb;
use state::auth::Demand;
use tokio::time::sleep;
use tonic::{Status, Streaming};
use types::{Code, Fault, KeyspaceId, RegionId};

use super::frame::Frame;
use super::translate::{Answers, Order, order};
use crate::audit::Bearer;
use crate::error;
use crate::etcd::convert;

/// So long a stream that requires a leader lives without one. Opening it anew costs clients much, and
/// an election is over soon; etcd, too, waits for three election timeouts.
const LEADER_GRACE: Duration = Duration::from_secs(3);

/// Messages turned into responses at once: what is sent together is woken for once.
const TOGETHER: usize = 256;

/// One client's watch stream.
pub(super) struct Stream {
    handle: Handle,
    keyspace: KeyspaceId,
    /// Of a sharded keyspace, the one that is watched.
    region: Option<RegionId>,
    sender: Bearer,
    /// Users or rights have changed, and with them what may be watched.
    changes: AuthChanges,
    /// `None` once the client has said all it wants; its watches go on.
    requests: Option<Streaming<pb::WatchRequest>>,
    control: WatchControl,
    messages: WatchMessages,
    answers: Answers,
    /// Why the stream ends, if it does before its client or its node.
    over: Option<Fault>,
    /// Ends when the leader is lost; never, if the client does not care.
    leaderless: BoxFuture<'static, ()>,
}

impl Stream {
    pub(super) fn new(
        (handle, place, sender): (Handle, (KeyspaceId, Option<RegionId>), Bearer),
        requests: Streaming<pb::WatchRequest>,
        requires_leader: bool,
        fragment_bytes: usize,
    ) -> Result<Self, Fault> {
        let (keyspace, region) = place;
        let (control, messages) = match region {
            Some(region) => handle.watch_region(keyspace, region)?,
            None => handle.watch(keyspace)?,
        };
        let leaderless = match requires_leader {
            true => leaderless(handle.clone(), keyspace, region).boxed(),
            false => pending().boxed(),
        };
        Ok(Self {
            changes: handle.auth_changes(),
            handle,
            keyspace,
            region,
            sender,
            requests: Some(requests),
            control,
            messages,
            answers: Answers::new(fragment_bytes),
            over: None,
            leaderless,
        })
    }

    /// What the client is sent, until it leaves, the node stops, or a leader it requires is lost.
    pub(super) fn responses(self) -> BoxStream<'static, Result<Frame, Status>> {
        // An error is the stream's last word.
        stream::unfold(Some(self), |state| async {
            let mut state = state?;
            let response = state.next().await?;
            let state = response.is_ok().then_some(state);
            Some((response, state))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Frame, Status>> {
        loop {
            if let Some(frame) = self.answers.ready.pop_front() {
                return Some(Ok(frame));
            }
            if let Some(fault) = self.over.take() {
                return Some(Err(error::status(&fault)));
            }
            tokio::select! {
                message = self.messages.next() => match message {
                    Some(message) => self.tell(message),
                    None => return Some(Err(error::status_of(Code::ShuttingDown))),
                },
                request = request(&mut self.requests), if !self.answers.holds_a_refusal() => match request {
                    Ok(Some(request)) => self.obey(order(request)).await,
                    Ok(None) => self.requests = None,
                    // The client is gone: there is nobody to tell.
                    Err(_) => return None,
                },
                () = self.changes.next() => self.review(),
                () = &mut self.leaderless => {
                    return Some(Err(error::status_of(Code::NoLeader)));
                }
            }
        }
    }

    /// Makes responses of a message and of those that wait behind it.
    fn tell(&mut self, first: WatchMessage) {
        // What rights have changed before these events goes before them.
        if !self.handle.auth_is_off() && self.changes.next().now_or_never().is_some() {
            self.review();
        }
        let header = self.header();
        self.answers.message(&header, first);
        while self.answers.ready.len() < TOGETHER
            && let Some(message) = self.messages.ready()
        {
            self.answers.message(&header, message);
        }
        if self.answers.wants_review() {
            self.review();
        }
    }

    fn header(&self) -> Header {
        match self.region {
            Some(region) => self.handle.region_header(self.keyspace, region),
            None => self.handle.header(self.keyspace),
        }
    }

    async fn obey(&mut self, order: Order) {
        let refused = match order {
            Order::Create { watch, fragment } => match self.create(watch, fragment).await {
                Ok(()) => return,
                Err(fault) => fault,
            },
            Order::Refuse(code) => code.into(),
            // Both come back as messages. What stops them, a stopping node or a client that asks
            // faster than it reads, ends or delays the stream anyway.
            Order::Cancel(id) => return drop(self.control.cancel(id)),
            Order::Progress => return drop(self.control.progress()),
            Order::Nothing => return,
        };
        let header = convert::header(&self.header());
        self.answers.refuse(header, &refused);
    }

    async fn create(&mut self, watch: WatchCreate, fragment: bool) -> Result<(), Fault> {
        let range = watch.range.clone();
        self.handle.caller(self.keyspace, &self.sender).permit_watch(&range).await?;
        self.control.create(watch)?;
        self.answers.asked(fragment, range);
        Ok(())
    }

    /// Ends the watches of what may not be read any more.
    fn review(&mut self) {
        let caller = self.handle.caller(self.keyspace, &self.sender);
        self.answers.review(|id, range| {
            let may = caller.permit_still(Demand::Range(range));
            // It comes back as a message. A client that reads so few of them that no more are taken would
            // not learn that its watches are over: then all of them are.
            if let Err(fault) = &may
                && self.control.cancel(id).is_err()
            {
                self.over = Some(fault.clone());
            }
            may
        });
    }
}

/// The next request; waits for ever once there will be none.
async fn request(
    requests: &mut Option<Streaming<pb::WatchRequest>>,
) -> Result<Option<pb::WatchRequest>, Status> {
    match requests {
        Some(requests) => requests.message().await,
        None => pending().await,
    }
}

/// Comes back when the keyspace, or its region, had no leader for longer than an election takes.
async fn leaderless(handle: Handle, keyspace: KeyspaceId, region: Option<RegionId>) {
    loop {
        match region {
            Some(region) => handle.region_leader_lost(keyspace, region).await,
            None => handle.leader_lost(keyspace).await,
        }
        sleep(LEADER_GRACE).await;
        let is_led = match region {
            Some(region) => handle.is_led(keyspace, region),
            None => handle.has_leader(keyspace),
        };
        if !is_led {
            return;
        }
    }
}
