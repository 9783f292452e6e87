use std::convert::Infallible;

use axum::body::{Body, BodyDataStream, to_bytes};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use hyper::body::Body as HttpBody;
use hyper::header::AUTHORIZATION;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tokio::sync::oneshot;
use tonic::client::Grpc;
use tonic::metadata::{AsciiMetadataKey, MetadataMap, MetadataValue};
use tonic::{Status, Streaming};

use super::call::{Dynamic, Inside};
use super::objects::Objects;
use super::routes::Route;
use super::{answer, json, routes};
use crate::front::{Front, MESSAGE_BYTES};
use crate::guests::Whole;

/// Bytes of one request as JSON: the longest message in base64, and names and braces around it.
pub(crate) const JSON_BYTES: usize = MESSAGE_BYTES / 3 * 4 + 64 * 1024;
/// Headers with this before their names become metadata, as in every gateway of this kind.
const METADATA_PREFIX: &str = "grpc-metadata-";
/// Our own metadata are headers of the same names.
const OWN_PREFIX: &str = "hiraeth-";

/// Serves a request below `/v3/`.
pub(crate) async fn serve<B>(front: Front, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(route) = routes::find(request.uri().path()) else {
        return answer::plain(StatusCode::NOT_FOUND);
    };
    if request.method() != Method::POST {
        return answer::plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let (parts, body) = request.into_parts();
    let metadata = metadata(&parts.headers);
    let body = if route.method.is_client_streaming() {
        Body::new(body)
    } else {
        Body::new(Whole::new(body, front.guest().cloned()))
    };
    if route.method.is_server_streaming() {
        return streaming(front, route, metadata, body).await;
    }
    match to_bytes(body, JSON_BYTES).await {
        Ok(text) => call(front, route, metadata, &text).await,
        Err(error) => answer::error(&unread(&error)),
    }
}

/// Calls a method that answers once, with its request as JSON.
pub(crate) async fn call(
    front: Front,
    route: &Route,
    metadata: MetadataMap,
    text: &[u8],
) -> Response<Body> {
    match unary(front, route, metadata, text).await {
        Ok(message) => answer::whole(message),
        Err(status) => answer::error(&status),
    }
}

/// The same as a line among others: what it answers, or why it does not.
///
/// # Errors
/// The line of an error, which should be the last.
pub(crate) async fn call_for_line(
    front: Front,
    route: &Route,
    metadata: MetadataMap,
    text: &[u8],
) -> Result<Bytes, Bytes> {
    let answered = unary(front, route, metadata, text).await;
    let line = answered.and_then(|message| answer::result_line(message.get_ref()));
    line.map_err(|status| answer::error_line(&status))
}

fn too_long() -> Status {
    Status::resource_exhausted("grpc: received message larger than max")
}

/// Why a body was not read to its end. A client that went away reads no answer, so otherwise it was too
/// long.
fn unread(error: &axum::Error) -> Status {
    let first: &(dyn std::error::Error + 'static) = error;
    let mut causes = std::iter::successors(Some(first), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<Status>()).cloned().unwrap_or_else(too_long)
}

/// What of an HTTP request's headers is for the service.
pub(crate) fn metadata(headers: &HeaderMap) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    for (name, value) in headers {
        let name = match name.as_str() {
            name if name.starts_with(OWN_PREFIX) => name,
            name if name.starts_with(METADATA_PREFIX) => &name[METADATA_PREFIX.len()..],
            _ if name == AUTHORIZATION => "token",
            _ => continue,
        };
        let value = MetadataValue::try_from(value.as_bytes());
        if let (Ok(name), Ok(value)) = (AsciiMetadataKey::from_bytes(name.as_bytes()), value) {
            metadata.insert(name, value);
        }
    }
    metadata
}

fn inside(front: Front) -> Grpc<Inside> {
    // An answer is in this process already; it is not made safer by being refused.
    Grpc::new(Inside(front)).max_decoding_message_size(usize::MAX)
}

fn codec(route: &Route) -> (PathAndQuery, Dynamic) {
    (route.grpc.clone(), Dynamic { answer: route.method.output() })
}

async fn unary(
    front: Front,
    route: &Route,
    metadata: MetadataMap,
    text: &[u8],
) -> Result<tonic::Response<DynamicMessage>, Status> {
    let message = json::read(route.method.input(), text)?;
    let request = tonic::Request::from_parts(metadata, tonic::Extensions::new(), message);
    let (path, codec) = codec(route);
    inside(front).unary(request, path, codec).await
}

/// Calls a method that answers with a stream; the client may send one too.
async fn streaming(
    front: Front,
    route: &Route,
    metadata: MetadataMap,
    body: Body,
) -> Response<Body> {
    let (complain, complaint) = oneshot::channel();
    let requests: BoxStream<'static, DynamicMessage> = if route.method.is_client_streaming() {
        Requests::new(route.method.input(), body, complain).stream()
    } else {
        match to_bytes(body, JSON_BYTES).await {
            Ok(text) => match json::read(route.method.input(), &text) {
                Ok(message) => stream::once(std::future::ready(message)).boxed(),
                Err(status) => return answer::error(&status),
            },
            Err(error) => return answer::error(&unread(&error)),
        }
    };
    let request = tonic::Request::from_parts(metadata, tonic::Extensions::new(), requests);
    let (path, codec) = codec(route);
    match inside(front).streaming(request, path, codec).await {
        Ok(answers) => {
            let lines = Answers { messages: answers.into_inner(), complaint: Some(complaint) };
            answer::lines(StatusCode::OK, Body::from_stream(lines.stream()))
        }
        Err(status) => {
            let code = answer::http_status(status.code());
            answer::lines(code, Body::from(answer::error_line(&status)))
        }
    }
}

