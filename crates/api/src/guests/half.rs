use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::complaint::HALF;
use super::guest::Guest;

/// How long a whole request may take to come. The longest has 2 MiB.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a request that is answered when it is whole: it has to come within 30 seconds.
pub(crate) struct Whole<B> {
    body: Pin<Box<B>>,
    guest: Option<Arc<Guest>>,
    /// Made when the body is first waited for: mostly it is there already.
    late: Option<Pin<Box<Sleep>>>,
    patience: Duration,
}

impl<B> Whole<B> {
    pub(crate) fn new(body: B, guest: Option<Arc<Guest>>) -> Self {
        Self { body: Box::pin(body), guest, late: None, patience: PATIENCE }
    }
}

impl<B> HttpBody for Whole<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = self.body.as_mut().poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = self.patience;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(patience)));
        if late.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if let Some(guest) = &self.guest {
            HALF.about(guest.address(), 1);
        }
        let status = Status::deadline_exceeded("hiraeth: the request did not come to its end");
        Poll::Ready(Some(Err(status.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::time::Duration;

    use futures::stream::{self, StreamExt};
    use hyper::body::{Body as HttpBody, Bytes};
    use tokio::time::timeout;

    use super::Whole;

    #[tokio::test]
    async fn half_a_request_is_given_up() {
        let half = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"half"))]);
        let body = axum::body::Body::from_stream(half.chain(stream::pending()));
        let mut body = Whole { patience: Duration::from_millis(200), ..Whole::new(body, None) };
        let mut next = async || poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert_eq!(next().await.unwrap().unwrap().into_data().unwrap(), "half");
        assert!(timeout(Duration::from_millis(20), next()).await.is_err());
        let error = timeout(Duration::from_secs(9), next()).await.unwrap().unwrap().unwrap_err();
        assert!(error.to_string().contains("did not come to its end"), "{error}");
    }
}
