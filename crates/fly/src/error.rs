use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use crate::refusal::Refusal;

/// A call to Fly.io did not succeed. The variants say what the server can have seen, which is what decides whether it may be sent again.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request cannot be expressed; a defect of the caller. Nothing was sent.
    #[error("{call} cannot be sent: {reason}")]
    Unsendable {
        /// The call's name.
        call: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection was made, or no time was left to make one: the server saw nothing.
    #[error("{call} did not reach the provider")]
    NotSent {
        /// The call's name.
        call: &'static str,
        /// What the transport said; absent when the time had run out before.
        source: Option<reqwest::Error>,
    },
    /// The server may or may not have acted: a broken connection, a time-out, a 408 or a 5xx.
    #[error("{call} may or may not have taken effect{}", remote.as_ref().map(|remote| format!(": {remote}")).unwrap_or_default())]
    Ambiguous {
        /// The call's name.
        call: &'static str,
        /// The answer, if there was one.
        remote: Option<Box<Remote>>,
        /// What the transport said, if there was no answer.
        source: Option<reqwest::Error>,
    },
    /// The server said yes, in a body that cannot be read: cut off, longer than 4 MiB, HTML, or not the promised shape.
    #[error("{call} was answered with {status}, but {reason}{}", RequestId(request_id.as_deref()))]
    Unreadable {
        /// The call's name.
        call: &'static str,
        /// The status of the answer.
        status: StatusCode,
        /// What is wrong with the body. Never a part of it: it may hold secrets.
        reason: String,
        /// Fly.io's `fly-request-id`.
        request_id: Option<String>,
    },
    /// Too many requests (429): the server did not act.
    #[error("{call} was limited by the provider's rate: {remote}")]
    RateLimited {
        /// The call's name.
        call: &'static str,
        /// The server's `Retry-After`, if it sent one.
        retry_after: Option<Duration>,
        /// The answer.
        remote: Box<Remote>,
    },
    /// The server refused, and therefore did not act.
    #[error("{call} was refused ({refusal}): {remote}")]
    Refused {
        /// The call's name.
        call: &'static str,
        /// What the refusal means.
        refusal: Refusal,
        /// The answer.
        remote: Box<Remote>,
    },
}

impl CallError {
    /// What the server refused for, if it refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether the thing that was asked about does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.refusal(), Some(Refusal::NotFound))
    }

    /// Whether the call can have taken effect although it failed.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous { .. } | Self::Unreadable { .. })
    }

    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Unsendable { .. } | Self::NotSent { .. } => None,
            Self::Ambiguous { remote, .. } => remote.as_ref().map(|remote| remote.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::RateLimited { remote, .. } | Self::Refused { remote, .. } => Some(remote.status),
        }
    }
}

/// What Fly.io answered instead of a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body's `status` field, for example `insufficient_capacity`; often absent.
    pub code: Option<String>,
    /// The body's `message`, else its `error`, else the body as text; one line, at most 500 characters.
    pub text: String,
    /// Fly.io's `fly-request-id`, which their support asks for.
    pub request_id: Option<String>,
}

/// What stands in place of an answer about secrets.
const WITHHELD: &str = "(withheld: the request held secrets)";

impl Remote {
    /// Reads an error body. Fly.io's host fronts two programs with two forms: `{"error", "status"}` and `{"message"}`.
    pub(crate) fn read(status: StatusCode, request_id: Option<String>, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Form {
            message: Option<String>,
            error: Option<String>,
            status: Option<serde_json::Value>,
        }
        let (code, text) = match serde_json::from_slice::<Form>(body) {
            Ok(Form { message, error, status }) => {
                let text = message.filter(|text| !text.is_empty()).or(error).unwrap_or_default();
                (status.and_then(|code| code.as_str().map(one_line)), one_line(&text))
            }
            Err(_) if looks_like_html(body) => (None, format!("an HTML page of {} bytes", body.len())),
            Err(_) => (None, one_line(&String::from_utf8_lossy(body))),
        };
        Self { status, code: code.filter(|code| !code.is_empty()), text, request_id }
    }

    /// Whether the server quotes a token.
    pub(crate) fn quotes(&self, token: &str) -> bool {
        [Some(&self.text), self.code.as_ref()].into_iter().flatten().any(|text| quotes(text, token))
    }

    /// Without what the server said, which may quote what it was sent.
    pub(crate) fn withhold(&mut self) {
        self.text = WITHHELD.to_owned();
        self.code = None;
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if !self.text.is_empty() {
            write!(f, " `{}`", self.text)?;
        }
        write!(f, "{}", RequestId(self.request_id.as_deref()))
    }
}

struct RequestId<'a>(Option<&'a str>);

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |id| write!(f, " (request {id})"))
    }
}

/// Whether a text quotes a token. The beginning of one of the token's parts is enough: the text may have been cut within it.
pub(crate) fn quotes(text: &str, token: &str) -> bool {
    let beginnings = token.split(',').map(|part| part.get(..12).unwrap_or(part));
    beginnings.filter(|beginning| !beginning.is_empty()).any(|beginning| text.contains(beginning))
}

/// Whether a body is a page for people, as a proxy or a captive portal sends it.
pub(crate) fn looks_like_html(body: &[u8]) -> bool {
    let start: Vec<u8> = body.iter().copied().skip_while(u8::is_ascii_whitespace).take(14).map(|byte| byte.to_ascii_lowercase()).collect();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// One line of at most 500 characters: a remote text must not forge lines of our log.
fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(body: &str) -> Remote {
        Remote::read(StatusCode::CONFLICT, Some("01J-fra".to_owned()), body.as_bytes())
    }

    #[test]
    fn both_forms_of_an_error_body_are_read_and_anything_else_is_text() {
        let flaps = remote(r#"{"error":"aborted: no capacity","status":"insufficient_capacity","details":{}}"#);
        assert_eq!((flaps.text.as_str(), flaps.code.as_deref()), ("aborted: no capacity", Some("insufficient_capacity")));
        assert_eq!(remote(r#"{"message":"Unauthorized"}"#).text, "Unauthorized");
        assert_eq!(remote(r#"{"message":"wins","error":"loses"}"#).text, "wins");
        assert_eq!(remote(r#"{"error":"odd","status":409}"#).code, None);
        assert_eq!(remote("404 page not found\n").text, "404 page not found");
        assert_eq!(remote("\n<!DOCTYPE html><html><body>Bad gateway").text, "an HTML page of 39 bytes");
        assert_eq!(remote("").text, "");
    }

    #[test]
    fn a_remote_text_stays_on_one_line_and_is_short() {
        let text = remote(&format!("a\r\nERROR forged{}", "x".repeat(10_000))).text;
        assert!(text.starts_with("a  ERROR forged") && text.chars().count() == 500);
    }

    #[test]
    fn an_error_names_the_call_the_status_the_text_and_the_request() {
        let error = CallError::Refused {
            call: "create_machine",
            refusal: Refusal::RegionFull,
            remote: Box::new(remote(r#"{"error":"aborted: no capacity"}"#)),
        };
        assert_eq!(error.to_string(), "create_machine was refused (the region is full): 409 `aborted: no capacity` (request 01J-fra)");
    }
}
