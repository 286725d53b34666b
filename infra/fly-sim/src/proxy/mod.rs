//! Fly's edge for one host: requests for `<app>.localhost` reach the machine of that app.
//!
//! One connection carries one request, on both sides. It costs some 100 µs on loopback, and with it neither side can ever disagree with the
//! other about where a second request begins, no idle connection can turn out to be dead when the next request is sent, and none can
//! outlive its machine and then reach another one on the same port. WebSockets keep their connections for as long as they last.
//!
//! It knows nothing of processes: where an app's requests go is [`Routes`]' business.

mod authority;
mod forward;
mod head;
mod headers;
mod routes;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::head::Head;
pub use self::routes::SimulatorRoutes;

/// How long requests that are under way may take once the proxy is told to end. WebSockets end at once.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take to send the head of its request.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// After a failed accept, usually for want of file descriptors, some must be given back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where requests for an app go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To this machine.
    To(Target),
    /// There is such an app, but none of its machines takes requests.
    Unroutable,
    /// There is no such app.
    Unknown,
}

/// A machine that takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The machine, for the log.
    pub machine: String,
    /// Its region; told to it as `Fly-Region`, because the edge of one host is nowhere else.
    pub region: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Knows the machines of apps.
#[async_trait]
pub trait Routes: Send + Sync + 'static {
    /// Where a request for this app goes, asked anew for every request and for every attempt to connect.
    async fn route(&self, app: &str) -> Route;

    /// Called for an unroutable app before its request is refused: Fly's `autostart`. Returns whether it is worth asking for the route again.
    /// By default no request wakes anything.
    async fn wake(&self, _app: &str) -> bool {
        false
    }
}

/// The edge.
pub struct Proxy;

impl Proxy {
    /// Serves until told to end; then takes no new connection, ends WebSockets, and waits some seconds for requests that are under way.
    pub async fn serve(listener: TcpListener, routes: Arc<dyn Routes>, shutdown: CancellationToken) {
        let port = listener.local_addr().map_or(0, |address| address.port());
        let edge = Arc::new(Edge { routes, port, tunnels: TaskTracker::new(), closing: shutdown.clone() });
        let connections = TaskTracker::new();
        while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, client)) => {
                    connections.spawn(serve_connection(Arc::clone(&edge), stream, client));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        connections.close();
        edge.tunnels.close();
        let drained = async { tokio::join!(connections.wait(), edge.tunnels.wait()) };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(connections = connections.len(), "requests were still under way when the proxy ended");
        }
    }
}

/// What all connections share.
struct Edge {
    routes: Arc<dyn Routes>,
    /// The port that clients connect to.
    port: u16,
    /// The upgraded connections.
    tunnels: TaskTracker,
    closing: CancellationToken,
}

async fn serve_connection(edge: Arc<Edge>, stream: TcpStream, client: SocketAddr) {
    if let Err(error) = serve_request(edge, stream, client).await {
        tracing::debug!(%client, error = %error, "a connection ended early");
    }
}

async fn serve_request(edge: Arc<Edge>, mut stream: TcpStream, client: SocketAddr) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let head = match edge.closing.run_until_cancelled(head::read(&mut stream, HEAD_PATIENCE)).await {
        None => return Ok(()),
        Some(head) => match head? {
            Head::Nothing => return Ok(()),
            Head::Refused(status, text) => return Ok(refuse(stream, status, text).await?),
            Head::Whole(bytes) => bytes,
        },
    };
    let (reader, writer) = stream.into_split();
    let stream = tokio::io::join(io::Cursor::new(head).chain(reader), writer);
    let service = service_fn(|request| {
        let edge = Arc::clone(&edge);
        async move {
            let mut answer = forward::forward(edge, client, request).await;
            // hyper's own switch against a second request would also close a WebSocket's connection in the answer that opens it.
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades().await?;
    Ok(())
}

/// Answers a request whose head was not worth handing on.
async fn refuse(mut stream: TcpStream, status: StatusCode, text: &str) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
