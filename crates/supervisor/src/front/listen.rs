use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Body;
use crate::SupervisorError;

/// Connections at a time; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// How long a connection may be silent before or between requests. Fly's proxy keeps connections and gives up after 60 s.
const HEADER_PATIENCE: Duration = Duration::from_secs(75);
/// The largest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// A socket that listens. It is opened before anything else is done, so that a machine answers from its first moment.
#[derive(Debug)]
pub(crate) struct Listener(TcpListener);

impl Listener {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, SupervisorError> {
        let listener = TcpListener::bind(address).await;
        listener.map(Self).map_err(|source| SupervisorError::Listen { address, source })
    }

    /// Where it listens, with the port that the system chose if none was given.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

/// Answers requests (HTTP/1.1) until told to stop; then no connection is accepted and each open one ends after its present answer.
pub(crate) async fn serve<A, F>(listener: Listener, connections: TaskTracker, stop: CancellationToken, answer: A)
where
    A: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await.expect("nobody closes the semaphore");
        let accepted = tokio::select! {
            accepted = listener.0.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (stop, answer) = (stop.clone(), answer.clone());
                connections.spawn(async move {
                    connection(stream, peer, stop, answer).await;
                    drop(place);
                });
            }
            Err(error) => {
                // The caller is gone already, or files have run out: neither is cured by asking again at once.
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection<A, F>(stream: TcpStream, peer: SocketAddr, stop: CancellationToken, answer: A)
where
    A: Fn(SocketAddr, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // An option that only speeds small frames up; without it the connection works.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let response = answer(peer, request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke off");
    }
}
