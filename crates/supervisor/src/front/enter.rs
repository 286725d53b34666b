use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use jiff::Timestamp;

use super::answer::{Body, Problem, answer};
use super::{Front, page};

/// Opens a browser session with a one-time link: `GET /_rockpool/enter?token=…`.
pub(super) fn enter(front: &Front, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
    // HEAD is answered without using the link up: mail programs and chats look at links before people do.
    let opened = match *method {
        Method::GET => session(front, uri),
        Method::HEAD => return answer(StatusCode::NO_CONTENT, "text/plain", ""),
        _ => Err(Problem::method_not_allowed("GET")),
    };
    match opened {
        Ok(cookie) => {
            front.counters.sessions.add_one();
            // 303, so that the token is in no address that a later page could hand on.
            let mut response = answer(StatusCode::SEE_OTHER, "text/plain", "");
            response.headers_mut().insert(SET_COOKIE, cookie);
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
            response
        }
        Err(problem) => page::for_caller(problem, page::is_navigation(method, headers)),
    }
}

fn session(front: &Front, uri: &Uri) -> Result<HeaderValue, Problem> {
    let now = Timestamp::now();
    let token = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token="))).unwrap_or_default();
    let visit = front.access.link(token, now).and_then(|visit| {
        front.first_use(&visit.token_id, visit.issued_at, visit.expires_at, now)?;
        Ok(visit)
    });
    let visit = visit.map_err(|why| {
        front.counters.refused.add_one();
        tracing::info!(%why, "a link was refused");
        let detail = "This link was used before, or is too old: it works once, within a minute. Get a new one from the platform.";
        Problem::new(StatusCode::UNAUTHORIZED, "link-refused", "This link no longer works", detail)
            .with(http::header::WWW_AUTHENTICATE, r#"Bearer realm="instance""#)
    })?;
    front.sessions.cookie_for(&visit, now).ok_or_else(Problem::internal)
}
