use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries a request's id, in both directions.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called in logs, problems and support tickets. Handlers find it in the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's own id if it sent a sane one, else a new UUID version 7 (RFC 9562). Sane is short and free of anything that could
    /// confuse a log or a search.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sane = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (8..=64).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        headers.get(HEADER).filter(sane).map_or_else(Self::generate, |value| Self(value.clone()))
    }

    fn generate() -> Self {
        Self(HeaderValue::try_from(Uuid::now_v7().to_string()).expect("a UUID is visible ASCII"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sane_id_of_the_caller_is_kept() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(text).unwrap());
            RequestId::of(&headers)
        };
        assert_eq!(of("abc-DEF_1.23").as_str(), "abc-DEF_1.23");
        for bad in ["", "short", &"x".repeat(65), "with space", "semi;colon", "<script>alert", "quote\"quote", "a=b&c=d&e"] {
            let id = of(bad);
            assert_eq!(Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 7, "{bad} was kept as {id}");
        }
    }
}