/// What a client says, value by value.
struct Requests {
    kind: MessageDescriptor,
    body: Option<BodyDataStream>,
    objects: Objects,
    /// Tells the answers' side what was wrong; then nothing more is read.
    complain: Option<oneshot::Sender<Status>>,
}

impl Requests {
    fn new(kind: MessageDescriptor, body: Body, complain: oneshot::Sender<Status>) -> Self {
        let body = Some(body.into_data_stream());
        Self { kind, body, objects: Objects::default(), complain: Some(complain) }
    }

    fn stream(self) -> BoxStream<'static, DynamicMessage> {
        stream::unfold(self, |mut state| async {
            match state.next().await {
                Ok(message) => message.map(|message| (message, state)),
                Err(status) => {
                    if let Some(complain) = state.complain.take() {
                        drop(complain.send(status));
                    }
                    None
                }
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<DynamicMessage>, Status> {
        loop {
            if let Some(object) = self.objects.next(JSON_BYTES).map_err(|_| too_long())? {
                return json::read(self.kind.clone(), &object).map(Some);
            }
            let Some(body) = &mut self.body else { return Ok(None) };
            match body.next().await {
                Some(Ok(bytes)) => self.objects.push(&bytes),
                // The client is gone: there is nobody to tell.
                Some(Err(_)) => return Ok(None),
                None => {
                    self.body = None;
                    let rest = std::mem::take(&mut self.objects).rest();
                    return rest.map(|rest| json::read(self.kind.clone(), &rest)).transpose();
                }
            }
        }
    }
}

/// What a client is told, line by line.
struct Answers {
    messages: Streaming<DynamicMessage>,
    complaint: Option<oneshot::Receiver<Status>>,
}

impl Answers {
    fn stream(self) -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        // An error is the stream's last word.
        stream::unfold(Some(self), |state| async {
            let mut state = state?;
            Some(match state.next().await? {
                Ok(line) => (Ok(line), Some(state)),
                Err(status) => (Ok(answer::error_line(&status)), None),
            })
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        loop {
            let message = match &mut self.complaint {
                None => self.messages.message().await,
                Some(complaint) => tokio::select! {
                    biased;
                    complaint = complaint => {
                        self.complaint = None;
                        match complaint {
                            Ok(status) => Err(status),
                            // Everything was read.
                            Err(_) => continue,
                        }
                    }
                    message = self.messages.message() => message,
                },
            };
            return match message {
                Ok(Some(message)) => Some(answer::result_line(&message)),
                Ok(None) => None,
                Err(status) => Some(Err(status)),
            };
        }
    }
}
