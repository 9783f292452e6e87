//! One request, tried until it has an answer or trying again is not safe or not worth it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use types::Code;

use crate::direct::Headed;
use crate::login::token_of;
use crate::number::{Number, Open};
use crate::{Age, Client, Error, Read};

/// Bytes of an answer at most: what gRPC can frame. Ranges without a limit have large answers.
pub(crate) const ANSWER_BYTES: usize = i32::MAX as usize;
/// The wait after all endpoints failed once; doubled with every round up to [`BACK_OFF_MAX`].
const BACK_OFF: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// What may be done when an answer is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Repeat {
    /// Ask again: it changes nothing, or the same thing once more.
    Always,
    /// Ask again only if the request was certainly not carried out.
    IfNotDone,
    /// Ask again under the same number: it is carried out once.
    Once(Number),
}

impl Repeat {
    /// Says which number it is; `again` if it was sent before.
    fn say(self, metadata: &mut MetadataMap, again: bool) {
        if let Self::Once(number) = self {
            number.say(metadata, again);
        }
    }

    /// Whether what becomes of a write is unknown when its answer is missing.
    fn is_write(self) -> bool {
        !matches!(self, Self::Always)
    }
}

/// Whether the request may have been carried out, or may be yet.
fn is_unknown(error: &Error) -> bool {
    match error {
        Error::Interrupted { .. } | Error::TimedOut { .. } => true,
        Error::Server { code, .. } => {
            matches!(code, Code::Timeout | Code::LeaderChanged | Code::ShuttingDown)
        }
        Error::Status { grpc, .. } => *grpc == tonic::Code::Unavailable,
        _ => false,
    }
}

/// Whether this is what a write itself came to. Any other error of a later attempt says nothing of an
/// earlier one: it was refused before it came to the log, or nobody knows.
fn is_outcome(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(
            Code::InvalidArgument
                | Code::EmptyKey
                | Code::ValueProvided
                | Code::LeaseProvided
                | Code::KeyNotFound
                | Code::DuplicateKey
                | Code::TooManyOperations
                | Code::InvalidSortOption
                | Code::Compacted
                | Code::FutureRevision
                | Code::RequestTooLarge
                | Code::LeaseNotFound
        )
    )
}

/// Whether a request that ended like this is put again.
fn again(repeat: Repeat, error: &Error) -> bool {
    match (error, repeat) {
        (Error::Unreachable { .. }, _) => true,
        (Error::Server { code: Code::NotLeader | Code::EpochMismatch, .. }, _) => true,
        (Error::Interrupted { .. } | Error::TimedOut { .. }, Repeat::Always | Repeat::Once(_)) => {
            true
        }
        (Error::Server { code, .. }, Repeat::Always | Repeat::Once(_)) => matches!(
            code,
            Code::NoLeader
                | Code::LeaderChanged
                | Code::Timeout
                | Code::ShuttingDown
                | Code::RegionNotFound
                | Code::TooStale
        ),
        (Error::Status { grpc, .. }, Repeat::Always | Repeat::Once(_)) => {
            *grpc == tonic::Code::Unavailable
        }
        _ => false,
    }
}

/// The wait after round `round`, somewhat random so that clients do not come in step.
pub(crate) fn back_off(round: u32) -> Duration {
    let full = BACK_OFF.saturating_mul(1 << round.min(8)).min(BACK_OFF_MAX);
    let random = (RandomState::new().build_hasher().finish() % 1000) as u32;
    full / 2 + full * random / 2000
}

/// How far trying has come.
#[derive(Default)]
struct Attempts {
    made: u32,
    /// What went wrong with each endpoint at last.
    tried: BTreeMap<String, String>,
    /// The last failure that is more than "unreachable" or "too slow".
    told: Option<Error>,
    too_slow: bool,
    /// A numbered write may have been carried out.
    unknown: bool,
}

impl Attempts {
    fn note(&mut self, endpoint: &str, error: Error) {
        self.made = self.made.saturating_add(1);
        match error {
            Error::Unreachable { tried } => self.tried.extend(tried),
            Error::TimedOut { .. } => self.too_slow = true,
            error => {
                self.tried.insert(endpoint.to_owned(), error.to_string());
                self.told = Some(error);
            }
        }
    }

    /// What to tell of all of them.
    fn give_up(self, after: Duration) -> Error {
        match self.told {
            last if self.unknown => {
                Error::TimedOut { after, outcome_unknown: true, last: last.map(Box::new) }
            }
            Some(told) if !self.too_slow => told,
            None if !self.too_slow => {
                Error::Unreachable { tried: self.tried.into_iter().collect() }
            }
            last => Error::TimedOut { after, outcome_unknown: false, last: last.map(Box::new) },
        }
    }
}

