//! The layers around a router.

use std::any::Any;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::{RequestExt as _, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, Span, field::Empty};

use crate::body::BODY_LIMIT;
use crate::problem::{Kind, Problem};
use crate::request_id::{self, RequestId};

/// What an answer carries unless its handler says otherwise. Answers to a token's bearer are nobody else's to keep (RFC 6750, section 5.3),
/// and no answer of an API is a page that may load or be framed by anything.
const DEFAULT_HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    // Browsers ignore it over plain http (RFC 6797, section 8.1), so it does no harm on a laptop.
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Puts around a complete router what every answer goes through: a request id, a tracing span and one log line, problem documents for
/// unknown addresses, wrong methods and panics, a body limit, and security headers. Call it last, once.
pub fn dress(router: Router) -> Router {
    router
        .fallback(async || Problem::not_found("such address"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(finish))
}

fn panicked(message: Box<dyn Any + Send + 'static>) -> Response {
    let text = message.downcast_ref::<&str>().map(ToString::to_string).or_else(|| message.downcast_ref::<String>().cloned());
    Problem::internal(format!("a handler panicked: {}", text.unwrap_or_default())).into_response()
}

async fn finish(mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    // The route's pattern, not the address: addresses hold identifiers, and those who search logs search for routes.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let method = request.method().clone();
    let span = tracing::info_span!("request", request_id = %id, %method, route, organisation = Empty, instance = Empty, operation = Empty);
    if let Ok(parameters) = request.extract_parts::<RawPathParams>().await {
        span.in_scope(|| parameters.iter().for_each(|(_, value)| note_identifier(value)));
    }
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).instrument(span.clone()).await;

    span.in_scope(|| {
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            identify(&mut response, &problem, &id);
            report(&problem);
        }
        tracing::info!(status = response.status().as_u16(), milliseconds = began.elapsed().as_millis(), "answered");
    });
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.header());
    for (name, value) in DEFAULT_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Writes the problem's document anew, with the request's id.
fn identify(response: &mut Response, problem: &Problem, id: &RequestId) {
    let body = problem.document(Some(id.as_str())).json();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
}

fn report(problem: &Problem) {
    let cause = problem.cause().unwrap_or_default();
    // What is away without a cause of its own was told by whoever found out why.
    let told = problem.kind() == Kind::Unavailable && cause.is_empty();
    if problem.kind().status().is_server_error() && !told {
        tracing::error!(kind = ?problem.kind(), cause, "a request failed");
    } else {
        tracing::debug!(kind = ?problem.kind(), cause, "a request was refused");
    }
}

/// Writes into the request's span what an address is about. What is no identifier of ours is not repeated.
fn note_identifier(text: &str) {
    if let Ok(instance) = text.parse() {
        note_instance(instance);
    } else if let Ok(operation) = text.parse() {
        note_operation(operation);
    }
}

/// Writes into the request's span which instance it is about, where the address does not say so.
pub fn note_instance(instance: domain::InstanceId) {
    Span::current().record("instance", instance.to_string());
}

/// Writes into the request's span which operation it has started, or is about.
pub fn note_operation(operation: domain::OperationId) {
    Span::current().record("operation", operation.to_string());
}

/// Writes into the request's span whose request it is.
pub(crate) fn note_organisation(organisation: domain::OrganisationId) {
    Span::current().record("organisation", organisation.to_string());
}
