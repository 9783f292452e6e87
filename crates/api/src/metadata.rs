//! What clients say beside the request, in gRPC metadata.

use std::time::Duration;

use node::{Age, Caller, Consistency, Credentials, Handle, Header, Number};
use state::auth::Demand;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Response, Status};
use types::{Code, KeyspaceId, RegionId};

use crate::audit::Bearer;
use crate::error;

/// Names the keyspace a request is for; without it, it is for `default`.
pub(crate) const KEYSPACE: &str = "hiraeth-keyspace";
/// Names the region of a sharded keyspace that a watch is for.
const REGION: &str = "hiraeth-region";
/// How a read is to be answered; without it, as the request itself says.
const READ: &str = "hiraeth-read";
/// How old the answer of a stale read may be, in milliseconds.
const MAX_STALE: &str = "hiraeth-max-stale-millis";
/// A write's number, as its client gave it, so that it may be sent again: `client.sequence.acknowledged`,
/// and `.again` behind that from the second time on.
pub(crate) const NUMBER: &str = "hiraeth-number";
/// In the answer to a stale read: how old it is, in milliseconds, or [`UNKNOWN_AGE`].
const STALE: &str = "hiraeth-stale-millis";
/// The copy was not caught up since the node was started.
const UNKNOWN_AGE: &str = "unknown";
/// etcd's: who asks, by what `Authenticate` answered with.
pub(crate) const TOKEN: &str = "token";
/// The same, as the JSON gateway takes it.
const AUTHORIZATION: &str = "authorization";
/// Said by the door itself, whatever the client says: from where the request is.
pub(crate) const ORIGIN: &str = "hiraeth-origin";
/// etcd's: the request is to fail at once while no leader is known.
const REQUIRE_LEADER: &str = "hasleader";

/// What a request says beside its message.
pub(crate) trait Said {
    /// The first value of this name.
    fn said(&self, name: &str) -> Option<&[u8]>;
}

impl Said for MetadataMap {
    fn said(&self, name: &str) -> Option<&[u8]> {
        self.get(name).map(MetadataValue::as_bytes)
    }
}

impl Said for hyper::HeaderMap {
    fn said(&self, name: &str) -> Option<&[u8]> {
        self.get(name).map(hyper::header::HeaderValue::as_bytes)
    }
}

impl Said for http2::RequestHead {
    fn said(&self, name: &str) -> Option<&[u8]> {
        self.get(name)
    }
}

/// The keyspace a request is for, once what the client requires is met.
///
/// # Errors
/// `NotFound` for an unknown keyspace, `Unavailable` when a leader is required and none is known.
pub(crate) fn admit(handle: &Handle, metadata: &impl Said) -> Result<KeyspaceId, Status> {
    let keyspace = keyspace(handle, metadata)?;
    if requires_leader(metadata) && !handle.has_leader(keyspace) {
        return Err(error::status_of(Code::NoLeader));
    }
    Ok(keyspace)
}

/// Puts beside a request what its connection proved of who asks, if it says nothing of that itself.
pub(crate) fn prove(headers: &mut hyper::HeaderMap, proof: &str) {
    if headers.contains_key(TOKEN) || headers.contains_key(AUTHORIZATION) {
        return;
    }
    // A name that cannot be in a header is nobody's.
    if let Ok(mut proof) = hyper::header::HeaderValue::from_bytes(proof.as_bytes()) {
        proof.set_sensitive(true);
        headers.insert(TOKEN, proof);
    }
}

/// What a request brings to prove who sent it.
#[derive(Clone, Copy)]
pub(crate) struct Proof<'a, S> {
    said: &'a S,
    proof: Option<&'a str>,
    /// `None` for what is said beside the request, which is the door's word there.
    origin: Option<&'a str>,
}

impl<'a, S: Said> Proof<'a, S> {
    pub(crate) fn of(metadata: &'a S) -> Self {
        Self { said: metadata, proof: None, origin: None }
    }

