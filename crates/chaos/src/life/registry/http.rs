//! One connection to Consul's API, as a program in any language has it: HTTP/1.1, one request after the
//! other.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection is there within this.
const CONNECT: Duration = Duration::from_secs(2);
/// Bytes of an answer at most.
const BODY: usize = 64 << 20;

pub(super) struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
}

#[derive(Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `X-Consul-Index`.
    pub(super) index: i64,
    /// `X-Consul-KnownLeader`.
    pub(super) known_leader: bool,
    pub(super) body: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = timeout(CONNECT, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { host: address.to_owned(), stream: BufReader::with_capacity(1 << 16, stream) })
    }

    pub(super) async fn get(&mut self, path: &str, within: Duration) -> anyhow::Result<Answer> {
        timeout(within, self.ask(path)).await.context("no answer in time")?
    }

    async fn ask(&mut self, path: &str) -> anyhow::Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(head.as_bytes()).await?;
        let mut answer = Answer::default();
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).context("the server hung up")?;
        answer.status = status.parse().context("no status")?;
        let mut length: Option<usize> = None;
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                bail!("the server hung up");
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.parse()?),
                "x-consul-index" => answer.index = value.parse()?,
                "x-consul-knownleader" => answer.known_leader = value == "true",
                _ => {}
            }
        }
        let length = length.context("an answer without a length")?;
        if length > BODY {
            bail!("an answer of {length} bytes");
        }
        answer.body = vec![0; length];
        self.stream.read_exact(&mut answer.body).await?;
        Ok(answer)
    }
}
