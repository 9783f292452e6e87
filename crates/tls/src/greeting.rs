//! What a client says first, by which it is told what it speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::accept::is_handshake;

/// What an HTTP/2 client says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may take for it. Health checkers that open a connection and say nothing are
/// common; they are not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client speaks TLS where none is spoken.
#[derive(Debug)]
pub struct TlsHere;

impl std::fmt::Display for TlsHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it speaks TLS, and this port does not")
    }
}

impl std::error::Error for TlsHere {}

/// What a client speaks.
#[derive(Debug)]
pub enum Greeting<S> {
    /// HTTP/2: its first words are whole.
    Http2(Greeted<S>),
    /// Anything else, for HTTP/1 to make sense of.
    Http1(Greeted<S>),
}

/// Reads as much as tells one from the other.
///
/// # Errors
/// The client says nothing for 30 s, or goes; it speaks TLS ([`TlsHere`], within an error of the kind
/// `InvalidData`).
pub async fn greet<S: AsyncRead + Unpin>(stream: S) -> io::Result<Greeting<S>> {
    greet_within(PATIENCE, stream).await
}

async fn greet_within<S: AsyncRead + Unpin>(
    patience: Duration,
    mut stream: S,
) -> io::Result<Greeting<S>> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    let reading = async {
        while PREFACE.starts_with(&read) && read.len() < PREFACE.len() {
            let mut rest = (&mut stream).take((PREFACE.len() - read.len()) as u64);
            if rest.read_buf(&mut read).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(())
    };
    timeout(patience, reading).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let is_http2 = &read[..] == PREFACE;
    if read.first().is_some_and(|first| is_handshake(*first)) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, TlsHere));
    }
    let stream = Greeted { read: read.freeze(), stream };
    Ok(if is_http2 { Greeting::Http2(stream) } else { Greeting::Http1(stream) })
}

/// A connection, with what was read of it already.
#[derive(Debug)]
pub struct Greeted<S> {
    read: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..length]);
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::{Greeting, PREFACE, TlsHere, greet, greet_within};

    #[tokio::test]
    async fn what_was_read_to_tell_them_apart_is_read_again() {
        for said in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/1.1\r\n\r\n", PREFACE] {
            let (mut client, server) = duplex(256);
            client.write_all(said).await.unwrap();
            client.write_all(b"more").await.unwrap();
            drop(client);
            let (is_http2, mut stream) = match greet(server).await.unwrap() {
                Greeting::Http2(stream) => (true, stream),
                Greeting::Http1(stream) => (false, stream),
            };
            assert_eq!(is_http2, said == PREFACE);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, [said, b"more"].concat());
        }
    }

    #[tokio::test]
    async fn who_does_not_say_it_is_not_waited_for() {
        let patience = Duration::from_millis(200);
        // Nothing at all, and one byte less than there should be, each byte by itself.
        for length in [0, PREFACE.len() - 1] {
            let (mut client, server) = duplex(256);
            let began = Instant::now();
            let saying = tokio::spawn(async move {
                for byte in &PREFACE[..length] {
                    client.write_u8(*byte).await.unwrap();
                    tokio::time::sleep(patience / 50).await;
                }
                client
            });
            let told = greet_within(patience, server).await.unwrap_err();
            assert_eq!(told.kind(), ErrorKind::TimedOut);
            assert!(began.elapsed() >= patience);
            drop(saying.await);
        }
        let (mut client, server) = duplex(256);
        client.write_all(&[0x16, 3, 1]).await.unwrap();
        let told = greet(server).await.unwrap_err();
        assert!(told.get_ref().is_some_and(|why| why.is::<TlsHere>()), "{told}");
    }
}