    /// The same, of a connection that proved something itself, and is from there.
    pub(crate) fn or(self, proof: Option<&'a str>, origin: &'a str) -> Self {
        Self { proof, origin: Some(origin), ..self }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        let value = self.said.said(TOKEN).or_else(|| self.said.said(AUTHORIZATION));
        let Some(value) = value else { return self.proof };
        // What is no text is no token of ours either.
        Some(std::str::from_utf8(value).unwrap_or_default())
    }
}

impl<S: Said + Send + Sync> Proof<'_, S> {
    /// The same, to be kept for longer than the request.
    pub(crate) fn bearer(&self) -> Bearer {
        Bearer { token: self.text().map(Box::from), origin: self.origin().into() }
    }
}

impl<S: Said + Send + Sync> Credentials for Proof<'_, S> {
    fn token(&self) -> Option<&str> {
        self.text()
    }

    fn origin(&self) -> &str {
        let said = || self.said.said(ORIGIN).and_then(|said| std::str::from_utf8(said).ok());
        self.origin.or_else(said).unwrap_or_default()
    }
}

/// Who sent the request, to which keyspace: all that is asked of a node in a client's name is asked
/// through it, so that it is held against the client's rights.
///
/// # Errors
/// As for [`admit`].
pub(crate) fn caller<'a>(
    handle: &'a Handle,
    metadata: &'a MetadataMap,
) -> Result<Caller<'a, Proof<'a, MetadataMap>>, Status> {
    let keyspace = admit(handle, metadata)?;
    Ok(handle.caller(keyspace, Proof::of(metadata)).numbered(number(metadata)?))
}

/// The keyspace a request is for, if who sent it may do `what` there: for what asks a node nothing in
/// the client's name.
///
/// # Errors
/// As for [`admit`]; that it may not.
pub(crate) async fn permit(
    handle: &Handle,
    metadata: &MetadataMap,
    what: Demand<'_>,
) -> Result<KeyspaceId, Status> {
    let caller = caller(handle, metadata)?;
    caller.permit(what).await.map_err(|fault| error::status(&fault))?;
    Ok(caller.keyspace())
}

/// For streams, which outlive the message that opened them: who sent it, and from where.
pub(crate) fn bearer<S: Said + Send + Sync>(metadata: &S) -> Bearer {
    Proof::of(metadata).bearer()
}

/// The token alone.
pub(crate) fn token(metadata: &impl Said) -> Option<Box<str>> {
    Proof::of(metadata).text().map(Box::from)
}

/// Whether the request is to be served only while a leader is known.
pub(crate) fn requires_leader(metadata: &impl Said) -> bool {
    metadata.said(REQUIRE_LEADER) == Some(b"true")
}

/// The keyspace a watch is for, and the region, if the keyspace is sharded.
///
/// # Errors
/// As for [`admit`]; `InvalidArgument` for a region that is no number.
pub(crate) fn admit_watch(
    handle: &Handle,
    metadata: &impl Said,
) -> Result<(KeyspaceId, Option<RegionId>), Status> {
    let Some(region) = metadata.said(REGION) else {
        return Ok((admit(handle, metadata)?, None));
    };
    let number = std::str::from_utf8(region).ok().and_then(|text| text.parse().ok());
    let region = RegionId(number.ok_or_else(|| {
        let value = region.escape_ascii();
        Status::invalid_argument(format!(
            "hiraeth: invalid request: the metadata `{REGION}` is the number of a region, and \
             \"{value}\" is not"
        ))
    })?);
    let keyspace = keyspace(handle, metadata)?;
    if requires_leader(metadata) && !handle.is_led(keyspace, region) {
        return Err(error::status_of(Code::NoLeader));
    }
    Ok((keyspace, Some(region)))
}

