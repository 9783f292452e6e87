use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use h2::Reason;
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Request, Response, Uri, Version};

use super::answer::Passing;
use super::body::Outgoing;
use super::kind::Kind;
use crate::members::{Member, Members, Standing};

/// What is to be passed on.
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) is_grpc: bool,
    /// Whether it changes nothing, so that it may be sent again whatever became of it.
    pub(crate) is_read: bool,
    /// Whose it is: the same number comes to the same member while that is well.
    pub(crate) client: u64,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// Nobody was reached: nothing was done. What each member answered to that.
    Unreached(String),
    /// The member went while the request was with it: what became of it is not known.
    Lost(Authority),
}

/// What is meant for one connection only (RFC 9110, 7.6.1), and what the next one says by itself.
const NOT_PASSED: [HeaderName; 7] = [
    header::CONNECTION,
    // The gateway has answered to that already.
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Passes a request on to a member: to the next one if it was certainly not carried out, or changes nothing.
pub(crate) async fn forward(
    members: &Members,
    order: &Order,
    mut head: Parts,
    body: Outgoing,
) -> Result<Response<Passing>, Failure> {
    strip(&mut head.headers);
    let mut body = Some(body);
    let mut next: VecDeque<Arc<Member>> = members.order(order.client).into();
    // A connection that was there may have been a dead one: its member is tried once more, on another.
    let mut second_tries = next.len();
    while let Some(member) = next.pop_front() {
        let Some(sent) = body.take() else { break };
        let seat = match member.seat(order.kind).await {
            Ok(seat) => seat,
            Err(why) => {
                member.stands(Standing::Gone, &why);
                body = Some(sent);
                continue;
            }
        };
        let again = sent.again();
        let has_body = !sent.is_end_stream();
        let request = request(&head, &member, sent);
        member.passed.fetch_add(1, Ordering::Relaxed);
        let error = match seat.sender().try_send_request(request).await {
            Ok(answer) => {
                let mut answer =
                    answer.map(|body| Passing::new(body, order.is_grpc, &member, seat));
                strip(answer.headers_mut());
                return Ok(answer);
            }
            Err(mut error) => {
                // It did not leave the gateway.
                body = error.take_message().map(Request::into_body);
                error.into_error()
            }
        };
        if body.is_none() && (order.is_read || was_refused(&error, has_body)) {
            body = again;
        }
        tracing::debug!(member = %member.address, %error, again = body.is_some(), "a request failed");
        if body.is_none() {
            return Err(Failure::Lost(member.address.clone()));
        }
        member.failed(&error.to_string());
        if second_tries > 0 {
            second_tries -= 1;
            next.push_back(member);
        }
    }
    Err(Failure::Unreached(members.unreached()))
}

/// The same request, to a member.
pub(crate) fn request(head: &Parts, member: &Member, body: Outgoing) -> Request<Outgoing> {
    let mut request = Request::new(body);
    let mut parts = hyper::http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(member.address.clone());
    let path = head.uri.path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // A path that was one before is one again.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.method_mut() = head.method.clone();
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = head.headers.clone();
    request
}

/// Takes out what is not passed on.
fn strip(headers: &mut HeaderMap) {
    let named = headers.remove(header::CONNECTION);
    if let Some(named) = named.as_ref().and_then(|it| it.to_str().ok()) {
        for name in named.split(',').map(str::trim) {
            headers.remove(name);
        }
    }
    for name in &NOT_PASSED {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    // The only value that HTTP/2 knows, and gRPC needs.
    if headers.get(header::TE).is_some_and(|it| it != "trailers") {
        headers.remove(header::TE);
    }
}

/// Whether the member says that it did not begin with the request (RFC 9113, 8.7).
fn was_refused(error: &hyper::Error, has_body: bool) -> bool {
    let error = error.source().and_then(|it| it.downcast_ref::<h2::Error>());
    error.is_some_and(|error| match error.reason() {
        Some(Reason::REFUSED_STREAM) => error.is_remote(),
        // Said of streams that came after the last one it will answer. One that was begun while that came
        // may have left, but its body has not; without a body, it may have been carried out.
        Some(Reason::NO_ERROR) => has_body && error.is_go_away() && error.is_remote(),
        _ => false,
    })
}
