//! Watches that outlive the servers they are on.

use futures::stream::{self, Stream};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_create_request::FilterType;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::mvccpb::event::EventType;
use proto::mvccpb::{Event, KeyValue};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::metadata::MetadataValue;
use types::Code;

use bytes::Bytes;

use crate::call::{ANSWER_BYTES, back_off};
use crate::login::{Proof, token_of};
use crate::{Client, Error, Span, kv};

/// What to watch.
#[derive(Clone, PartialEq, Debug)]
pub struct Watch(pb::WatchCreateRequest);

impl Watch {
    /// The keys of `span`, from now on.
    #[must_use]
    pub fn span(span: Span) -> Self {
        Self(pb::WatchCreateRequest { key: span.key, range_end: span.end, ..Default::default() })
    }

    /// One key, from now on.
    pub fn key(key: impl Into<Bytes>) -> Self {
        Self::span(Span::key(key))
    }

    /// All keys that begin with `prefix`, from now on.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        Self::span(Span::prefix(prefix))
    }

    /// The first revision wanted; 0 for from now on.
    #[must_use]
    pub fn from_revision(mut self, revision: i64) -> Self {
        self.0.start_revision = revision;
        self
    }

    /// Tell the records as they were before, too.
    #[must_use]
    pub fn previous(mut self) -> Self {
        self.0.prev_kv = true;
        self
    }

    /// Tell how far the watch is when nothing happens for long.
    #[must_use]
    pub fn progress(mut self) -> Self {
        self.0.progress_notify = true;
        self
    }

    /// Leave puts out.
    #[must_use]
    pub fn no_puts(mut self) -> Self {
        self.0.filters.push(FilterType::Noput.into());
        self
    }

    /// Leave deletes out.
    #[must_use]
    pub fn no_deletes(mut self) -> Self {
        self.0.filters.push(FilterType::Nodelete.into());
        self
    }
}

/// What happened to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// It was written.
    Put,
    /// It was removed.
    Delete,
}

/// One change of one key.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The record after it; of a delete, key and revision only.
    pub kv: KeyValue,
    /// The record before it, if asked for, there, and not compacted away.
    pub previous: Option<KeyValue>,
}

/// Changes of one or more whole revisions, in order. Empty when only progress is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Changes {
    /// Every change up to this revision was told.
    pub revision: i64,
    /// The changes.
    pub changes: Vec<Change>,
}

/// A running watch. When its server goes away it goes on at another one, from the revision after the
/// last one told: nothing is left out and nothing told twice.
pub struct Watcher {
    client: Client,
    request: pb::WatchCreateRequest,
    connection: Option<Connection>,
    /// Failures since the last answer.
    failures: u32,
    /// What it was last asked for with, if it was asked for in a user's name.
    token: Option<Proof>,
    /// Whether that was a new one, because the one before was not taken.
    logged_in_anew: bool,
}

struct Connection {
    place: usize,
    endpoint: String,
    responses: Streaming<pb::WatchResponse>,
    /// The server ends the stream's watches when this is dropped.
    _requests: mpsc::Sender<pb::WatchRequest>,
}

impl Client {
    /// Begins to watch; answers when the server has begun.
    ///
    /// # Errors
    /// An unknown keyspace; an empty span; no answer. That the first revision wanted is compacted is
    /// told by [`Watcher::next`].
    pub async fn watch(&self, watch: Watch) -> Result<Watcher, Error> {
        let mut watcher = Watcher {
            client: self.clone(),
            request: watch.0,
            connection: None,
            failures: 0,
            token: None,
            logged_in_anew: false,
        };
        let options = &self.shared.options;
        let all = u32::try_from(self.shared.endpoints.len()).unwrap_or(u32::MAX);
        let deadline = Instant::now() + options.timeout;
        loop {
            let error = match watcher.connect().await {
                Ok(()) => return Ok(watcher),
                Err(error) => error,
            };
            if watcher.logs_in_anew(&error).await {
                continue;
            }
            let round = watcher.failures / all;
            let enough = options.rounds > 0 && round >= options.rounds;
            if enough || !passes(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            watcher.rest().await;
        }
    }
}

/// Whether the watch may go on elsewhere or later.
pub(crate) fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Interrupted { .. } | Error::TimedOut { .. } => true,
        Error::Server { code, .. } => matches!(
            code,
            Code::NoLeader
                | Code::NotLeader
                | Code::LeaderChanged
                | Code::Timeout
                | Code::ShuttingDown
                | Code::RegionNotFound
                | Code::EpochMismatch
                | Code::TooManyRequests
        ),
        Error::Status { grpc, .. } => *grpc == tonic::Code::Unavailable,
        _ => false,
    }
}

