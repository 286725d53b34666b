use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::Instant;
use url::Url;

use crate::api::App;
use crate::body::{self, BodyError};
use crate::call::{Call, Repeat, Upstream};
use crate::error::{CallError, Remote, looks_like_html, quotes};
use crate::pace::Pace;
use crate::refusal::Refusal;

const LEASE_NONCE: HeaderName = HeaderName::from_static("fly-machine-lease-nonce");
const REQUEST_ID: HeaderName = HeaderName::from_static("fly-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where Fly.io is and who we are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Machines API: `https://api.machines.dev`, `http://_api.internal:4280`, or a simulator. Without `/v1`.
    pub machines: Url,
    /// The host of the logs: `https://api.fly.io`, or the simulator.
    pub logs: Url,
    /// An organisation's token (<https://fly.io/docs/security/tokens/>): a token of one app cannot create apps.
    pub token: SecretString,
    /// How patient a single call is.
    pub pace: Pace,
    /// The `traceparent` of a call that is made now (<https://www.w3.org/TR/trace-context/>), if it belongs to a trace.
    pub traceparent: fn() -> Option<String>,
}

impl Settings {
    /// Settings for Fly.io itself, whose logs are at `https://api.fly.io`, or for a host that serves everything, as a simulator does.
    #[must_use]
    pub fn new(machines: Url, token: SecretString) -> Self {
        let logs = if matches!(machines.host_str(), Some("api.machines.dev" | "_api.internal")) {
            Url::parse("https://api.fly.io").expect("the address is well-formed")
        } else {
            machines.clone()
        };
        Self { machines, logs, token, pace: Pace::default(), traceparent: || None }
    }
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The token would break the header it is sent in.
    #[error("the provider's token holds characters that cannot be sent in a header")]
    Token,
    /// An address has no host or no path, such as `data:`.
    #[error("`{0}` cannot be the base address of an API")]
    Base(Url),
}

/// A client of the Machines API. Cheap to clone; clones share the transport's connections.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    deadline: Option<Instant>,
}

struct Shared {
    transport: reqwest::Client,
    settings: Settings,
    authorization: HeaderValue,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A success: its status, its body, and the request's identifier for errors found while reading it.
struct Reply {
    call: &'static str,
    status: StatusCode,
    request_id: Option<String>,
    body: Result<Bytes, BodyError>,
}

impl Client {
    /// A client over a transport of the caller's making, which should follow no redirects and have a connect time-out; the time-outs of
    /// each call are set here.
    ///
    /// # Errors
    /// [`SettingsError`] if the token or an address cannot be used.
    pub fn new(settings: Settings, transport: reqwest::Client) -> Result<Self, SettingsError> {
        for base in [&settings.machines, &settings.logs] {
            if base.cannot_be_a_base() || !base.has_host() {
                return Err(SettingsError::Base(base.clone()));
            }
        }
        let authorization = authorization(&settings.token)?;
        Ok(Self { shared: Arc::new(Shared { transport, settings, authorization }), deadline: None })
    }

    /// The same client, none of whose calls lasts longer than this from now on: requests are cut short, and once the time is over they
    /// fail with [`CallError::NotSent`]. For a step that must answer before its worker's lease ends.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        let end = Instant::now() + limit;
        Self { shared: Arc::clone(&self.shared), deadline: Some(self.deadline.map_or(end, |deadline| deadline.min(end))) }
    }

    /// The calls about one app.
    #[must_use]
    pub fn app<'c>(&'c self, name: &'c str) -> App<'c> {
        App { client: self, name }
    }

    /// How long calls may still last, if there is a limit.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Sends a call whose success is all there is to know: what the body holds, or whether it can be read, does not matter.
    pub(crate) async fn send(&self, call: Call) -> Result<(), CallError> {
        self.repeat(call, |_| Ok(())).await
    }

