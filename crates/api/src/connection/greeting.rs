use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tls::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::calls::Counted;
use crate::guests::Watched;

/// A client's socket, with what is kept of it.
type Socket = Counted<Watched<Stream>>;

/// What an HTTP/2 client says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may take for it. Health checkers that open a connection and say nothing are
/// common; they are not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client speaks TLS where none is spoken.
#[derive(Debug)]
pub(super) struct TlsHere;

impl std::fmt::Display for TlsHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it speaks TLS, and this port does not")
    }
}

impl std::error::Error for TlsHere {}

/// What a client speaks.
pub(super) enum Greeting {
    Http2(Greeted),
    Http1(Greeted),
}

/// Reads as much as tells one from the other.
pub(super) async fn greet(mut stream: Socket) -> io::Result<Greeting> {
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
    timeout(PATIENCE, reading).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let is_http2 = &read[..] == PREFACE;
    if read.first().is_some_and(|first| tls::is_handshake(*first)) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, TlsHere));
    }
    let stream = Greeted { read: read.freeze(), stream };
    Ok(if is_http2 { Greeting::Http2(stream) } else { Greeting::Http1(stream) })
}

/// A connection, with what was read of it already.
pub(super) struct Greeted {
    read: Bytes,
    stream: Socket,
}

impl AsyncRead for Greeted {
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

impl AsyncWrite for Greeted {
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
