//! What servers answer beside gRPC, on the same port: by HTTP/2, as everything else.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tonic::Status;
use tonic::codegen::{Service as _, http};
use tonic::transport::Channel;
use types::Code;

use crate::login::{Proof, header_of, token_of};
use crate::{Client, Error, code};

/// Bytes of an answer at most: some twenty times what the largest server has to say.
const TEXT_BYTES: usize = 16 << 20;

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpAnswer {
    /// HTTP's status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Client {
    /// Asks the server at `address`, `host:port`, for something below a path, once, with the client's token
    /// if it has one, or that of its user, who logs in first: again, too, where its token has ended.
    ///
    /// # Errors
    /// No answer, one that is no text, or one over 16 MiB. Whatever status it has is an answer.
    pub async fn http(
        &self,
        address: &str,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<HttpAnswer, Error> {
        let channel = self.channel_to(address)?;
        let body = Bytes::from(body);
        let asked = async {
            let (answer, sent) = self.ask(channel.clone(), method, path, body.clone()).await?;
            // Nothing was carried out in the name of nobody.
            if let Some(error) = wrong_token(&answer)
                && self.logs_in_anew(&error, sent.as_ref()).await
            {
                let (answer, _) = self.ask(channel, method, path, body).await?;
                return Ok(tonic::Response::new(answer));
            }
            Ok(tonic::Response::new(answer))
        };
        self.once(address, asked).await
    }

    /// An answer, and the token that it was asked for with.
    async fn ask(
        &self,
        mut channel: Channel,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<(HttpAnswer, Option<Proof>), Status> {
        let wrong = |error: http::Error| Status::internal(error.to_string());
        let mut request =
            http::Request::builder().method(method).uri(path).version(http::Version::HTTP_2);
        // A user's goes where Consul's go, too.
        let sent = token_of(&self.named(&channel, ()).await?);
        if let Some(token) = &sent {
            let token = header_of(token).map_err(|_| Status::internal("the token is no header"))?;
            request = request.header("x-consul-token", token);
        }
        let body = match body.is_empty() {
            true => tonic::body::Body::empty(),
            false => tonic::body::Body::new(Whole(Some(body))),
        };
        let request = request.body(body).map_err(wrong)?;
        let broken = |error: tonic::transport::Error| Status::from_error(Box::new(error));
        poll_fn(|context| channel.poll_ready(context)).await.map_err(broken)?;
        let answer = channel.call(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let mut body = pin!(answer.into_body());
        let mut text = Vec::new();
        while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
            let Ok(data) = frame?.into_data() else { continue };
            text.extend_from_slice(&data);
            if text.len() > TEXT_BYTES {
                return Err(Status::out_of_range(format!("{path} does not end")));
            }
        }
        let text = String::from_utf8(text);
        let text = text.map_err(|_| Status::internal(format!("{path} is no text")))?;
        Ok((HttpAnswer { status, text }, sent))
    }
}

/// Whether this says that nobody is known by the token, or that one is missing, in the words of Consul's API.
fn wrong_token(answer: &HttpAnswer) -> Option<Error> {
    const DENIED: u16 = 403;
    let words = answer.text.strip_prefix("Permission denied: ").unwrap_or(&answer.text);
    let words = words.split(';').next().unwrap_or_default();
    let code = match code::of(words) {
        Some(code) => code,
        // Where there are tokens of the ACL, too.
        None if words.ends_with("ACL not found") => Code::InvalidAuthToken,
        None => return None,
    };
    (answer.status == DENIED).then(|| Error::Server { code, message: answer.text.clone() })
}

/// A body that is there.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}
