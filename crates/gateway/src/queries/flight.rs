use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::http::request::Parts;
use hyper::http::response;
use hyper::{Response, StatusCode};
use tonic::Status;
use tonic::body::Body;

use crate::members::Members;
use crate::passing::{self, Kind, Order, Outgoing};
use crate::words::Refusal;

/// Bytes of an answer that is kept for all who wait for it.
const ANSWER_BYTES: usize = 8 << 20;

/// An answer for all who asked.
pub(super) struct Answer {
    head: response::Parts,
    body: Bytes,
}

impl Answer {
    /// For one of them.
    pub(super) fn to_response(&self) -> Response<Body> {
        let body = Body::new(Full::from(self.body.clone()));
        let mut response = Response::new(body);
        *response.status_mut() = self.head.status;
        *response.headers_mut() = self.head.headers.clone();
        response
    }
}

/// What became of a query.
#[derive(Clone)]
pub(super) enum Outcome {
    Answered(Arc<Answer>),
    /// Too long to be kept: each has to ask for itself.
    TooLong,
    Refused(Status, StatusCode),
}

/// Asks a member.
pub(super) async fn ask(members: &Members, client: u64, head: Parts) -> Outcome {
    // Not a read that is sent again: it would wait all of its time once more, and clients do not.
    let order = Order { kind: Kind::Waiting, is_grpc: false, is_read: false, client };
    let body = Outgoing::whole(Bytes::new());
    let answer = match passing::forward(members, &order, head, body).await {
        Ok(answer) => answer,
        Err(failure) => return refused(failure.into()),
    };
    let (head, body) = answer.into_parts();
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => Outcome::Answered(Arc::new(Answer { head, body: body.to_bytes() })),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Outcome::TooLong,
        Err(error) => {
            let told = format!("hiraeth: the answer of a member broke off: {error}");
            refused(Refusal::new(Status::unavailable(told), StatusCode::BAD_GATEWAY))
        }
    }
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused(refusal.status, refusal.http)
}
