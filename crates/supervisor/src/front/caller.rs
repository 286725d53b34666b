use access::AccessError;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use jiff::Timestamp;

use super::Front;
use super::answer::Problem;
use super::session::Visitor;

/// What precedes an access token among the WebSocket subprotocols that a client offers. A browser's script can set no header but this.
pub(super) const PROTOCOL_WITH_TOKEN: &str = "rockpool.token.";
/// A subprotocol that a client may offer beside the token, to have an answer that does not repeat it.
pub(super) const PROTOCOL: &str = "rockpool";

/// Who calls, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) visitor: Visitor,
    /// Whether a browser vouches with its cookie, which it sends along whoever makes it call.
    by_cookie: bool,
}

impl Front {
    /// The caller of a request to the gateway: by the `Authorization` header, else by a subprotocol, else by the session cookie. The first
    /// that holds is taken; a stale one beside it does no harm, and none of them is passed on.
    pub(super) fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Problem> {
        let mut why: Option<AccessError> = None;
        for token in bearer(headers).into_iter().chain(protocols(headers).filter_map(|name| name.strip_prefix(PROTOCOL_WITH_TOKEN))) {
            match self.access.access(token, now) {
                Ok(visit) => return Ok(Caller { visitor: visit.into(), by_cookie: false }),
                Err(error) => why = why.or(Some(error)),
            }
        }
        if let Some(visitor) = self.sessions.visitor(headers, now) {
            return Ok(Caller { visitor, by_cookie: true });
        }
        self.counters.refused.add_one();
        match why {
            Some(error) => tracing::info!(why = %error, "a caller was refused"),
            None => tracing::debug!("a caller without a token was refused"),
        }
        Err(Problem::unauthorised())
    }

    /// With the cookie alone, what opens a WebSocket or may change something must come from the instance's own pages (RFC 6454): other
    /// sites can make a browser call, but not make it lie about who did.
    pub(super) fn check_origin(&self, caller: &Caller, method: &Method, headers: &HeaderMap, upgrade: bool) -> Result<(), Problem> {
        if !caller.by_cookie || (!upgrade && is_safe(method)) {
            return Ok(());
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if origin.as_bytes() == self.settings.origin.text.as_bytes() => Ok(()),
            _ => {
                self.counters.refused.add_one();
                tracing::info!("a caller with a cookie was refused for its origin");
                Err(Problem::foreign_origin())
            }
        }
    }
}

/// The methods that change nothing (RFC 9110, 9.2.1).
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The token of the only `Authorization` header (RFC 6750, 2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The WebSocket subprotocols that the client offers, in its order (RFC 6455, 11.3.4).
pub(super) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
}
