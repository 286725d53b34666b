//! Requests to the API.

use axum::body::Body;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::stage::STAGE;

/// `METHOD TARGET`, header lines, an empty line and a body. Whoever names no `authorization` is Alice. The answer is a success or a whole
/// problem document that blames the caller, and shows no token.
pub fn api_request(input: &[u8]) -> bool {
    let Some(request) = request(input) else { return false };
    let answer = STAGE.runtime.block_on(async {
        let (parts, body) = STAGE.router.clone().oneshot(request).await.unwrap().into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    });
    let (parts, body) = answer;
    let said = String::from_utf8_lossy(&body);
    assert!(!said.contains(&STAGE.token), "the token is in the answer: {said}");
    if parts.status.is_success() || (parts.status.is_client_error() && body.is_empty()) {
        return parts.status.is_success();
    }
    assert!(parts.status.is_client_error(), "{} {said}", parts.status);
    assert_eq!(parts.headers["content-type"], "application/problem+json", "{said}");
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["status"], parts.status.as_u16());
    assert!(parts.status != StatusCode::UNAUTHORIZED || parts.headers.contains_key("www-authenticate"));
    assert!(body.len() < 8192, "an answer of {} bytes", body.len());
    false
}

fn request(input: &[u8]) -> Option<Request<Body>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let body = input.get(end + 2..).unwrap_or_default().to_vec();
    let mut request = Request::builder().method(method).uri(target).body(Body::from(body)).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (HeaderName::from_bytes(&line[..colon]).ok()?, line[colon + 1..].trim_ascii());
        request.headers_mut().append(name, HeaderValue::from_bytes(value).ok()?);
    }
    if !request.headers().contains_key(AUTHORIZATION) {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", STAGE.token)).unwrap());
    }
    Some(request)
}
