use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::complaint::STALLED;
use super::guest::Guest;

/// How long a client may take nothing of what is sent to it. Its system's buffers are full by then, and
/// ours fill.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that ends when its client does not read.
pub(crate) struct Watched<T> {
    stream: T,
    guest: Arc<Guest>,
    stalled: Option<Pin<Box<Sleep>>>,
    patience: Duration,
}

impl<T> Watched<T> {
    pub(crate) fn new(stream: T, guest: Arc<Guest>) -> Self {
        Self { stream, guest, stalled: None, patience: PATIENCE }
    }

    /// What became of a write; one that waits for too long fails.
    fn judge<R>(
        &mut self,
        written: Poll<io::Result<R>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        STALLED.about(self.guest.address(), 1);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // With TLS, what was taken may wait here.
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // With TLS it says so first, to one that may take nothing.
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::Watched;
    use crate::guests::Guest;

    async fn guest() -> Arc<Guest> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        Guest::of(&tls::Stream::Plain(stream), None, None)
    }

    #[tokio::test]
    async fn who_reads_nothing_is_let_go_and_who_reads_slowly_is_not() {
        let (mut client, server) = tokio::io::duplex(8);
        let patience = Duration::from_millis(300);
        let mut server = Watched { patience, ..Watched::new(server, guest().await) };
        let mut eight = [0; 8];
        server.write_all(&[0; 8]).await.unwrap();
        for _ in 0..5 {
            // Together these take longer than a client may take nothing.
            assert!(timeout(patience / 3, server.write_all(&[0; 8])).await.is_err());
            client.read_exact(&mut eight).await.unwrap();
            server.write_all(&[0; 8]).await.unwrap();
        }
        let write = timeout(patience * 30, server.write_all(&[0; 8]));
        assert_eq!(write.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_takes_no_farewell_is_let_go() {
        let (_client, server) = tokio::io::duplex(8);
        let patience = Duration::from_millis(200);
        // What was written waits in it, as in TLS, until it is shut down.
        let server = BufWriter::new(server);
        let mut server = Watched { patience, ..Watched::new(server, guest().await) };
        server.write_all(&[0; 16]).await.unwrap();
        let ended = timeout(patience * 30, server.shutdown());
        assert_eq!(ended.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
