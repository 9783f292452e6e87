use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inspection::Inspection;

/// Bytes read at once while a connection is being looked at; the first request is shorter.
const CHUNK: usize = 1024;

/// A client's connection, whose `:authority` is put in order where that is needed.
pub(crate) struct Inspected<T> {
    stream: T,
    /// Boxed, since all but new connections have none.
    inspection: Option<Box<Inspection>>,
}

impl<T> Inspected<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self { stream, inspection: Some(Box::new(Inspection::new())) }
    }

    #[cfg(test)]
    pub(super) fn is_passed_through(&self) -> bool {
        self.inspection.is_none()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Inspected<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, inspection: left } = &mut *self;
        let Some(inspection) = left else { return Pin::new(stream).poll_read(context, buffer) };
        while !inspection.ready() && !inspection.is_over() {
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut chunk))?;
            inspection.take(chunk.filled());
        }
        inspection.hand_on(buffer);
        if inspection.is_over() {
            *left = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Inspected<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    /// Unlike the socket itself. `h2` writes a payload apart from what it has collected if it is 256
    /// bytes or more and can be written in one call with the rest, and else from 1024 bytes on; one
    /// call for many answers saves more than copying those between.
    fn is_write_vectored(&self) -> bool {
        false
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
