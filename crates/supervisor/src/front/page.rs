use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, HeaderValue, Method, Response};
use sha2::{Digest as _, Sha256};

use super::answer::{Body, Problem, answer};

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1.5rem;color:#1c2733;background:#f7f8fa}\
h1{font-size:1.4rem}p{color:#4a5665}@media(prefers-color-scheme:dark){body{color:#e6eaf0;background:#12161c}p{color:#a3adba}}";

/// Nothing may be loaded or run, and of styles only ours (CSP level 3).
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).expect("base64 is visible ASCII")
});

/// A problem in the form the caller can read: a page where a browser opens one ([`is_navigation`]), otherwise a problem document.
pub(super) fn for_caller(problem: Problem, is_navigation: bool) -> Response<Body> {
    if is_navigation { page(problem) } else { problem.into_response() }
}

/// Whether a person is looking: a page is asked for, and not by a script that wants a WebSocket.
pub(super) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let accepts_pages =
        headers.get_all(http::header::ACCEPT).iter().any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")));
    matches!(*method, Method::GET | Method::HEAD) && accepts_pages && !headers.contains_key(http::header::UPGRADE)
}

fn page(problem: Problem) -> Response<Body> {
    // A gateway that is down comes back, and the page with it; a token that is refused does not.
    let refresh = if problem.status.is_server_error() { r#"<meta http-equiv="refresh" content="5">"# } else { "" };
    let (title, detail) = (problem.title, escaped(&problem.detail));
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">{refresh}\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1><p>{detail}</p></body></html>"
    );
    let mut response = answer(problem.status, "text/html; charset=utf-8", html);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    if let Some((name, value)) = problem.header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