impl Client {
    /// How a write may be repeated: under a number, which is open as long as the other lives, if writes
    /// have one.
    pub(crate) async fn write_repeat(&self) -> (Repeat, Option<Open<'_>>) {
        let options = &self.shared.options;
        if !options.exactly_once {
            return (Repeat::IfNotDone, None);
        }
        let open = self.shared.numbers.next(options.keyspace.as_ref()).await;
        (Repeat::Once(open.number), Some(open))
    }

    /// Sends `message` with `send`, to one endpoint after the other if need be.
    pub(crate) async fn call<M, A, S, F>(
        &self,
        repeat: Repeat,
        message: M,
        send: S,
    ) -> Result<A, Error>
    where
        M: Clone,
        S: Fn(Channel, Request<M>) -> F,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.read(repeat, Read::Linearizable, message, send).await.map(|(answer, _)| answer)
    }

    /// As [`Self::call`], about a key.
    pub(crate) async fn call_at<M, A, S, F>(
        &self,
        key: &Bytes,
        repeat: Repeat,
        message: M,
        send: S,
    ) -> Result<A, Error>
    where
        M: Clone,
        A: Headed,
        S: Fn(Channel, Request<M>) -> F,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let answer = self.read_at(key, repeat, Read::Linearizable, message, send);
        answer.await.map(|(answer, _)| answer)
    }

    /// As [`Self::read`], about a key: asks the node that leads its region, if the client does that, and the
    /// others if that fails.
    pub(crate) async fn read_at<M, A, S, F>(
        &self,
        key: &Bytes,
        repeat: Repeat,
        read: Read,
        message: M,
        send: S,
    ) -> Result<(A, Option<Age>), Error>
    where
        M: Clone,
        A: Headed,
        S: Fn(Channel, Request<M>) -> F,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let led = match read {
            Read::Linearizable | Read::Lease => self.led_at(key).await,
            Read::Follower | Read::Stale | Read::StaleWithin(_) => None,
        };
        let Some((node, endpoint, channel)) = led else {
            return self.read(repeat, read, message, send).await;
        };
        let deadline = Instant::now() + self.shared.options.timeout;
        let sent = async {
            let request = self.named(&channel, message.clone()).await;
            let mut request = request.map_err(|status| (false, status))?;
            read.say(request.metadata_mut());
            repeat.say(request.metadata_mut(), false);
            send(channel, request).await.map_err(|status| (true, status))
        };
        let until = match repeat {
            Repeat::IfNotDone => deadline,
            _ => deadline.min(Instant::now() + self.shared.options.timeout / 3),
        };
        let (asked, error) = match timeout_at(until, sent).await {
            Ok(Ok(answer)) => {
                let age = Age::told(answer.metadata());
                let answer = answer.into_inner();
                self.shared.routes.map().heard(key, answer.term());
                return Ok((answer, age));
            }
            Ok(Err((asked, status))) => (asked, Error::of_call(&endpoint, &status)),
            Err(_) => {
                let (after, outcome_unknown) = (self.shared.options.timeout, repeat.is_write());
                (true, Error::TimedOut { after, outcome_unknown, last: None })
            }
        };
        if again(Repeat::Always, &error) {
            self.shared.routes.map().avoid(key, node);
        }
        // What the others would answer alike is answered here.
        let is_token = matches!(error.code(), Some(Code::InvalidAuthToken | Code::UserEmpty));
        if !asked || is_token || again(repeat, &error) {
            let is_numbered = matches!(repeat, Repeat::Once(_));
            let unknown = asked && is_numbered && is_unknown(&error);
            let attempts = Attempts { unknown, ..Attempts::default() };
            return self.go_on(attempts, repeat, read, message, send).await;
        }
        Err(error)
    }

    /// As [`Self::call`], for an answer of a certain freshness, which says its age.
    pub(crate) async fn read<M, A, S, F>(
        &self,
        repeat: Repeat,
        read: Read,
        message: M,
        send: S,
    ) -> Result<(A, Option<Age>), Error>
    where
        M: Clone,
        S: Fn(Channel, Request<M>) -> F,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.go_on(Attempts::default(), repeat, read, message, send).await
    }

    async fn go_on<M, A, S, F>(
        &self,
        mut attempts: Attempts,
        repeat: Repeat,
        read: Read,
        message: M,
        send: S,
    ) -> Result<(A, Option<Age>), Error>
    where
        M: Clone,
        S: Fn(Channel, Request<M>) -> F,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let options = &self.shared.options;
        let all = u32::try_from(self.shared.endpoints.len()).unwrap_or(u32::MAX);
        let deadline = Instant::now() + options.timeout;
        let mut logged_in_anew = false;
        loop {
            let (place, endpoint, channel) = self.shared.endpoints.current();
            let until = match repeat {
                // A read does not spend all its time on one endpoint while there are others.
                Repeat::Always | Repeat::Once(_) if all > 1 => {
                    deadline.min(Instant::now() + options.timeout / 3)
                }
                _ => deadline,
            };
            let (mut asked, mut token) = (false, None);
            let sent = async {
                let mut request = self.named(&channel, message.clone()).await?;
                read.say(request.metadata_mut());
                repeat.say(request.metadata_mut(), attempts.unknown);
                (asked, token) = (true, token_of(&request));
                send(channel, request).await
            };
            let outcome = timeout_at(until, sent).await;
            // Before it was asked for, nothing was done.
            let repeat = if asked { repeat } else { Repeat::Always };
            let error = match outcome {
                Ok(Ok(answer)) => {
                    let age = Age::told(answer.metadata());
                    return Ok((answer.into_inner(), age));
                }
                Ok(Err(status)) => Error::of_call(endpoint, &status),
                Err(_) => Error::TimedOut {
                    after: options.timeout,
                    outcome_unknown: repeat.is_write(),
                    last: None,
                },
            };
            if !logged_in_anew && self.logs_in_anew(&error, token.as_ref()).await {
                logged_in_anew = true;
                continue;
            }
            if again(Repeat::Always, &error) {
                self.shared.endpoints.leave(place);
            }
            if !again(repeat, &error) {
                if attempts.unknown && !is_outcome(&error) {
                    let (after, last) = (options.timeout, Some(Box::new(error)));
                    return Err(Error::TimedOut { after, outcome_unknown: true, last });
                }
                return Err(error);
            }
            attempts.unknown |= matches!(repeat, Repeat::Once(_)) && is_unknown(&error);
            attempts.note(endpoint, error);
            let (round, begins_anew) = (attempts.made / all, attempts.made.is_multiple_of(all));
            let wait = if begins_anew { back_off(round) } else { Duration::ZERO };
            let enough = options.rounds > 0 && round >= options.rounds;
            if enough || Instant::now() + wait >= deadline {
                return Err(attempts.give_up(options.timeout));
            }
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::Code;

    use super::{BACK_OFF, BACK_OFF_MAX, Repeat, again, back_off, is_outcome, is_unknown};
    use crate::Error;

    /// A write that may have been carried out is never sent a second time.
    #[test]
    fn writes_are_repeated_only_when_certainly_not_done() {
        let server = |code| Error::Server { code, message: String::new() };
        for code in Code::ALL {
            let safe = matches!(code, Code::NotLeader | Code::EpochMismatch);
            assert_eq!(again(Repeat::IfNotDone, &server(code)), safe, "{code:?}");
            assert!(!(safe && server(code).outcome_unknown()), "{code:?}");
        }
        let (endpoint, reason) = (String::new(), String::new());
        let after = Duration::ZERO;
        for error in [
            Error::Interrupted { endpoint, reason },
            Error::TimedOut { after, outcome_unknown: true, last: None },
            Error::Status { grpc: tonic::Code::Unavailable, message: String::new() },
        ] {
            assert!(again(Repeat::Always, &error) && !again(Repeat::IfNotDone, &error));
        }
        assert!(again(Repeat::IfNotDone, &Error::Unreachable { tried: Vec::new() }));
    }

    /// Who was told that a write may be carried out hears nothing else of a server that refused it later.
    #[test]
    fn an_outcome_is_neither_a_refusal_nor_unknown() {
        use Code as C;
        for code in Code::ALL {
            let error = Error::Server { code, message: String::new() };
            assert!(!(is_outcome(&error) && (is_unknown(&error) || error.outcome_unknown())));
        }
        for code in [
            C::TooManyRequests,
            C::NoSpace,
            C::PermissionDenied,
            C::InvalidAuthToken,
            C::UserEmpty,
            C::AuthFailed,
            C::Corrupt,
            C::Internal,
            C::SessionExpired,
            C::OutcomeNotKept,
            C::LimitReached,
            C::KeyspaceNotFound,
        ] {
            assert!(!is_outcome(&Error::Server { code, message: String::new() }), "{code:?}");
        }
        let grpc = tonic::Code::ResourceExhausted;
        assert!(!is_outcome(&Error::Status { grpc, message: String::new() }));
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        for round in [0, 1, 8, u32::MAX] {
            let wait = back_off(round);
            assert!(wait >= BACK_OFF / 2 && wait <= BACK_OFF_MAX, "{round}: {wait:?}");
        }
        assert!(back_off(10) > back_off(0));
    }
}
