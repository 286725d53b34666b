use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use access::{AccessError, Order, Unread};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
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
use crate::status::Board;

/// The largest body of an order: a configuration, many times over.
const MAX_BODY: usize = 1024 * 1024;
/// How long that body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// The longest name of a request, in bytes: an operation's identifier is far shorter.
const LONGEST_NAME: usize = 255;
/// How many lines of the log are answered where the order does not say.
const LINES: usize = 200;

/// Carries an order of the control plane out: `POST /_rockpool/restart`, `POST /_rockpool/doctor`, `PUT /_rockpool/config`,
/// `GET /_rockpool/logs?lines=N`.
///
/// Each needs a control token for this very method, path and body, which is good for one use. What takes time is answered with 202 as soon as
/// it is certain to happen: the state that `/health` shows has changed by then, so `/health?until=ready` waits for the new process.
pub(super) async fn control(front: &Front, request: Request<Incoming>) -> Response<Body> {
    attempt(front, request).await.unwrap_or_else(Problem::into_response)
}

async fn attempt(front: &Front, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let allowed = match parts.uri.path() {
        "/_rockpool/restart" | "/_rockpool/doctor" => "POST",
        "/_rockpool/config" => "PUT",
        _ => "GET",
    };
    if parts.method.as_str() != allowed {
        return Err(Problem::method_not_allowed(allowed));
    }
    // Who may give orders is known before the body is read: a stranger's would take memory and time from the gateway.
    let unread = front.verify_unread(&parts).map_err(|why| front.refuse_order(&why))?;
    let body = read(body).await?;
    let order = front.use_up(unread, &body).map_err(|why| front.refuse_order(&why))?;
    front.counters.orders.add_one();
    tracing::info!(by = order.subject, path = parts.uri.path(), "the control plane gave an order");
    match parts.uri.path() {
        "/_rockpool/restart" => once(front, "restart", &body, Board::order_restart),
        "/_rockpool/doctor" => once(front, "doctor", &body, Board::order_doctor),
        "/_rockpool/config" => configure(front, &body).await,
        _ => logs(front, parts.uri.query().unwrap_or_default()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// Names the wish behind the order. Whoever lost the answer gives the order again, under a new token and the same name.
    request: String,
}

/// Orders a new process of the gateway, once for each wish that has a name.
fn once(front: &Front, what: &'static str, body: &Bytes, carry_out: fn(&Board) -> u64) -> Result<Response<Body>, Problem> {
    let order = if body.is_empty() {
        carry_out(&front.board)
    } else {
        let Wish { request } =
            object(body).map_err(|error| Problem::bad_request(format!("The body must be empty or {{\"request\": …}}: {error}.")))?;
        if request.len() > LONGEST_NAME {
            return Err(Problem::bad_request(format!("A request's name has at most {LONGEST_NAME} bytes.")));
        }
        front.requests.lock().unwrap_or_else(PoisonError::into_inner).once((what, request), || carry_out(&front.board))
    };
    Ok(json(StatusCode::ACCEPTED, &json!({ "order": order })))
}

/// The last requests that were given a name, with what became of them.
#[derive(Debug, Default)]
pub(super) struct Requests(VecDeque<(Named, u64)>);

/// What was ordered, and the name of the wish behind it: one operation may well wish for both.
type Named = (&'static str, String);

impl Requests {
    /// More are given in an hour only if something is very wrong; a name that was forgotten costs one restart.
    const REMEMBERED: usize = 32;

    fn once(&mut self, request: Named, carry_out: impl FnOnce() -> u64) -> u64 {
        if let Some((_, order)) = self.0.iter().find(|(named, _)| *named == request) {
            return *order;
        }
        let order = carry_out();
        self.0.truncate(Self::REMEMBERED - 1);
        self.0.push_front((request, order));
        order
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configure<'a> {
    #[serde(borrow)]
    config: &'a RawValue,
}

async fn configure(front: &Front, body: &Bytes) -> Result<Response<Body>, Problem> {
    let configure: Configure<'_> =
        object(body).map_err(|error| Problem::bad_request(format!("The body must be {{\"config\": …}}: {error}.")))?;
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

/// Reads a JSON object and nothing else: serde would take an array for a struct, its elements for the members.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, serde_json::Error> {
    if json.trim_ascii_start().first() == Some(&b'{') {
        serde_json::from_slice(json)
    } else {
        Err(serde::de::Error::custom("it is no JSON object"))
    }
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
    let arrived = tokio::time::timeout(BODY_PATIENCE, Limited::new(body, MAX_BODY).collect()).await;
    let arrived = arrived.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body is too slow", "Send it again."))?;
    Ok(arrived.map_err(too_large)?.to_bytes())
}

impl Front {
    /// Verifies that a request bears a control token for itself, as far as its head shows.
    fn verify_unread(&self, parts: &Parts) -> Result<Unread, AccessError> {
        let token = bearer(&parts.headers).ok_or(AccessError::Malformed("there is none"))?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        self.control.control_unread(token, parts.method.as_str(), path, Timestamp::now())
    }

    /// Verifies that an order is for this body too, and uses its token up.
    fn use_up(&self, unread: Unread, body: &[u8]) -> Result<Order, AccessError> {
        let order = unread.with_body(body)?;
        self.first_use(&order.token_id, order.issued_at, order.expires_at, Timestamp::now())?;
        Ok(order)
    }

    /// Whether a request bears a valid access token, or a control token for itself: then it may read what the gateway said.
    pub(super) fn may_read_details(&self, parts: &Parts) -> bool {
        let Some(token) = bearer(&parts.headers) else { return false };
        self.access.access(token, Timestamp::now()).is_ok() || self.verify_unread(parts).and_then(|unread| self.use_up(unread, b"")).is_ok()
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
