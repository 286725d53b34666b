//! One request on its way to a machine and back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::authority::{self, Nameless};
use super::{Edge, Route, Target, headers};

/// A program that restarts within its machine is away for a moment: connecting is tried that often, as Fly's edge does too. Nothing was
/// sent by then, so that this is safe for every request.
const ATTEMPTS: usize = 5;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

pub(super) type Body = BoxBody<Bytes, hyper::Error>;

/// Answers a request with a machine's answer, or says why there is none.
pub(super) async fn forward(edge: Arc<Edge>, client: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let app = match authority::app(&request) {
        Ok(app) => app,
        Err(Nameless::BadHost) => return refusal(StatusCode::BAD_REQUEST, "a request names exactly one host\n"),
        Err(Nameless::Stranger) => return refusal(StatusCode::NOT_FOUND, "no app has this address\n"),
    };
    if request.method() == http::Method::CONNECT {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "this is no tunnel\n");
    }
    match connect(&edge, &app).await {
        Ok((target, stream)) => exchange(edge, client, request, target, stream).await,
        Err(refused) => refused,
    }
}

/// Finds the machine and connects to it. The route is asked for at every attempt: it changes when a machine is replaced.
async fn connect(edge: &Edge, app: &str) -> Result<(Target, TcpStream), Response<Body>> {
    let mut woken = false;
    for attempt in 1..=ATTEMPTS {
        let target = match edge.routes.route(app).await {
            Route::To(target) => target,
            Route::Unknown => return Err(refusal(StatusCode::NOT_FOUND, "no app has this address\n")),
            Route::Unroutable => {
                if woken || !edge.routes.wake(app).await {
                    return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "no machine of this app takes requests now\n"));
                }
                woken = true;
                continue;
            }
        };
        match timeout(CONNECT_PATIENCE, TcpStream::connect(target.address)).await {
            Ok(Ok(stream)) => return Ok((target, stream)),
            Ok(Err(error)) => tracing::debug!(app, machine = target.machine, %error, attempt, "the machine cannot be reached"),
            Err(_) => break,
        }
        sleep(ATTEMPT_PAUSE).await;
    }
    Err(refusal(StatusCode::BAD_GATEWAY, "the machine of this app does not answer\n"))
}

async fn exchange(
    edge: Arc<Edge>,
    client: SocketAddr,
    mut request: Request<Incoming>,
    target: Target,
    stream: TcpStream,
) -> Response<Body> {
    let version = request.version();
    let websocket = version == Version::HTTP_11 && headers::wants_websocket(request.headers());
    let clients_end = websocket.then(|| hyper::upgrade::on(&mut request));
    rewrite(&mut request, websocket, client, edge.port, &target.region);

    let failed = |error: hyper::Error| {
        tracing::debug!(machine = target.machine, %error, "the machine did not answer");
        refusal(StatusCode::BAD_GATEWAY, "the machine of this app broke off\n")
    };
    let (mut sender, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(stream)).await {
        Ok(connected) => connected,
        Err(error) => return failed(error),
    };
    // It ends with the exchange: when the answer's body, or the whole request, is dropped on this side.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a machine ended early");
        }
    });
    let mut answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        Err(error) => return failed(error),
    };
    let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let machines_end = switches.then(|| hyper::upgrade::on(&mut answer));
    let answered_in = answer.version();
    headers::remove_hop_by_hop(answer.headers_mut());
    headers::add_via(answer.headers_mut(), answered_in);
    *answer.version_mut() = Version::HTTP_11;
    match (clients_end, machines_end) {
        (Some(clients_end), Some(machines_end)) => {
            headers::set_websocket(answer.headers_mut());
            edge.tunnels.spawn(tunnel(Arc::clone(&edge), clients_end, machines_end));
        }
        (None, Some(_)) => return refusal(StatusCode::BAD_GATEWAY, "the machine of this app switched protocols unasked\n"),
        (_, None) => {}
    }
    answer.map(BodyExt::boxed)
}

/// Makes the client's request this edge's own.
fn rewrite(request: &mut Request<Incoming>, websocket: bool, client: SocketAddr, port: u16, region: &str) {
    // A machine gets the origin form; the authority of an absolute form outweighs Host, so it becomes Host.
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(http::header::HOST, host);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = path.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    let version = request.version();
    let fields = request.headers_mut();
    headers::remove_hop_by_hop(fields);
    headers::add_forwarded(fields, client, port, region, version);
    if websocket {
        headers::set_websocket(fields);
    } else {
        // No second request will come over this connection.
        fields.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    *request.version_mut() = Version::HTTP_11;
}

/// Carries bytes both ways until one side ends or the edge does.
async fn tunnel(edge: Arc<Edge>, clients_end: OnUpgrade, machines_end: OnUpgrade) {
    let carried = edge.closing.run_until_cancelled(async {
        let (clients_end, machines_end): (Upgraded, Upgraded) =
            tokio::try_join!(clients_end, machines_end).map_err(std::io::Error::other)?;
        tokio::io::copy_bidirectional(&mut TokioIo::new(clients_end), &mut TokioIo::new(machines_end)).await
    });
    if let Some(Err(error)) = carried.await {
        tracing::debug!(%error, "a WebSocket broke off");
    }
}

/// An answer of the edge's own.
pub(super) fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
