use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::answer::{Body, Problem};
use super::deadline::{self, Until};
use super::headers::{is_websocket, protocol_of_ours, to_caller, to_gateway};
use super::{Front, page};
use crate::status::Phase;

/// On loopback a connection is there at once or not at all.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// A model may think for minutes before the first byte of an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(600);

/// Methods that are passed on (RFC 9110, section 9.3; RFC 5789), as an `Allow` header lists them. CONNECT would open a tunnel to anywhere,
/// and TRACE would send the caller's own token back.
const PASSED_ON: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Passes a caller's request on to the gateway, and a WebSocket through to it.
pub(super) async fn forward(front: &Arc<Front>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let is_navigation = page::is_navigation(request.method(), request.headers());
    attempt(front, peer, request).await.unwrap_or_else(|problem| page::for_caller(problem, is_navigation))
}

async fn attempt(front: &Arc<Front>, peer: SocketAddr, mut request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Problem::method_not_allowed(PASSED_ON));
    }
    let now = Timestamp::now();
    let websocket = is_websocket(request.method(), request.headers());
    let caller = front.caller(request.headers(), now)?;
    front.check_origin(&caller, request.method(), request.headers(), websocket)?;
    let end = deadline::of_token(caller.visitor.expires_at, now);

    let Some(stream) = connect(front).await else {
        front.counters.unavailable.add_one();
        return Err(Problem::gateway_down(why_down(front.board.phase())));
    };
    let protocol = protocol_of_ours(request.headers());
    let client_side = websocket.then(|| hyper::upgrade::on(&mut request));
    to_gateway(request.headers_mut(), &front.settings, &caller, peer, websocket);
    let clients_fault = Arc::new(AtomicBool::new(false));
    let outgoing = outgoing(request, &clients_fault)?;

    front.counters.forwarded.add_one();
    let answer = timeout(ANSWER_PATIENCE.min(end.saturating_duration_since(Instant::now())), exchange(stream, outgoing)).await;
    let mut response = answer.ok().flatten().ok_or_else(|| {
        if clients_fault.load(Ordering::Relaxed) {
            return Problem::bad_request("The request's body broke off or is malformed.");
        }
        front.counters.broke_off.add_one();
        Problem::gateway_broke_off()
    })?;
    match (response.status() == StatusCode::SWITCHING_PROTOCOLS, client_side) {
        (true, Some(client_side)) => {
            let gateway_side = hyper::upgrade::on(&mut response);
            tokio::spawn(tunnel(front.clone(), client_side, gateway_side, end));
            let (mut parts, _) = response.into_parts();
            to_caller(&mut parts.headers);
            parts.headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
            parts.headers.insert(http::header::UPGRADE, http::HeaderValue::from_static("websocket"));
            if let (false, Some(protocol)) = (parts.headers.contains_key(SEC_WEBSOCKET_PROTOCOL), protocol) {
                parts.headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
            }
            Ok(Response::from_parts(parts, http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()))
        }
        // It switched to a protocol that nobody asked for.
        (true, None) => Err(Problem::gateway_broke_off()),
        (false, _) => {
            let (mut parts, body) = response.into_parts();
            to_caller(&mut parts.headers);
            let body = body.map_err(Into::into).boxed_unsync();
            Ok(Response::from_parts(parts, Until::new(body, end).boxed_unsync()))
        }
    }
}

/// A new connection each time: on loopback it costs some 50 µs, and no request is ever lost to a connection that the gateway was just
/// closing.
async fn connect(front: &Front) -> Option<TcpStream> {
    if !front.board.phase().has_process() {
        return None;
    }
    let stream = timeout(CONNECT_PATIENCE, TcpStream::connect(front.settings.gateway_address())).await.ok()?.ok()?;
    // An option that only speeds small frames up; without it the connection works.
    drop(stream.set_nodelay(true));
    Some(stream)
}

/// The request in origin form (RFC 9112, 3.2.1), with its body as a stream that notes whether it was the client who ended it early.
fn outgoing(request: Request<Incoming>, clients_fault: &Arc<AtomicBool>) -> Result<Request<Body>, Problem> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if !path.as_str().starts_with('/') {
        return Err(Problem::bad_request("The request's target is not a path."));
    }
    parts.uri = Uri::from(path);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let noted = Arc::clone(clients_fault);
    let body = body.map_err(move |error| {
        noted.store(true, Ordering::Relaxed);
        error.into()
    });
    Ok(Request::from_parts(parts, body.boxed_unsync()))
}

async fn exchange(stream: TcpStream, request: Request<Body>) -> Option<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // It ends with the response's body, or with the tunnel that it became.
    tokio::spawn(async {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection to the gateway broke off");
        }
    });
    let answer = sender.send_request(request).await;
    answer.inspect_err(|error| tracing::info!(error = error as &dyn std::error::Error, "the gateway broke off")).ok()
}

/// Carries the bytes of a WebSocket, untouched, until either side ends it, the token ends, or the supervisor does.
async fn tunnel(front: Arc<Front>, client_side: OnUpgrade, gateway_side: OnUpgrade, end: Instant) {
    let (Ok(client), Ok(gateway)) = tokio::join!(client_side, gateway_side) else { return };
    let (mut client, mut gateway) = (TokioIo::new(client), TokioIo::new(gateway));
    front.counters.websockets.add_one();
    tokio::select! {
        // How it ended is between the two ends.
        _ = tokio::io::copy_bidirectional(&mut client, &mut gateway) => {}
        () = tokio::time::sleep_until(end) => {
            front.counters.websockets_expired.add_one();
            tracing::info!("a WebSocket was closed because its token ended");
        }
    }
    front.counters.websockets_ended.add_one();
}

fn why_down(phase: Phase) -> &'static str {
    match phase {
        Phase::WaitingForVolume => "It waits for its volume. This page looks again every few seconds.",
        Phase::Starting | Phase::Ready | Phase::NotReady => "It is starting. This page looks again every few seconds.",
        Phase::Restarting => "It is being restarted. This page looks again every few seconds.",
        Phase::UnderDoctor => "It is being examined and repaired, and started afterwards. This page looks again every few seconds.",
        Phase::BackingOff => "It ended unexpectedly and will be started again shortly. This page looks again every few seconds.",
        Phase::Refused => "It refuses its configuration. Change the configuration, then restart it.",
        Phase::Stopping | Phase::Stopped => "It is being stopped.",
    }
}