    /// Sends a call and reads its answer.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallError> {
        self.repeat(call, Reply::json).await
    }

    /// Sends a call, and again as long as that is harmless and promises something.
    async fn repeat<T>(&self, call: Call, read: impl Fn(Reply) -> Result<T, CallError>) -> Result<T, CallError> {
        let pace = self.shared.settings.pace;
        let mut pauses = pace.pauses();
        loop {
            let error = match self.send_once(&call).await.and_then(&read) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = match (&error, pauses.next()) {
                (_, None) => return Err(error),
                (CallError::Unsendable { .. } | CallError::Refused { .. }, _) => return Err(error),
                (CallError::Ambiguous { .. } | CallError::Unreadable { .. }, _) if call.repeat == Repeat::Never => return Err(error),
                // A 408 has used up the whole time that the server gives to a call: the second would end the same way.
                (CallError::Ambiguous { remote: Some(remote), .. }, _) if remote.status == StatusCode::REQUEST_TIMEOUT => {
                    return Err(error);
                }
                (CallError::RateLimited { retry_after: Some(wanted), .. }, _) if *wanted > pace.longest_pause => return Err(error),
                (CallError::RateLimited { retry_after, .. }, Some(pause)) => retry_after.unwrap_or(pause).max(pause),
                (_, Some(pause)) => pause,
            };
            if pause >= self.remaining() {
                return Err(error);
            }
            tracing::debug!(call = call.name, %error, pause_ms = pause.as_millis(), "provider call is sent again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn send_once(&self, call: &Call) -> Result<Reply, CallError> {
        let shared = &*self.shared;
        let base = match call.upstream {
            Upstream::Machines => &shared.settings.machines,
            Upstream::Logs => &shared.settings.logs,
        };
        let timeout = call.timeout.min(self.remaining());
        if timeout.is_zero() {
            return Err(CallError::NotSent { call: call.name, source: None });
        }
        let mut request = shared.transport.request(call.method.clone(), call.url(base)?).timeout(timeout);
        request = request.header(AUTHORIZATION, shared.authorization.clone());
        if let Some(traceparent) = (shared.settings.traceparent)() {
            request = request.header(TRACEPARENT, traceparent);
        }
        if let Some(nonce) = &call.nonce {
            let reason = |_| CallError::Unsendable { call: call.name, reason: "the lease's nonce cannot be sent in a header".to_owned() };
            request = request.header(LEASE_NONCE, sensitive_header(nonce.expose_secret()).map_err(reason)?);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = request.send().await.map_err(|source| transport_error(call.name, source))?;
        let status = response.status();
        let token = shared.settings.token.expose_secret();
        let request_id = header_text(response.headers(), &REQUEST_ID).filter(|id| !quotes(id, token));
        tracing::trace!(call = call.name, status = status.as_u16(), request_id, "provider answered");
        if status.is_success() {
            let body = body::read(response, body::LONGEST_BODY).await;
            return Ok(Reply { call: call.name, status, request_id, body });
        }
        let retry_after = retry_after(response.headers(), Timestamp::now());
        let text = body::read_some(response, body::LONGEST_ERROR).await;
        let remote = Remote::read(status, request_id, &text);
        // A page is not this API's: whatever stands between has answered, and knows nothing of what there is.
        let refusal = if looks_like_html(&text) { None } else { Refusal::of(&remote) };
        Err(self.classify(call, remote, refusal, retry_after))
    }

    fn classify(&self, call: &Call, mut remote: Remote, refusal: Option<Refusal>, retry_after: Option<Duration>) -> CallError {
        if call.sensitive || remote.quotes(self.shared.settings.token.expose_secret()) {
            remote.withhold();
        }
        let (call, remote) = (call.name, Box::new(remote));
        match (refusal, remote.status) {
            (Some(refusal), _) => CallError::Refused { call, refusal, remote },
            (None, StatusCode::TOO_MANY_REQUESTS) => CallError::RateLimited { call, retry_after, remote },
            (None, status) if status == StatusCode::REQUEST_TIMEOUT || status.is_server_error() => {
                CallError::Ambiguous { call, remote: Some(remote), source: None }
            }
            (None, status) => {
                let reason = "that is no answer of this API (a redirect?)".to_owned();
                CallError::Unreadable { call, status, reason, request_id: remote.request_id }
            }
        }
    }
}

impl Reply {
    /// Reads the body as JSON.
    fn json<T: DeserializeOwned>(self) -> Result<T, CallError> {
        let reason = match self.body {
            Err(BodyError::BrokeOff { source, .. }) if source.is_timeout() => {
                return Err(CallError::Ambiguous { call: self.call, remote: None, source: Some(source) });
            }
            Err(error) => error.to_string(),
            Ok(body) => match serde_json::from_slice(&body) {
                Ok(answer) => return Ok(answer),
                Err(error) => unreadable(&body, &error),
            },
        };
        Err(CallError::Unreadable { call: self.call, status: self.status, reason, request_id: self.request_id })
    }
}

/// Why a body is not the promised JSON. serde's own text quotes the body, which may hold secrets; the place is enough to find the fault in
/// a recording.
fn unreadable(body: &[u8], error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        _ if body.is_empty() => "its body is empty".to_owned(),
        _ if looks_like_html(body) => format!("its body is an HTML page of {} bytes", body.len()),
        Category::Eof => format!("its body breaks off at {place}"),
        Category::Data => format!("its body has another shape than promised at {place}"),
        Category::Syntax | Category::Io => format!("its body is not JSON at {place}"),
    }
}

/// Macaroons have a scheme of their own, everything else is a bearer token (fly-go's `tokens` package).
fn authorization(token: &SecretString) -> Result<HeaderValue, SettingsError> {
    // `fly tokens create` prints the scheme before the token, and an operator stores what it prints.
    let text = token.expose_secret().trim();
    let text = text.strip_prefix("FlyV1 ").unwrap_or(text);
    let scheme = if ["fm2_", "fm1r_", "fm1a_"].iter().any(|prefix| text.starts_with(prefix)) { "FlyV1" } else { "Bearer" };
    if text.is_empty() {
        return Err(SettingsError::Token);
    }
    sensitive_header(&format!("{scheme} {text}")).map_err(|_| SettingsError::Token)
}

fn sensitive_header(text: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn transport_error(call: &'static str, source: reqwest::Error) -> CallError {
    let source = source.without_url();
    if source.is_builder() {
        CallError::Unsendable { call, reason: source.to_string() }
    } else if source.is_connect() {
        CallError::NotSent { call, source: Some(source) }
    } else {
        CallError::Ambiguous { call, remote: None, source: Some(source) }
    }
}

fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|text| text.chars().take(128).collect())
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macaroons_and_plain_tokens_have_their_own_scheme() {
        let header = |token: &str| authorization(&token.into()).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("fm2_abc,fm2_def").unwrap(), "FlyV1 fm2_abc,fm2_def");
        assert_eq!(header("FlyV1 fm2_abc\n").unwrap(), "FlyV1 fm2_abc", "as flyctl prints it");
        assert_eq!(header("plain").unwrap(), "Bearer plain");
        assert!(header("").is_err() && header("line\nbreak").is_err());
    }

    #[test]
    fn the_logs_of_fly_are_at_another_host_and_those_of_a_simulator_are_not() {
        let logs = |machines: &str| Settings::new(machines.parse().unwrap(), "t".into()).logs.to_string();
        assert_eq!(logs("https://api.machines.dev"), "https://api.fly.io/");
        assert_eq!(logs("http://_api.internal:4280"), "https://api.fly.io/");
        assert_eq!(logs("http://127.0.0.1:4280"), "http://127.0.0.1:4280/");
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let read = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now);
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Mon, 23 Nov 2026 10:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Mon, 23 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
