//! Leases: keys that go when their owner stops renewing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::lease_client::LeaseClient;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use types::Code;

use crate::call::{ANSWER_BYTES, Repeat, back_off};
use crate::{Client, Error};

/// A renewal that is given less has no time for its way there and back.
const ATTEMPT: Duration = Duration::from_millis(100);

/// A new lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Its number.
    pub id: i64,
    /// Seconds it lives without renewal; may be more than was asked for.
    pub ttl_seconds: i64,
    /// Before it was asked for.
    asked: Instant,
}

/// What is left of a lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeToLive {
    /// Its number.
    pub id: i64,
    /// Seconds left.
    pub ttl_seconds: i64,
    /// Seconds it was granted for.
    pub granted_seconds: i64,
    /// The keys that live with it, if asked for.
    pub keys: Vec<Bytes>,
}

fn service(channel: tonic::transport::Channel) -> LeaseClient<tonic::transport::Channel> {
    LeaseClient::new(channel).max_decoding_message_size(ANSWER_BYTES)
}

fn unknown() -> Error {
    let message = "etcdserver: requested lease not found".to_owned();
    Error::Server { code: Code::LeaseNotFound, message }
}

/// When a request was last sent, of which there may be several attempts, one after the other; and how many
/// there were.
#[derive(Default)]
struct Asked(Mutex<(Option<Instant>, u32)>);

impl Asked {
    fn now(&self) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = (Some(Instant::now()), asked.1.saturating_add(1));
    }

    fn last(&self) -> Instant {
        let asked = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.0.unwrap_or_else(Instant::now)
    }

    fn is_once(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 <= 1
    }
}

impl Client {
    /// Makes a lease of `ttl_seconds`, with number `id` or, if that is 0, one the server chooses.
    ///
    /// # Errors
    /// The number is taken; the time is too long; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn grant_lease(&self, ttl_seconds: i64, id: i64) -> Result<Granted, Error> {
        self.grant(Repeat::IfNotDone, (ttl_seconds, id), &Asked::default()).await
    }

    /// Makes a lease with a number that nobody else thinks of: so it may be asked for again, and can be
    /// ended without an answer.
    ///
    /// # Errors
    /// As [`Self::grant_lease`].
    pub(crate) async fn grant_own_lease(
        &self,
        ttl_seconds: i64,
        id: i64,
    ) -> Result<Granted, Error> {
        let (began, asked) = (Instant::now(), Asked::default());
        match self.grant(Repeat::Always, (ttl_seconds, id), &asked).await {
            // It was made when it was asked for before. If it never was, it is another one's: of a machine
            // that is a copy of this one, say, which draws the same numbers.
            Err(error) if error.code() == Some(Code::LeaseExists) && !asked.is_once() => {
                Ok(Granted { id, ttl_seconds, asked: began })
            }
            granted => granted,
        }
    }

    async fn grant(
        &self,
        repeat: Repeat,
        (ttl, id): (i64, i64),
        asked: &Asked,
    ) -> Result<Granted, Error> {
        let message = pb::LeaseGrantRequest { ttl, id };
        let answer = self.call(repeat, message, |channel, request| {
            asked.now();
            async move { service(channel).lease_grant(request).await }
        });
        let answer = answer.await?;
        // Made by an earlier attempt, it would be there already.
        Ok(Granted { id: answer.id, ttl_seconds: answer.ttl, asked: asked.last() })
    }

    /// Ends a lease; its keys go with it.
    ///
    /// # Errors
    /// An unknown lease; no answer, and then perhaps [`Error::outcome_unknown`].
    pub async fn revoke_lease(&self, id: i64) -> Result<(), Error> {
        self.revoke(Repeat::IfNotDone, id).await
    }

    /// Ends a lease that nobody else cares for: that it has ended already is as good.
    ///
    /// # Errors
    /// No answer: then it ends when nobody renews it.
    pub(crate) async fn end_lease(&self, id: i64) -> Result<(), Error> {
        match self.revoke(Repeat::Always, id).await {
            Err(error) if error.code() == Some(Code::LeaseNotFound) => Ok(()),
            revoked => revoked,
        }
    }

    async fn revoke(&self, repeat: Repeat, id: i64) -> Result<(), Error> {
        let message = pb::LeaseRevokeRequest { id };
        let answer = self.call(repeat, message, |channel, request| async move {
            service(channel).lease_revoke(request).await
        });
        answer.await.map(drop)
    }

    /// Renews a lease once; answers the seconds it has from now.
    ///
    /// # Errors
    /// An unknown lease; no answer.
    pub async fn renew_lease(&self, id: i64) -> Result<i64, Error> {
        self.renew(id).await.map(|(seconds, _)| seconds)
    }

    /// As [`Self::renew_lease`]; answers also a time before which it was not renewed.
    async fn renew(&self, id: i64) -> Result<(i64, Instant), Error> {
        let message = pb::LeaseKeepAliveRequest { id };
        let asked = Asked::default();
        let answer = self.call(Repeat::Always, message, |channel, request| {
            asked.now();
            async move {
                let request = request.map(|message| stream::iter([message]));
                let mut answers = service(channel).lease_keep_alive(request).await?.into_inner();
                let answer = answers.message().await?;
                answer.map(tonic::Response::new).ok_or_else(|| {
                    tonic::Status::unavailable("the server ended the stream of renewals")
                })
            }
        });
        match answer.await?.ttl {
            seconds if seconds > 0 => Ok((seconds, asked.last())),
            _ => Err(unknown()),
        }
    }

    /// What is left of a lease and, with `keys`, which keys live with it.
    ///
    /// # Errors
    /// An unknown lease; no answer.
    pub async fn lease_time_to_live(&self, id: i64, keys: bool) -> Result<TimeToLive, Error> {
        let message = pb::LeaseTimeToLiveRequest { id, keys };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).lease_time_to_live(request).await
        });
        let answer = answer.await?;
        if answer.ttl < 0 {
            return Err(unknown());
        }
        Ok(TimeToLive {
            id: answer.id,
            ttl_seconds: answer.ttl,
            granted_seconds: answer.granted_ttl,
            keys: answer.keys,
        })
    }

    /// The numbers of all leases.
    ///
    /// # Errors
    /// No answer.
    pub async fn leases(&self) -> Result<Vec<i64>, Error> {
        let message = pb::LeaseLeasesRequest {};
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).lease_leases(request).await
        });
        Ok(answer.await?.leases.into_iter().map(|lease| lease.id).collect())
    }

    /// Renewals of a lease, made when the caller asks for the next. How long it lives shows with the first
    /// of them, which has no end but that of a request.
    #[must_use]
    pub fn renewals(&self, id: i64) -> Renewals {
        Renewals { client: self.clone(), id, next: Instant::now(), lives: None }
    }

    /// Keeps a lease alive with a task of its own until what this answers is dropped. The keys'
    /// owner learns from [`KeptLease::lost`] that it is the owner no more. Of a lease that this client
    /// asked for, [`Self::keep_granted`] knows more.
    #[must_use]
    pub fn keep_lease(&self, id: i64) -> KeptLease {
        KeptLease::new(self.renewals(id))
    }

    /// As [`Self::keep_lease`], of a lease that was just granted: it is lost, too, when the time it was
    /// granted for is over before its first renewal has an answer.
    #[must_use]
    pub fn keep_granted(&self, granted: &Granted) -> KeptLease {
        let mut renewals = self.renewals(granted.id);
        renewals.lives(granted.asked, granted.ttl_seconds);
        KeptLease::new(renewals)
    }
}

