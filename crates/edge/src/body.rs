use axum::body::Body;
use axum::extract::{FromRequest, OptionalFromRequest};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;

/// The longest body that is read, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// What a body means, beside how it is written. Parsing belongs to the extractor, so that a handler only ever sees good values.
pub trait Request: Sized {
    /// The JSON form. It should deny unknown fields (`#[serde(deny_unknown_fields)]`): a misspelt wish must not be ignored. A struct within
    /// it stands in an [`Object`](crate::Object), or an array would be taken for it.
    type Wire: DeserializeOwned;

    /// From the form to the meaning.
    ///
    /// # Errors
    /// The problem names the field and says what to do.
    fn parse(wire: Self::Wire) -> Result<Self, Problem>;
}

/// A JSON body (RFC 8259) of at most [`BODY_LIMIT`] bytes. As `Option<JsonBody<T>>` it may be missing altogether.
#[derive(Debug)]
pub struct JsonBody<T> {
    /// What was asked.
    pub request: T,
    /// SHA-256 of the body as it came: two requests with one idempotency key must agree in it.
    pub digest: [u8; 32],
}

impl<S: Send + Sync, T: Request> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Err(Problem::not_json("The body is empty."));
        }
        interpret(&parts.headers, &bytes)
    }
}

impl<S: Send + Sync, T: Request> OptionalFromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, _: &S) -> Result<Option<Self>, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() { Ok(None) } else { interpret(&parts.headers, &bytes).map(Some) }
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::body_too_large(BODY_LIMIT)),
        Err(error) => Err(Problem::not_json("The body broke off before its end.").caused_by(error)),
    }
}

fn interpret<T: Request>(headers: &HeaderMap, bytes: &[u8]) -> Result<JsonBody<T>, Problem> {
    if !is_json(headers) {
        return Err(Problem::unsupported_media_type());
    }
    // What stops being JSON after a value of a wrong type is no JSON all the same.
    let wire = form(bytes).map_err(|problem| match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(IgnoredAny) => problem,
        Err(error) => refuse(".", &error),
    })?;
    Ok(JsonBody { request: T::parse(wire)?, digest: Sha256::digest(bytes).into() })
}

fn form<Wire: DeserializeOwned>(bytes: &[u8]) -> Result<Wire, Problem> {
    // Serde would take an array for a struct, its elements for the fields in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::wrong_type(None, "a JSON array, expected a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let wire = serde_path_to_error::deserialize(&mut json).map_err(|error| refuse(&error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| refuse(".", &error))?;
    Ok(wire)
}

/// `application/json` or a type built on it (RFC 6839, section 3.1), in UTF-8, which is the only encoding JSON has (RFC 8259, section 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let mut charsets = parts.filter_map(|parameter| parameter.strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned()));
    json && charsets.all(|name| name == "utf-8" || name == "utf8")
}

/// The sentence for a body that serde refused. `path` is where it was refused, `.` at the top.
fn refuse(path: &str, error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Io | Category::Syntax => Problem::not_json(format_args!("The body is not JSON: {error}.")),
        Category::Eof => Problem::not_json(format_args!("The JSON ends too early: {error}.")),
        Category::Data => {
            let text = error.to_string();
            // Serde's own words for `deny_unknown_fields`; the field is the last part of the path.
            if let Some((_, expected)) = text.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, ")) {
                return Problem::unknown_field(path, expected.split(" at line ").next().unwrap_or(expected));
            }
            let field = (path != ".").then_some(path);
            // Its words for a value of another type, or beyond what the type holds.
            if ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|words| text.starts_with(words)) {
                return Problem::wrong_type(field, text);
            }
            let place = field.map_or("The body".to_owned(), |field| format!("The field `{field}`"));
            let problem =
                Problem::invalid_body(format_args!("{place} cannot be used. Correct it as `GET /openapi.json` describes: {text}."));
            if let Some(field) = field { problem.with("field", field) } else { problem }
        }
    }
}