impl Watcher {
    /// The next changes. May be dropped and called again; nothing is lost by it.
    ///
    /// # Errors
    /// [`Error::Compacted`], or another reason for which the watch cannot go on. Servers that are
    /// away are none: they are waited for.
    pub async fn next(&mut self) -> Result<Changes, Error> {
        loop {
            match self.step().await {
                Ok(Some(changes)) => return Ok(changes),
                Ok(None) => {}
                Err(error) if passes(&error) => self.rest().await,
                Err(error) if self.logs_in_anew(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether it is to be asked for once more, because only the token was wrong.
    async fn logs_in_anew(&mut self, error: &Error) -> bool {
        if self.logged_in_anew {
            return false;
        }
        self.logged_in_anew = self.client.logs_in_anew(error, self.token.as_ref()).await;
        self.logged_in_anew
    }

    /// As a stream; its first error is its end.
    pub fn into_stream(self) -> impl Stream<Item = Result<Changes, Error>> {
        stream::unfold(Some(self), |watcher| async {
            let mut watcher = watcher?;
            let next = watcher.next().await;
            let watcher = next.is_ok().then_some(watcher);
            Some((next, watcher))
        })
    }

    /// One answer of the server, or a new connection to one.
    async fn step(&mut self) -> Result<Option<Changes>, Error> {
        let Some(connection) = &mut self.connection else {
            self.connect().await?;
            return Ok(None);
        };
        let endpoint = connection.endpoint.as_str();
        let response = match connection.responses.message().await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(interrupted(endpoint)),
            Err(status) => Err(Error::of_call(endpoint, &status)),
        };
        let told = response.and_then(|response| self.take(response));
        if told.is_err() {
            self.leave();
        } else {
            self.failures = 0;
            self.logged_in_anew = false;
        }
        told
    }

    /// Leaves the server for the next one.
    fn leave(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if let Some(connection) = self.connection.take() {
            self.client.shared.endpoints.leave(connection.place);
        }
    }

    /// Waits once all servers failed.
    async fn rest(&self) {
        let all = u32::try_from(self.client.shared.endpoints.len()).unwrap_or(u32::MAX);
        if self.failures >= all {
            sleep(back_off(self.failures / all)).await;
        }
    }

    fn take(&mut self, response: pb::WatchResponse) -> Result<Option<Changes>, Error> {
        let revision = kv::revision(response.header.as_ref());
        if response.canceled {
            return Err(ended(&response));
        }
        if response.created {
            // Whatever comes next is newer; after a new connection it must begin there.
            if self.request.start_revision == 0 {
                self.request.start_revision = revision + 1;
            }
            return Ok(None);
        }
        let told_before = self.request.start_revision;
        let changes: Vec<Change> = response
            .events
            .into_iter()
            .map(change)
            .filter(|change| change.kv.mod_revision >= told_before)
            .collect();
        let newest = changes.last().map_or(revision, |change| change.kv.mod_revision);
        self.request.start_revision = told_before.max(newest + 1);
        Ok(Some(Changes { revision: self.request.start_revision - 1, changes }))
    }

    /// Opens the watch where the last one ended.
    async fn connect(&mut self) -> Result<(), Error> {
        let client = self.client.clone();
        let (place, endpoint, channel) = client.shared.endpoints.current();
        let after = client.shared.options.timeout / 3;
        let created = timeout(after, self.open(place, endpoint, channel)).await;
        let created = created
            .unwrap_or_else(|_| Err(Error::TimedOut { after, outcome_unknown: false, last: None }));
        let connected = created.and_then(|(connection, first)| {
            self.take(first)?;
            self.connection = Some(connection);
            // The token is taken: where that is all for a while, the next one is to be asked for again.
            self.logged_in_anew = false;
            Ok(())
        });
        if connected.is_err() {
            self.failures = self.failures.saturating_add(1);
            client.shared.endpoints.leave(place);
        }
        connected
    }

    async fn open(
        &mut self,
        place: usize,
        endpoint: &str,
        channel: tonic::transport::Channel,
    ) -> Result<(Connection, pb::WatchResponse), Error> {
        let (requests, receiver) = mpsc::channel(1);
        let create = pb::WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(self.request.clone())),
        };
        // There is room for one, and its receiver is here.
        drop(requests.try_send(create));
        let failed = |status| Error::of_call(endpoint, &status);
        let orders = ReceiverStream::new(receiver);
        let mut request = self.client.named(&channel, orders).await.map_err(failed)?;
        self.token = token_of(&request);
        // A server cut off from the others is left for one that hears of changes.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let mut service = WatchClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
        let mut responses = service.watch(request).await.map_err(failed)?.into_inner();
        match responses.message().await.map_err(failed)? {
            Some(first) => {
                let endpoint = endpoint.to_owned();
                Ok((Connection { place, endpoint, responses, _requests: requests }, first))
            }
            None => Err(interrupted(endpoint)),
        }
    }
}

pub(crate) fn interrupted(endpoint: &str) -> Error {
    let reason = "the server ended the stream".to_owned();
    Error::Interrupted { endpoint: endpoint.to_owned(), reason }
}

pub(crate) fn ended(response: &pb::WatchResponse) -> Error {
    match response.cancel_reason.as_str() {
        _ if response.compact_revision > 0 => {
            Error::Compacted { oldest: response.compact_revision }
        }
        "" => interrupted("the server"),
        reason => Error::of_reason(reason),
    }
}

pub(crate) fn change(event: Event) -> Change {
    let kind = match event.r#type() {
        EventType::Put => ChangeKind::Put,
        EventType::Delete => ChangeKind::Delete,
    };
    Change { kind, kv: event.kv.unwrap_or_default(), previous: event.prev_kv }
}