/// See [`Client::renewals`].
pub struct Renewals {
    client: Client,
    id: i64,
    /// When the next renewal is due.
    next: Instant,
    /// When the lease ends, counted from before it was last asked to live on: never later than the
    /// server thinks. And for how long it was.
    lives: Option<(Instant, Duration)>,
}

impl Renewals {
    /// Renews when a third of the lease's time is over, of a lease whose time is not known at once;
    /// answers the seconds it has then. May be dropped and called again.
    ///
    /// # Errors
    /// The lease is unknown, or ended before any server answered: this is told then, whatever a server
    /// is still being asked.
    pub async fn next(&mut self) -> Result<i64, Error> {
        sleep_until(self.next).await;
        let mut last = None;
        loop {
            match self.renew().await {
                Some(Ok((seconds, asked))) => {
                    self.lives(asked, seconds);
                    return Ok(seconds);
                }
                Some(Err(error)) if error.code() == Some(Code::LeaseNotFound) => return Err(error),
                Some(Err(error)) if self.lives.is_none() => return Err(error),
                Some(Err(error)) => last = Some(Box::new(error)),
                None => {}
            }
            // While the lease lives on, servers may come back.
            let (ends, after) = self.lives.unwrap_or((Instant::now(), Duration::ZERO));
            sleep_until(ends.min(Instant::now() + back_off(2))).await;
            if Instant::now() >= ends {
                return Err(Error::TimedOut { after, outcome_unknown: false, last });
            }
        }
    }

    /// Asks for more time, for no longer than there is. A server that does not answer gets half of it, if
    /// there are others. `None`: it gave none.
    async fn renew(&self) -> Option<Result<(i64, Instant), Error>> {
        let Some((ends, _)) = self.lives else { return Some(self.client.renew(self.id).await) };
        let now = Instant::now();
        let endpoints = &self.client.shared.endpoints;
        let until = match endpoints.len() {
            1 => ends,
            _ => ends.min(now + ATTEMPT.max(ends.saturating_duration_since(now) / 2)),
        };
        let (place, ..) = endpoints.current();
        let renewed = timeout_at(until, self.client.renew(self.id)).await.ok();
        if renewed.is_none() {
            endpoints.leave(place);
        }
        renewed
    }

    /// It was asked at `asked` to live for so long from then on, and it was granted.
    fn lives(&mut self, asked: Instant, seconds: i64) {
        let ttl = Duration::from_secs(seconds.unsigned_abs().min(1 << 32));
        self.next = asked + ttl / 3;
        self.lives = Some((asked + ttl, ttl));
    }
}

/// A lease that is being kept alive; renewals end when this is dropped.
pub struct KeptLease {
    task: JoinHandle<()>,
    /// Until it was told.
    lost: Option<oneshot::Receiver<Error>>,
}

impl KeptLease {
    fn new(mut renewals: Renewals) -> Self {
        let (tell, lost) = oneshot::channel();
        let task = tokio::spawn(async move {
            let error = loop {
                if let Err(error) = renewals.next().await {
                    break error;
                }
            };
            // Nobody has to listen.
            drop(tell.send(error));
        });
        Self { task, lost: Some(lost) }
    }

    /// Answers when the lease is lost, with the reason; if asked again, that it is.
    pub async fn lost(&mut self) -> Error {
        let Some(lost) = &mut self.lost else { return unknown() };
        let error = lost.await.unwrap_or(Error::Malformed("the renewing task was ended"));
        self.lost = None;
        error
    }
}

impl Drop for KeptLease {
    fn drop(&mut self) {
        self.task.abort();
    }
}
