//! Sends inputs, and brings what came back.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::input::{Call, Piece, Wire};

/// What answers later than this hangs.
const LATE: Duration = Duration::from_secs(20);
/// A stream that says nothing for so long has said what it wanted.
const QUIET: Duration = Duration::from_millis(15);
/// Bytes of an answer that are looked at; the rest is read and dropped.
const KEPT: usize = 4 << 20;

/// How an answer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Whole,
    Reset(Reason),
    /// The connection is gone.
    Broken(String),
    /// It may wait for ever, and was cancelled.
    Quiet,
    /// It must not wait, and did.
    Late,
    /// No client could have sent it.
    Unsent,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    fn none(end: End) -> Self {
        Self { status: 0, headers: HeaderMap::new(), body: Vec::new(), end }
    }

    /// A header, or a trailer.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A connection that is opened again when it breaks.
pub(crate) struct Connection {
    address: String,
    sender: Option<SendRequest<Bytes>>,
}

impl Connection {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), sender: None }
    }

    async fn sender(&mut self) -> anyhow::Result<SendRequest<Bytes>> {
        if let Some(sender) = self.sender.clone()
            && let Ok(Ok(sender)) = timeout(LATE, sender.ready()).await
        {
            return Ok(sender);
        }
        let stream = TcpStream::connect(&self.address).await.context("nobody listens any more")?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            timeout(LATE, h2::client::handshake(stream)).await.context("no handshake")??;
        tokio::spawn(async { drop(connection.await) });
        let sender = timeout(LATE, sender.ready()).await.context("no settings")??;
        self.sender = Some(sender.clone());
        Ok(sender)
    }

    /// Sends one request. `patient` says that it has to be answered.
    ///
    /// # Errors
    /// When the server takes no connections.
    pub(crate) async fn call(&mut self, call: &Call, patient: bool) -> anyhow::Result<Answer> {
        let Some(request) = request(call) else { return Ok(Answer::none(End::Unsent)) };
        let mut sender = self.sender().await?;
        let answer = exchange(&mut sender, request, call, patient).await;
        if matches!(answer.end, End::Broken(_)) {
            self.sender = None;
        }
        Ok(answer)
    }
}

fn request(call: &Call) -> Option<Request<()>> {
    let mut request = Request::builder()
        .method(call.verb.as_str())
        .uri(format!("http://fuzz{}", call.path))
        .body(())
        .ok()?;
    for (name, value) in &call.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request)
}

async fn exchange(
    sender: &mut SendRequest<Bytes>,
    request: Request<()>,
    call: &Call,
    patient: bool,
) -> Answer {
    let (response, mut stream) = match sender.send_request(request, false) {
        Ok(both) => both,
        Err(error) => return Answer::none(end(&error)),
    };
    let last = call.data.len().saturating_sub(1);
    for (at, piece) in call.data.iter().enumerate() {
        if stream.send_data(Bytes::from(piece.whole()), call.ends && at == last).is_err() {
            break;
        }
    }
    if call.ends && call.data.is_empty() {
        // Refused by a stream that the server has ended already.
        let _ = stream.send_data(Bytes::new(), true);
    }
    let limit = if patient { LATE } else { QUIET };
    let silent = || if patient { End::Late } else { End::Quiet };
    let response = match timeout(limit, response).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Answer::none(end(&error)),
        Err(_) => {
            stream.send_reset(Reason::CANCEL);
            return Answer::none(silent());
        }
    };
    let (head, body) = response.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: Vec::new(),
        end: End::Whole,
    };
    answer.end = match timeout(limit.max(QUIET * 2), read(body, &mut answer)).await {
        Ok(end) => end,
        Err(_) => {
            stream.send_reset(Reason::CANCEL);
            silent()
        }
    };
    answer
}

async fn read(mut body: RecvStream, answer: &mut Answer) -> End {
    while let Some(data) = body.data().await {
        let data = match data {
            Ok(data) => data,
            Err(error) => return end(&error),
        };
        // Refused only when the connection is gone, which the next read tells.
        let _ = body.flow_control().release_capacity(data.len());
        if answer.body.len() < KEPT {
            answer.body.extend_from_slice(&data);
        }
    }
    match body.trailers().await {
        Ok(trailers) => {
            answer.headers.extend(trailers.unwrap_or_default());
            End::Whole
        }
        Err(error) => end(&error),
    }
}

fn end(error: &h2::Error) -> End {
    match error.reason() {
        Some(reason) if error.is_reset() => End::Reset(reason),
        _ => End::Broken(error.to_string()),
    }
}

/// Sends bytes on a connection of their own, and reads until it ends or is quiet.
///
/// # Errors
/// When the server takes no connections.
pub(crate) async fn wire(address: &str, wire: &Wire) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await.context("nobody listens any more")?;
    let (mut reader, mut writer) = stream.into_split();
    let data: Vec<Piece> = wire.data.clone();
    let writing = tokio::spawn(async move {
        for piece in data {
            // The server is free to leave in the middle.
            if writer.write_all(&piece.whole()).await.is_err() {
                return;
            }
        }
        // Kept open for the reader.
        tokio::time::sleep(LATE).await;
        drop(writer);
    });
    let mut buffer = vec![0; 65_536];
    while let Ok(Ok(1..)) = timeout(QUIET * 4, reader.read(&mut buffer)).await {}
    writing.abort();
    Ok(())
}

/// Sends packets, each answered or not; then one that has to be answered, if not at the first try.
///
/// # Errors
/// When it is not.
pub(crate) async fn packets(address: &str, wire: &Wire) -> anyhow::Result<()> {
    /// `consul.`, any record, id 0xfffe.
    const GOOD: &[u8] = b"\xff\xfe\0\0\0\x01\0\0\0\0\0\0\x06consul\0\0\xff\0\x01";
    const TRIES: usize = 20;
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(address).await?;
    let mut buffer = vec![0; 65_536];
    for piece in &wire.data {
        for _ in 0..piece.times {
            socket.send(&piece.unit).await?;
        }
    }
    for _ in 0..TRIES {
        socket.send(GOOD).await?;
        while let Ok(Ok(length)) = timeout(LATE / 20, socket.recv(&mut buffer)).await {
            if length > GOOD.len() && buffer[..2] == GOOD[..2] {
                return Ok(());
            }
        }
    }
    anyhow::bail!("DNS does not answer any more")
}
