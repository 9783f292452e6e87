//! One client's stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::stream::{self, BoxStream, StreamExt};
use proto::etcdserverpb as pb;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::line::{Mailbox, State};
use super::lines::Joined;

/// What a client renews, and what it is told.
pub(super) struct Session {
    joined: Joined,
    state: watch::Receiver<State>,
    /// `None` once the client has said all it wants.
    requests: Option<Streaming<pb::LeaseKeepAliveRequest>>,
    mailbox: Arc<Mailbox>,
}

type Answer = Result<pb::LeaseKeepAliveResponse, Status>;

impl Session {
    pub(super) fn new(joined: Joined, requests: Streaming<pb::LeaseKeepAliveRequest>) -> Self {
        let state = joined.line.state.subscribe();
        Self { joined, state, requests: Some(requests), mailbox: Arc::default() }
    }

    /// What the client is told, until it has said all it wants, leaves, or no member serves it.
    pub(super) fn responses(self) -> BoxStream<'static, Answer> {
        // An error is the stream's last word.
        stream::unfold(Some(self), |session| async {
            let mut session = session?;
            let response = session.next().await?;
            let session = response.is_ok().then_some(session);
            Some((response, session))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.mailbox.take() {
                return Some(answer);
            }
            if self.requests.is_none() && self.mailbox.is_done() {
                return None;
            }
            tokio::select! {
                () = self.mailbox.bell.notified() => {}
                status = over(&mut self.state) => return status.map(Err),
                request = request(&mut self.requests), if self.mailbox.has_room() => match request {
                    Ok(Some(request)) => {
                        self.joined.lines.renewals.fetch_add(1, Ordering::Relaxed);
                        self.joined.line.renew(&self.mailbox, request.id);
                    }
                    Ok(None) => self.requests = None,
                    // The client is gone: there is nobody to tell.
                    Err(_) => return None,
                },
            }
        }
    }
}

/// What ends all of a line's streams, once something does.
async fn over(state: &mut watch::Receiver<State>) -> Option<Status> {
    let over = state.wait_for(|state| matches!(state, State::Over(_))).await;
    match over.as_deref() {
        Ok(State::Over(status)) => Some(status.clone()),
        _ => None,
    }
}

/// The next request; never, once there are no more.
async fn request(
    requests: &mut Option<Streaming<pb::LeaseKeepAliveRequest>>,
) -> Result<Option<pb::LeaseKeepAliveRequest>, Status> {
    match requests {
        Some(requests) => requests.message().await,
        None => std::future::pending().await,
    }
}
