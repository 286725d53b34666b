use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use tokio::time::{Instant, Sleep};

use super::answer::{Body, BoxError};

/// When a token's time is over, on the clock that sleeps are measured by.
pub(super) fn of_token(expires_at: Timestamp, now: Timestamp) -> Instant {
    Instant::now() + Duration::try_from(expires_at.duration_since(now)).unwrap_or_default()
}

/// A body that breaks off when the caller's token ends: a stream of events must not outlive it either.
pub(super) struct Until {
    body: Body,
    end: Pin<Box<Sleep>>,
}

impl Until {
    pub(super) fn new(body: Body, end: Instant) -> Self {
        Self { body, end: Box::pin(tokio::time::sleep_until(end)) }
    }
}

impl hyper::body::Body for Until {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.end.as_mut().poll(context).is_ready() && !self.body.is_end_stream() {
            return Poll::Ready(Some(Err("the caller's token has ended".into())));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
