use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::answer::{Body, Problem, answer as respond};
use super::control::control;
use super::enter::enter;
use super::forward::forward;
use super::health::health;
use super::{Front, page};

/// Answers one request: what is the supervisor's own, here; everything else by the gateway.
pub(crate) async fn answer(front: Arc<Front>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    // RFC 9112, 6.1: a message that also had a `Content-Length` may be an attempt at smuggling. hyper goes by the chunks alone and removes
    // the length before it can be seen here, so the connection is closed after every message in chunks, as the RFC demands for such ones.
    let in_chunks = request.headers().contains_key(TRANSFER_ENCODING);
    let mut response = route(front, peer, request).await;
    if in_chunks && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn route(front: Arc<Front>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/_rockpool/live" => live(request.method()),
        "/health" => {
            let (parts, _) = request.into_parts();
            health(&front, &parts).await
        }
        "/_rockpool/enter" => enter(&front, request.method(), request.uri(), request.headers()),
        "/_rockpool/restart" | "/_rockpool/doctor" | "/_rockpool/config" | "/_rockpool/logs" => control(&front, request).await,
        path if path == "/_rockpool" || path.starts_with("/_rockpool/") => {
            page::for_caller(Problem::not_found(), page::is_navigation(request.method(), request.headers()))
        }
        _ => forward(&front, peer, request).await,
    }
}

/// 200 while the supervisor runs, whatever the gateway does: Fly's check asks this, and a machine that fails it cannot be reached.
fn live(method: &Method) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => respond(StatusCode::OK, "text/plain", "live\n"),
        _ => Problem::method_not_allowed("GET").into_response(),
    }
}
