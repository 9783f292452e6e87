use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take nothing of what it is sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that ends with an error when its client takes nothing for a minute while something is there
/// for it: what it does not read is kept for it, here and at the members.
pub(super) struct Watched<S> {
    stream: S,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, patience: PATIENCE, waiting: None }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // With TLS, what was taken may wait here.
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // With TLS it says so first, to one that may take nothing.
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
    use tokio::time::timeout;

    use super::Watched;

    #[tokio::test]
    async fn who_reads_nothing_is_let_go_and_who_reads_slowly_is_not() {
        let (mut client, server) = tokio::io::duplex(8);
        let patience = Duration::from_millis(300);
        let mut server = Watched { patience, ..Watched::new(server) };
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
        let mut server = Watched { patience, ..Watched::new(server) };
        server.write_all(&[0; 16]).await.unwrap();
        let ended = timeout(patience * 30, server.shutdown());
        assert_eq!(ended.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
