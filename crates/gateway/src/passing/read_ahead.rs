use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::body::Outgoing;
use super::kind::Kind;

/// Bytes of a request that are kept, so that it can be sent again; a longer one passes and is sent once.
const KEPT_BYTES: usize = 64 * 1024;
/// How long they may take to come: what members give a whole request.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that does not come to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incomplete {
    /// Its sender left.
    Gone,
    /// It takes too long.
    Slow,
}

/// The body of a request: all of it if it is short and its kind says that it ends.
pub(crate) async fn read_ahead(kind: Kind, mut body: Incoming) -> Result<Outgoing, Incomplete> {
    if body.is_end_stream() {
        return Ok(Outgoing::whole(Bytes::new()));
    }
    let length = body.size_hint();
    let may_be_short = length.lower() <= KEPT_BYTES as u64;
    let ends = kind != Kind::Open || length.exact().is_some();
    if !may_be_short || !ends {
        return Ok(Outgoing::Passing { begin: None, rest: body });
    }
    let reading = async {
        let mut first: Option<Bytes> = None;
        let mut more = BytesMut::new();
        loop {
            let Some(frame) = body.frame().await else {
                return Ok(Outgoing::whole(joined(first, more)));
            };
            let Ok(data) = frame.map_err(|_| Incomplete::Gone)?.into_data() else { continue };
            match &first {
                // Mostly everything comes at once: then nothing is copied.
                None => first = Some(data),
                Some(_) => more.extend_from_slice(&data),
            }
            let read = first.as_ref().map_or(0, Bytes::len) + more.len();
            if read > KEPT_BYTES {
                let begin = Some(joined(first, more));
                return Ok(Outgoing::Passing { begin, rest: body });
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap_or(Err(Incomplete::Slow))
}

fn joined(first: Option<Bytes>, more: BytesMut) -> Bytes {
    match first {
        None => Bytes::new(),
        Some(first) if more.is_empty() => first,
        Some(first) => [&first[..], &more[..]].concat().into(),
    }
}
