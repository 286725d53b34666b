use std::sync::PoisonError;

use access::{AccessError, Order};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Front;
use super::answer::{Body, Problem, json};
use super::caller::bearer;
use crate::keeper::{Config, check};

/// The largest body of an order: a configuration, many times over.
const MAX_BODY: usize = 1024 * 1024;
/// How many lines of the log are answered where the order does not say.
const LINES: usize = 200;

/// Carries an order of the control plane out: `POST /_rockpool/restart`, `PUT /_rockpool/config`, `GET /_rockpool/logs?lines=N`.
///
/// Each needs a control token for this very method, path and body, which is good for one use. What takes time is answered with 202 as soon as
/// it is certain to happen: the state that `/health` shows has changed by then, so `/health?until=ready` waits for the new process.
pub(super) async fn control(front: &Front, request: Request<Incoming>) -> Response<Body> {
    attempt(front, request).await.unwrap_or_else(Problem::into_response)
}

async fn attempt(front: &Front, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let allowed = match parts.uri.path() {
        "/_rockpool/restart" => "POST",
        "/_rockpool/config" => "PUT",
        _ => "GET",
    };
    if parts.method.as_str() != allowed {
        return Err(Problem::method_not_allowed(allowed));
    }
    if bearer(&parts.headers).is_none() {
        return Err(front.refuse_order(&AccessError::Malformed("there is none")));
    }
    let body = read(body).await?;
    let order = front.order(&parts, &body)?;
    front.counters.orders.add_one();
    tracing::info!(by = order.subject, path = parts.uri.path(), "the control plane gave an order");
    match parts.uri.path() {
        "/_rockpool/restart" => Ok(restart(front)),
        "/_rockpool/config" => configure(front, &body).await,
        _ => logs(front, parts.uri.query().unwrap_or_default()),
    }
}

fn restart(front: &Front) -> Response<Body> {
    let order = front.board.order_restart();
    json(StatusCode::ACCEPTED, &json!({ "order": order }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configure<'a> {
    #[serde(borrow)]
    config: &'a RawValue,
}

async fn configure(front: &Front, body: &Bytes) -> Result<Response<Body>, Problem> {
    let configure: Configure<'_> =
        serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("The body must be {{\"config\": …}}: {error}.")))?;
    let config = Config::from(configure.config.get().as_bytes().to_vec());
    check(&front.settings, &config).await.map_err(|why| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "config-refused", "The gateway would refuse this configuration", why)
    })?;
    front.configs.apply(&config).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a configuration could not be kept");
        Problem::internal()
    })?;
    let order = front.board.order_restart();
    Ok(json(StatusCode::ACCEPTED, &json!({ "order": order, "config_digest": config.digest() })))
}

fn logs(front: &Front, query: &str) -> Result<Response<Body>, Problem> {
    let lines = query.split('&').find_map(|pair| pair.strip_prefix("lines="));
    let lines = lines.map_or(Ok(LINES), str::parse).map_err(|_| Problem::bad_request("`lines` must be a number."))?;
    Ok(json(StatusCode::OK, &json!({ "lines": front.tail.last(lines) })))
}

async fn read(body: Incoming) -> Result<Bytes, Problem> {
    let too_large = |_| {
        let detail = format!("The body of an order has at most {MAX_BODY} bytes.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    };
    Ok(Limited::new(body, MAX_BODY).collect().await.map_err(too_large)?.to_bytes())
}

impl Front {
    /// Verifies that a request bears a control token for itself, and uses the token up.
    fn order(&self, parts: &Parts, body: &[u8]) -> Result<Order, Problem> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = access::Request { method: parts.method.as_str(), path, body };
        let now = Timestamp::now();
        let token = bearer(&parts.headers).unwrap_or_default();
        let order = self.control.control(token, &request, now).and_then(|order| {
            self.first_use(&order.token_id, order.issued_at, order.expires_at, now)?;
            Ok(order)
        });
        order.map_err(|why| self.refuse_order(&why))
    }

    /// Whether a request bears any valid token: then it may read what the gateway said.
    pub(super) fn may_read_details(&self, parts: &Parts) -> bool {
        bearer(&parts.headers).is_some()
            && (self.access.access(bearer(&parts.headers).unwrap_or_default(), Timestamp::now()).is_ok()
                || parts.method == Method::GET && self.order(parts, b"").is_ok())
    }

    pub(super) fn first_use(&self, token_id: &str, issued_at: Timestamp, expires_at: Timestamp, now: Timestamp) -> Result<(), AccessError> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).first_use(token_id, issued_at, expires_at, now)
    }

    fn refuse_order(&self, why: &AccessError) -> Problem {
        self.counters.refused.add_one();
        tracing::warn!(%why, "an order was refused");
        Problem::unauthorised()
    }
}
