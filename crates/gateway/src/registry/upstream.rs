//! The stream to a member that all clients with one token share.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream;
use hyper::header::HeaderValue;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::registry_client::RegistryClient;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tonic::{Code, Request, Status, Streaming};

use super::hub::{Hub, State};
use super::hubs::Hubs;
use crate::members::{Channel, Members};

/// Messages that wait to be sent.
const AHEAD: usize = 16;
/// How long a member may take to take a token.
const OPEN: Duration = Duration::from_secs(2);
/// The pause after all members were tried, and how long clients are kept while none is reached: then they
/// look for another gateway.
const AGAIN: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether a client knows more than is known here.
const LOOK: Duration = Duration::from_secs(1);
/// The longest answer: everything of a large service.
const ANSWER_BYTES: usize = 256 << 20;

/// What the stream is for.
pub(super) struct Upstream {
    pub(super) hub: Arc<Hub>,
    pub(super) hubs: Arc<Hubs>,
    pub(super) members: Arc<Members>,
    /// What members are told of who this is.
    pub(super) label: String,
}

/// Why a stream ended.
enum End {
    /// Nobody wants it any more.
    Left,
    /// The member is gone, or somebody else may know better.
    Lost,
    /// It is as it is, whoever is asked.
    Refused(Status),
}

struct Link {
    out: mpsc::Sender<pb::OpenRequest>,
    told: Streaming<pb::OpenResponse>,
}

impl Upstream {
    /// Keeps a stream to some member for as long as anybody wants something.
    pub(super) async fn run(self) {
        let over = self.keep().await;
        self.hubs.forget(&self.hub);
        self.hub.disconnected();
        self.hub.unreached(over.message());
        self.hub.state.send_replace(State::Over(over));
    }

    async fn keep(&self) -> Status {
        let mut reached = Instant::now();
        while !self.hub.is_left() {
            for member in self.members.order(self.hub.number) {
                let opened = self.open(&Channel(Arc::clone(&member))).await;
                let end = match opened {
                    Ok(link) => {
                        self.hub.connected();
                        let end = self.serve(link).await;
                        self.hub.disconnected();
                        reached = Instant::now();
                        end
                    }
                    Err(end) => end,
                };
                match end {
                    End::Left => return Status::cancelled("hiraeth: nobody is left"),
                    End::Refused(status) => return status,
                    End::Lost => {}
                }
            }
            let why = self.members.unreached();
            if reached.elapsed() > PATIENCE {
                return Status::unavailable(why);
            }
            self.hub.unreached(&why);
            sleep(AGAIN).await;
        }
        Status::cancelled("hiraeth: nobody is left")
    }

    async fn open(&self, member: &Channel) -> Result<Link, End> {
        let (out, mut messages) = mpsc::channel(AHEAD);
        let messages = stream::poll_fn(move |context| messages.poll_recv(context));
        let mut request = Request::new(messages);
        let metadata = request.metadata_mut().as_mut();
        if let Some(token) = &self.hub.token {
            metadata.insert("token", token.clone());
        }
        if let Ok(label) = HeaderValue::from_str(&self.label) {
            metadata.insert("hiraeth-client", label);
        }
        let mut client =
            RegistryClient::new(member.clone()).max_decoding_message_size(ANSWER_BYTES);
        match timeout(OPEN, client.open(request)).await {
            Ok(Ok(told)) => Ok(Link { out, told: told.into_inner() }),
            Ok(Err(status)) => Err(end_of(status)),
            Err(_) => Err(End::Lost),
        }
    }

    async fn serve(&self, mut link: Link) -> End {
        let mut look = interval(LOOK);
        loop {
            if self.hub.is_left() {
                return End::Left;
            }
            let ready_at = self.hub.ready_at();
            let ready = async {
                match ready_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
                // A member that takes nothing is still heard.
                link.out.reserve().await
            };
            tokio::select! {
                told = link.told.message() => match told {
                    Ok(Some(response)) => if let Some(tell) = response.tell {
                        self.hub.hear(tell);
                    },
                    Ok(None) => return End::Lost,
                    Err(status) => return end_of(status),
                },
                ready = ready => match ready {
                    Ok(permit) => if let Some(ask) = self.hub.next(Instant::now()) {
                        if matches!(ask, Ask::Beats(_)) {
                            self.hubs.meters.messages.fetch_add(1, Ordering::Relaxed);
                        }
                        permit.send(pb::OpenRequest { ask: Some(ask) });
                    },
                    Err(_) => return End::Lost,
                },
                () = self.hub.bell.notified() => {}
                _ = look.tick() => {
                    if self.hub.is_stuck() {
                        return End::Lost;
                    }
                    self.hub.catch_up();
                }
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
        | Code::DeadlineExceeded => End::Lost,
        _ => End::Refused(status),
    }
}
