use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What kind of problem it is. Clients compare `type`; it never changes its meaning once it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Kind {
    NotJson,
    WrongType,
    InvalidBody,
    UnknownField,
    InvalidQuery,
    InvalidCursor,
    InvalidIdempotencyKey,
    Unauthorised,
    TokenExpired,
    TokenForeign,
    TokenInvalid,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NameTaken,
    Busy,
    StateForbids,
    RegionInUse,
    NotCancellable,
    QuotaExceeded,
    BodyTooLarge,
    UnsupportedMediaType,
    NameTooLong,
    NameInvalid,
    UnknownRegion,
    UnknownPlan,
    UnknownVersion,
    PlanTooSmall,
    IdempotencyKeyReused,
    Internal,
    Unavailable,
}

impl Kind {
    /// Every kind, by status.
    pub const ALL: [Self; 31] = [
        Self::NotJson,
        Self::WrongType,
        Self::InvalidBody,
        Self::UnknownField,
        Self::InvalidQuery,
        Self::InvalidCursor,
        Self::InvalidIdempotencyKey,
        Self::Unauthorised,
        Self::TokenExpired,
        Self::TokenForeign,
        Self::TokenInvalid,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NameTaken,
        Self::Busy,
        Self::StateForbids,
        Self::RegionInUse,
        Self::NotCancellable,
        Self::QuotaExceeded,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::NameTooLong,
        Self::NameInvalid,
        Self::UnknownRegion,
        Self::UnknownPlan,
        Self::UnknownVersion,
        Self::PlanTooSmall,
        Self::IdempotencyKeyReused,
        Self::Internal,
        Self::Unavailable,
    ];

    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotJson => (400, "not-json", "The body of the request is not JSON"),
            Self::WrongType => (400, "wrong-type", "A value in the body of the request has the wrong type"),
            Self::InvalidBody => (400, "invalid-body", "The body of the request cannot be used"),
            Self::UnknownField => (400, "unknown-field", "The body of the request has an unknown field"),
            Self::InvalidQuery => (400, "invalid-query", "A query parameter cannot be used"),
            Self::InvalidCursor => (400, "invalid-cursor", "The cursor is not one that was given out"),
            Self::InvalidIdempotencyKey => (400, "invalid-idempotency-key", "The idempotency key cannot be used"),
            Self::Unauthorised => (401, "unauthorised", "The caller is not known"),
            Self::TokenExpired => (401, "token-expired", "The access token has expired"),
            Self::TokenForeign => (401, "token-foreign", "The access token is not for this service"),
            Self::TokenInvalid => (401, "token-invalid", "The access token cannot be used"),
            Self::Forbidden => (403, "forbidden", "The caller may not do this"),
            Self::NotFound => (404, "not-found", "There is no such thing"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "The method is not supported here"),
            Self::NameTaken => (409, "name-taken", "The name is taken"),
            Self::Busy => (409, "busy", "The instance is busy"),
            Self::StateForbids => (409, "state-forbids", "The instance's state forbids it"),
            Self::RegionInUse => (409, "region-in-use", "The instance lives in a region that the list leaves out"),
            Self::NotCancellable => (409, "not-cancellable", "The operation can no longer be cancelled"),
            Self::QuotaExceeded => (409, "quota-exceeded", "The plan allows no more"),
            Self::BodyTooLarge => (413, "body-too-large", "The body of the request is too large"),
            Self::UnsupportedMediaType => (415, "unsupported-media-type", "The body of the request has another media type than JSON"),
            Self::NameTooLong => (422, "name-too-long", "The name is too long"),
            Self::NameInvalid => (422, "name-invalid", "The name is not a DNS label"),
            Self::UnknownRegion => (422, "unknown-region", "There is no such region"),
            Self::UnknownPlan => (422, "unknown-plan", "There is no such plan"),
            Self::UnknownVersion => (422, "unknown-version", "There is no such gateway version"),
            Self::PlanTooSmall => (422, "plan-too-small", "The plan is too small for the gateway version"),
            Self::IdempotencyKeyReused => (422, "idempotency-key-reused", "The idempotency key was used for another request"),
            Self::Internal => (500, "internal", "Something went wrong on our side"),
            Self::Unavailable => (503, "unavailable", "Not available at the moment"),
        }
    }

    /// The kind as an address. It is absolute, because RFC 9457 (section 3.1.1) warns that a relative one means different things on
    /// different hosts, and every operator of Rockpool has hosts of their own. It identifies; nobody needs to fetch it.
    #[must_use]
    pub fn uri(self) -> String {
        format!("https://rockpool.dev/problems/{}", self.row().1)
    }

    /// The status that goes with the kind, always the same.
    ///
    /// # Panics
    /// Never: the table holds statuses only.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).expect("the table holds statuses only")
    }

    /// The kind in a few words, always the same.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }
}

/// A refusal or failure on its way to the caller (RFC 9457). Made by its named constructors only.
#[derive(Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// Texts longer than this many characters are cut: they may quote what the caller sent.
const LONGEST_TEXT: usize = 500;

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: cut(detail.into()), members: Map::new(), headers: Vec::new(), cause: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(cut(text)),
            value => value,
        };
        self.members.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Remembers what caused the problem, for the log. It never reaches the caller.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What caused it, outermost first, for the log.
    pub(crate) fn cause(&self) -> Option<String> {
        let first: &dyn Error = self.cause.as_deref()?;
        let chain = std::iter::successors(Some(first), |error: &&dyn Error| (*error).source());
        Some(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }

    /// The document that the caller gets.
    #[must_use]
    pub fn document(&self, request_id: Option<&str>) -> ProblemDocument {
        ProblemDocument {
            kind: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone(),
            request_id: request_id.map(str::to_owned),
            members: self.members.clone(),
        }
    }
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), self.document(None).json()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(self.headers.iter().cloned());
        // The layer around the router finds it here and writes it anew with the request's id, which a handler does not know.
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("kind", &self.kind)
            .field("detail", &self.detail)
            .field("cause", &self.cause())
            .finish_non_exhaustive()
    }
}

/// A problem as JSON, `application/problem+json` (RFC 9457, section 3).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// The kind of problem: an address that identifies it and never changes.
    #[serde(rename = "type")]
    #[schema(format = "uri", example = "https://rockpool.dev/problems/name-taken")]
    kind: String,
    /// The kind in a few words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What was wrong this time, and what to do about it.
    detail: String,
    /// Tell it to support: our logs know the request by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// What a program may want to know besides: `operation`, `allowed`, `fits`, `field` and so on, by kind.
    #[serde(flatten)]
    #[schema(additional_properties)]
    members: Map<String, Value>,
}

impl ProblemDocument {
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers can be written as JSON")
    }
}