fn keyspace(handle: &Handle, metadata: &impl Said) -> Result<KeyspaceId, Status> {
    let Some(value) = metadata.said(KEYSPACE) else {
        return handle.keyspace(None).map_err(|fault| error::status(&fault));
    };
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
    let name = text.ok_or_else(|| {
        Status::invalid_argument("hiraeth: the metadata `hiraeth-keyspace` is not plain text")
    })?;
    handle.keyspace(Some(name)).map_err(|fault| match fault.code {
        Code::KeyspaceNotFound => Status::not_found(not_found(name)),
        _ => error::status(&fault),
    })
}

fn not_found(name: &str) -> String {
    format!("hiraeth: keyspace not found: {name}; create it with `hiraeth keyspace create {name}`")
}

/// The number of a write.
///
/// # Errors
/// `InvalidArgument` for what is none.
fn number(metadata: &impl Said) -> Result<Option<Number>, Status> {
    let Some(value) = metadata.said(NUMBER) else { return Ok(None) };
    let text = std::str::from_utf8(value).unwrap_or_default();
    let (numbers, again) = match text.strip_suffix(".again") {
        Some(numbers) => (numbers, true),
        None => (text, false),
    };
    let parsed: Vec<Option<u64>> = numbers.split('.').map(|word| word.parse().ok()).collect();
    let [Some(client), Some(sequence), Some(acknowledged)] = parsed[..] else {
        return Err(Status::invalid_argument(format!(
            "hiraeth: invalid request: the metadata `{NUMBER}` is client.sequence.acknowledged, three \
             numbers, and \"{}\" is not",
            value.escape_ascii()
        )));
    };
    Ok(Some(Number { client, sequence, acknowledged, again }))
}

/// How a read is to be answered that says itself whether the node's own copy is enough.
///
/// # Errors
/// `InvalidArgument` for a mode or an age that is none.
pub(crate) fn consistency(metadata: &impl Said, serializable: bool) -> Result<Consistency, Status> {
    let mode = match metadata.said(READ) {
        None if serializable => Consistency::Stale,
        None | Some(b"linearizable") => Consistency::Linearizable,
        Some(b"lease") => Consistency::Lease,
        Some(b"follower") => Consistency::Follower,
        Some(b"stale") => Consistency::Stale,
        Some(other) => return Err(unknown_mode(other)),
    };
    match metadata.said(MAX_STALE) {
        Some(millis) if mode == Consistency::Stale => {
            millis_of(millis).map(|millis| Consistency::StaleWithin(Duration::from_millis(millis)))
        }
        // Everything else is not stale at all.
        _ => Ok(mode),
    }
}

/// Takes out what is said of one read or one write, for what is made of several: what is read becomes
/// linearizable, and no write goes by a number that another one has, too, which would be answered in its
/// place.
pub(crate) fn for_inner(metadata: &mut MetadataMap) {
    for name in [READ, MAX_STALE, NUMBER] {
        metadata.remove(name);
    }
}

fn unknown_mode(mode: &[u8]) -> Status {
    let mode = mode.escape_ascii();
    Status::invalid_argument(format!(
        "hiraeth: invalid request: the metadata `{READ}` is \"{mode}\"; it can be linearizable, \
         lease, follower or stale"
    ))
}

fn millis_of(value: &[u8]) -> Result<u64, Status> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| {
        let value = value.escape_ascii();
        Status::invalid_argument(format!(
            "hiraeth: invalid request: the metadata `{MAX_STALE}` is a number of milliseconds, and \
             \"{value}\" is not"
        ))
    })
}

/// `body` as an answer that says how old it is.
pub(crate) fn answer<T>(header: &Header, body: T) -> Response<T> {
    let mut response = Response::new(body);
    if let Some((name, value)) = told(header) {
        // A number or a word, so it is always one.
        if let Ok(value) = value.parse() {
            response.metadata_mut().insert(name, value);
        }
    }
    response
}

/// What is told beside an answer: how old it is, if it may be.
pub(crate) fn told(header: &Header) -> Option<(&'static str, String)> {
    let age = match header.age? {
        Age::Unknown => UNKNOWN_AGE.to_owned(),
        Age::Known(age) => age.as_millis().to_string(),
    };
    Some((STALE, age))
}
