//! From a request below `/ui` to an answer.

use std::future::{Future, ready};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::FutureExt;
use hyper::body::Body as HttpBody;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::assets::{self, Asset};
use super::live::Live;
use super::{calls, headers};
use crate::front::Front;
use crate::gateway;
use crate::guests::Whole;

/// Methods that are answered once are below this,
const CALL: &str = "/ui/api/";
/// and those that are answered for as long as somebody listens below that.
const LIVE: &str = "/ui/live/";
/// Bytes of a question.
const QUESTION_BYTES: usize = 16 * 1024;

/// The console of a port.
pub(crate) struct Console {
    live: Live,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self { live: Live::new() }
    }

    /// Serves one request, whose path is `/ui` or below it.
    pub(crate) fn serve<B>(
        &self,
        front: &Front,
        request: Request<B>,
    ) -> impl Future<Output = Response<Body>> + Send + use<B>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path();
        let answer = if path.starts_with(CALL) || path.starts_with(LIVE) {
            asked(front.clone(), request).boxed()
        } else {
            ready(file(request.method(), path, request.headers())).boxed()
        };
        answer.map(|mut answer| {
            headers::guard(answer.headers_mut());
            answer
        })
    }

    /// The streams that are kept up to date.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }
}

/// A method is asked.
async fn asked<B>(front: Front, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = request.uri().path().to_owned();
    let called = path.strip_prefix(CALL).or_else(|| path.strip_prefix(LIVE)).unwrap_or_default();
    let Some(route) = calls::find(called) else {
        return plain(StatusCode::NOT_FOUND, "the console asks no such method");
    };
    if path.starts_with(LIVE) && !calls::only_tells(called) {
        return plain(StatusCode::NOT_FOUND, "what changes something is asked for once");
    }
    if request.method() != Method::POST {
        return only("POST");
    }
    if !headers::is_ours(request.headers()) {
        return plain(StatusCode::FORBIDDEN, "another site's page may not ask");
    }
    let metadata = gateway::metadata(request.headers());
    let body = Body::new(Whole::new(request.into_body(), front.guest().cloned()));
    let Ok(text) = to_bytes(body, QUESTION_BYTES).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "a question has 16 KiB at most");
    };
    let mut answer = if path.starts_with(LIVE) {
        let lines = front.console().live().open(front.clone(), route, metadata, text);
        lines.map_or_else(|status| gateway::error_answer(&status), Response::new)
    } else {
        gateway::call(front, route, metadata, &text).await
    };
    // What it says was true when it was asked, and is for whoever asked.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn file(method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
    if path == "/ui" {
        let mut answer = plain(StatusCode::PERMANENT_REDIRECT, "the console is at /ui/");
        answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/ui/"));
        return answer;
    }
    let asset = assets::find(path.strip_prefix("/ui/").unwrap_or_default());
    let Some(asset) = asset else {
        return plain(StatusCode::NOT_FOUND, "the console has no such file; it begins at /ui/");
    };
    match *method {
        Method::GET => whole(asset, headers, Body::from(asset.bytes)),
        Method::HEAD => whole(asset, headers, Body::empty()),
        _ => only("GET, HEAD"),
    }
}

fn whole(asset: &Asset, headers: &HeaderMap, body: Body) -> Response<Body> {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|value| value.split(',')).map(str::trim);
    let is_known = tags.any(|tag| tag.trim_start_matches("W/") == asset.etag);
    let mut answer = Response::new(if is_known { Body::empty() } else { body });
    if is_known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    // It is asked for with every page, so that a page is never made of two versions.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(ETAG, etag);
    }
    answer
}

fn only(methods: &'static str) -> Response<Body> {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

fn plain(status: StatusCode, words: &str) -> Response<Body> {
    let mut answer = Response::new(Body::from(format!("{words}\n")));
    *answer.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, text);
    answer
}
