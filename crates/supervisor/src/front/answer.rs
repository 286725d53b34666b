use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;

/// A body of ours or of the gateway's.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
/// Why a body broke off. Seen by the connection alone, which ends with it.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer made here, with what all of them have in common: never stored, never sniffed, never framed.
pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    response
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(body).expect("what is answered has string keys and finite numbers");
    answer(status, "application/json", body)
}

/// Details longer than this many bytes are cut: they may name what the caller sent.
const LONGEST_DETAIL: usize = 1000;

/// What went wrong, for programs (RFC 9457). The `type` is stable; the detail is for people and says nothing of the inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) detail: String,
    /// A header that belongs to the answer.
    pub(super) header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > LONGEST_DETAIL {
            detail.truncate(detail.floor_char_boundary(LONGEST_DETAIL));
            detail.push('…');
        }
        Self { status, slug, title, detail, header: None }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "There is nothing at this path.")
    }

    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        let detail = format!("Use {allowed} here.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail).with(http::header::ALLOW, allowed)
    }

    /// One text for everything that is wrong with a token: what it is, the log says.
    pub(super) fn unauthorised() -> Self {
        let detail = "A valid token for this instance is needed. Get one from the platform.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "Not authorised", detail)
            .with(http::header::WWW_AUTHENTICATE, r#"Bearer realm="instance""#)
    }

    pub(super) fn foreign_origin() -> Self {
        let detail =
            "A request with the session cookie that opens a WebSocket or changes something must come from this instance's own pages.";
        Self::new(StatusCode::FORBIDDEN, "foreign-origin", "Wrong origin", detail)
    }

    pub(super) fn gateway_down(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "gateway-down", "The gateway is not running", detail)
            .with(http::header::RETRY_AFTER, "5")
    }

    pub(super) fn gateway_broke_off() -> Self {
        let detail = "The gateway ended the connection without an answer. Try again if that is safe.";
        Self::new(StatusCode::BAD_GATEWAY, "gateway-broke-off", "The gateway broke off", detail)
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong",
            "The supervisor could not do this. Its log says why.",
        )
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let body = serde_json::json!({
            "type": format!("urn:rockpool:problem:{}", self.slug),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = answer(self.status, "application/problem+json", body.to_string());
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
