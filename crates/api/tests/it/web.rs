//! HTTP/1.1 by hand, as small as a client can be.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::server::Server;

/// An answer whose body was read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// `head` is what follows `METHOD PATH`: header lines, each with its end.
pub(crate) async fn ask(
    server: &Server,
    method: &str,
    path: &str,
    head: &str,
    body: &[u8],
) -> Answer {
    ask_at(&server.address, method, path, head, body).await
}

pub(crate) async fn ask_at(
    address: &str,
    method: &str,
    path: &str,
    head: &str,
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // A server that has read enough may not take the rest.
    drop(stream.write_all(body).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!head.contains("chunked"), "{head}");
    Answer { status, head, body }
}

pub(crate) async fn post(server: &Server, path: &str, body: &str) -> Answer {
    ask(server, "POST", path, "", body.as_bytes()).await
}

/// A request in chunks whose answer comes in chunks, too: a line in each.
pub(crate) struct Lines(BufReader<TcpStream>);

impl Lines {
    pub(crate) async fn open(server: &Server, path: &str) -> Self {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) async fn send(&mut self, body: &str) {
        let chunk = format!("{:x}\r\n{body}\r\n", body.len());
        self.0.get_mut().write_all(chunk.as_bytes()).await.unwrap();
    }

    async fn raw(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line
    }

    /// The head of the answer: its first line.
    pub(crate) async fn head(&mut self) -> String {
        let first = self.raw().await;
        while self.raw().await != "\r\n" {}
        first
    }

    /// The next line; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let length = self.raw().await;
        if usize::from_str_radix(length.trim(), 16).unwrap() == 0 {
            return None;
        }
        let line = self.raw().await;
        assert_eq!(self.raw().await, "\r\n");
        Some(serde_json::from_str(&line).unwrap())
    }
}
