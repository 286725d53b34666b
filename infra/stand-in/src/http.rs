use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use gateway::Family;
use serde_json::json;

use crate::page;
use crate::serve::Gateway;
use crate::session::Session;
use crate::socket::{self, MAX_PAYLOAD};

/// Everything is under `/`: OpenClaw knows four paths of health; every other path, and all of Clawdbot's, is the Control UI.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let router = Router::new().fallback(front);
    let router = match gateway.family {
        Family::Openclaw => router
            .route("/healthz", get(live))
            .route("/health", get(live))
            .route("/startupz", get(started))
            .route("/readyz", get(ready))
            .route("/ready", get(ready)),
        Family::Clawdbot => router,
    };
    router.layer(from_fn_with_state(gateway.clone(), attributed)).with_state(gateway)
}

/// OpenClaw turns forwarded requests away that it cannot attribute, on every path but the one for liveness.
async fn attributed(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let spared = matches!(request.uri().path(), "/healthz" | "/health");
    if !spared && gateway.forwarding().lacks_attribution(request.headers()) {
        let message = "Proxy client attribution is required. Configure gateway.trustedProxies narrowly and make the proxy overwrite or \
                       safely rebuild forwarded client headers.";
        let body = json!({ "error": { "message": message, "type": "proxy_attribution_required" } });
        return (StatusCode::FORBIDDEN, Json(body)).into_response();
    }
    next.run(request).await
}

async fn live() -> Response {
    Json(json!({ "ok": true, "status": "live" })).into_response()
}

async fn started(State(gateway): State<Arc<Gateway>>) -> Response {
    let (status, ok, word) = match (gateway.is_draining(), gateway.is_ready()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, false, "draining"),
        (false, true) => (StatusCode::OK, true, "started"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, false, "starting"),
    };
    (status, Json(json!({ "ok": ok, "status": word }))).into_response()
}

/// The details are for this host alone.
async fn ready(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let failing: &[&str] = match (gateway.is_draining(), gateway.is_ready()) {
        (true, _) => &["gateway-draining"],
        (false, true) => &[],
        (false, false) => &["startup-sidecars"],
    };
    let ready = failing.is_empty();
    let mut body = json!({ "ready": ready });
    if !crate::proxy::Forwarding::is_forwarded(&headers) {
        body["failing"] = json!(failing);
        body["uptimeMs"] = json!(gateway.uptime().as_millis() as u64);
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

async fn front(
    State(gateway): State<Arc<Gateway>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) if uri.path() == "/" => {
            let session = Session::new(gateway.clone(), headers, gateway.forwarding());
            upgrade.max_message_size(MAX_PAYLOAD).on_upgrade(move |socket| socket::carry(socket, gateway, session))
        }
        Ok(_) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => ([("content-security-policy", page::POLICY)], Html(page::control_ui(gateway.family))).into_response(),
    }
}
