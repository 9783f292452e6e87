//! Leases: keys that go when their owner stops renewing.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::lease_client::LeaseClient;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use types::Code;

use crate::call::{ANSWER_BYTES, Repeat};
use crate::{Client, Error};

/// A new lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Its number.
    pub id: i64,
    /// Seconds it lives without renewal; may be more than was asked for.
    pub ttl_seconds: i64,
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

impl Client {
    /// Makes a lease of `ttl_seconds`, with number `id` or, if that is 0, one the server chooses.
    ///
    /// # Errors
    /// The number is taken; the time is too long; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn grant_lease(&self, ttl_seconds: i64, id: i64) -> Result<Granted, Error> {
        let message = pb::LeaseGrantRequest { ttl: ttl_seconds, id };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            service(channel).lease_grant(request).await
        });
        let answer = answer.await?;
        Ok(Granted { id: answer.id, ttl_seconds: answer.ttl })
    }

    /// Ends a lease; its keys go with it.
    ///
    /// # Errors
    /// An unknown lease; no answer, and then perhaps [`Error::outcome_unknown`].
    pub async fn revoke_lease(&self, id: i64) -> Result<(), Error> {
        let message = pb::LeaseRevokeRequest { id };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            service(channel).lease_revoke(request).await
        });
        answer.await.map(drop)
    }

    /// Renews a lease once; answers the seconds it has from now.
    ///
    /// # Errors
    /// An unknown lease; no answer.
    pub async fn renew_lease(&self, id: i64) -> Result<i64, Error> {
        let message = pb::LeaseKeepAliveRequest { id };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            let request = request.map(|message| stream::iter([message]));
            let mut answers = service(channel).lease_keep_alive(request).await?.into_inner();
            let answer = answers.message().await?;
            answer.map(tonic::Response::new).ok_or_else(|| {
                tonic::Status::unavailable("the server ended the stream of renewals")
            })
        });
        match answer.await?.ttl {
            seconds if seconds > 0 => Ok(seconds),
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

    /// Renewals of a lease, made when the caller asks for the next.
    #[must_use]
    pub fn renewals(&self, id: i64) -> Renewals {
        Renewals { client: self.clone(), id, next: Instant::now(), ends: None }
    }

    /// Keeps a lease alive with a task of its own until what this answers is dropped. The keys'
    /// owner learns from [`KeptLease::lost`] that it is the owner no more.
    #[must_use]
    pub fn keep_lease(&self, id: i64) -> KeptLease {
        let mut renewals = self.renewals(id);
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
        KeptLease { task, lost }
    }
}

/// See [`Client::renewals`].
pub struct Renewals {
    client: Client,
    id: i64,
    /// When the next renewal is due.
    next: Instant,
    /// When the lease ends, counted from before the last renewal was sent: never later than the
    /// server thinks.
    ends: Option<Instant>,
}

impl Renewals {
    /// Renews when a third of the lease's time is over, the first time at once; answers the seconds it
    /// has then. May be dropped and called again.
    ///
    /// # Errors
    /// The lease is unknown, or ended before any server answered.
    pub async fn next(&mut self) -> Result<i64, Error> {
        sleep_until(self.next).await;
        loop {
            let asked = Instant::now();
            match self.client.renew_lease(self.id).await {
                Ok(seconds) => {
                    let ttl = Duration::from_secs(seconds.unsigned_abs().min(1 << 32));
                    self.next = asked + ttl / 3;
                    self.ends = Some(asked + ttl);
                    return Ok(seconds);
                }
                Err(error) if error.code() == Some(Code::LeaseNotFound) => return Err(error),
                // While the lease lives on, servers may come back.
                Err(error) => {
                    if self.ends.is_none_or(|ends| Instant::now() >= ends) {
                        return Err(error);
                    }
                    tokio::time::sleep(crate::call::back_off(2)).await;
                }
            }
        }
    }
}

/// A lease that is being kept alive; renewals end when this is dropped.
pub struct KeptLease {
    task: JoinHandle<()>,
    lost: oneshot::Receiver<Error>,
}

impl KeptLease {
    /// Answers when the lease is lost, with the reason.
    pub async fn lost(&mut self) -> Error {
        (&mut self.lost).await.unwrap_or(Error::Malformed("the renewing task was ended"))
    }
}

impl Drop for KeptLease {
    fn drop(&mut self) {
        self.task.abort();
    }
}
