//! The stream to a member that the clients of a line share.

use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::lease_client::LeaseClient;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Request, Status, Streaming};

use super::line::{Line, State};
use super::lines::Lines;
use crate::members::{Channel, Members};

/// Renewals that wait to be sent.
const AHEAD: usize = 64;
/// How long a member may take to take a token.
const OPEN: Duration = Duration::from_secs(2);
/// The pause after all members were tried, and how long clients are kept while none answers: leases are
/// short, and clients with another gateway are better off there.
const AGAIN: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(3);

/// What the stream is for.
pub(super) struct Upstream {
    pub(super) line: Arc<Line>,
    pub(super) lines: Arc<Lines>,
    pub(super) members: Arc<Members>,
}

/// Why a stream ended.
enum End {
    /// Nobody wants it any more.
    Left,
    /// The member is gone, or somebody else may know better.
    Lost(Status),
    /// It refuses something that was asked on the stream.
    Refused(Status),
}

struct Link {
    out: mpsc::Sender<pb::LeaseKeepAliveRequest>,
    told: Streaming<pb::LeaseKeepAliveResponse>,
}

impl Upstream {
    /// Keeps a stream to some member for as long as anybody wants something.
    pub(super) async fn run(self) {
        let over = self.keep().await;
        self.lines.forget(&self.line);
        self.line.state.send_replace(State::Over(over));
    }

    async fn keep(&self) -> Status {
        // Since when nothing is answered that was asked.
        let mut failing = None;
        loop {
            let mut last = None;
            for member in self.members.order(self.line.number) {
                if self.line.is_left() {
                    return Status::cancelled("hiraeth: nobody is left");
                }
                let link = match self.open(&Channel(member)).await {
                    Ok(link) => link,
                    // Nothing was asked yet: it is about the token, or the keyspace.
                    Err(End::Refused(status)) => return status,
                    Err(End::Lost(status)) => {
                        last = Some(status);
                        continue;
                    }
                    Err(End::Left) => continue,
                };
                self.line.state.send_replace(State::Connected);
                if !self.line.is_ready() {
                    failing = None;
                }
                let end = self.serve(link, &mut failing).await;
                match end {
                    End::Left => return Status::cancelled("hiraeth: nobody is left"),
                    End::Refused(status) => self.line.disconnected(Some(&status)),
                    End::Lost(status) => {
                        self.line.disconnected(None);
                        last = Some(status);
                    }
                }
            }
            let since = *failing.get_or_insert_with(Instant::now);
            if since.elapsed() > PATIENCE {
                let unreached = || Status::unavailable(self.members.unreached());
                return last.unwrap_or_else(unreached);
            }
            sleep(AGAIN).await;
        }
    }

    async fn open(&self, member: &Channel) -> Result<Link, End> {
        let (out, mut renewals) = mpsc::channel(AHEAD);
        let renewals = stream::poll_fn(move |context| renewals.poll_recv(context));
        let mut request = Request::new(renewals);
        request.metadata_mut().as_mut().extend(self.line.metadata.clone());
        let mut client = LeaseClient::new(member.clone());
        match timeout(OPEN, client.lease_keep_alive(request)).await {
            Ok(Ok(told)) => Ok(Link { out, told: told.into_inner() }),
            Ok(Err(status)) => Err(end_of(status)),
            Err(_) => Err(End::Lost(Status::unavailable(self.members.unreached()))),
        }
    }

    async fn serve(&self, mut link: Link, failing: &mut Option<Instant>) -> End {
        loop {
            if self.line.is_left() {
                return End::Left;
            }
            let is_ready = self.line.is_ready();
            tokio::select! {
                told = link.told.message() => match told {
                    Ok(Some(response)) => {
                        *failing = None;
                        self.line.hear(response);
                    }
                    Ok(None) => return End::Lost(Status::unavailable(crate::words::LOST)),
                    Err(status) => return end_of(status),
                },
                permit = link.out.reserve(), if is_ready => match permit {
                    Ok(permit) => if let Some(renewal) = self.line.next() {
                        permit.send(renewal);
                    },
                    Err(_) => return End::Lost(Status::unavailable(crate::words::LOST)),
                },
                () = self.line.bell.notified() => {}
            }
        }
    }
}

/// Whether it may be otherwise elsewhere or later.
fn end_of(status: Status) -> End {
    match status.code() {
        Code::Unavailable
        | Code::Unknown
        | Code::Internal
        | Code::Cancelled
        | Code::DeadlineExceeded => End::Lost(status),
        _ => End::Refused(status),
    }
}
