//! The rules for forwarded headers, as seen in the programs.

use std::net::IpAddr;

use axum::http::HeaderMap;
use gateway::Family;
use serde_json::Value;

/// What a request says about the proxy in front, and what OpenClaw's `trusted-proxy` makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Forwarding {
    family: Family,
    trusts_loopback: bool,
    trusted_proxy: Option<TrustedProxy>,
    pub(crate) allowed_origins: Vec<String>,
}

#[derive(Debug, Clone)]
struct TrustedProxy {
    user_header: String,
    required_headers: Vec<String>,
}

/// Why a caller is not who it must be: `details.code` and `details.authReason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unauthorized {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

/// Any of these makes a request a forwarded one.
const FORWARDED: [&str; 6] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-user", "x-real-ip", "forwarded"];

impl Forwarding {
    pub(crate) fn of(family: Family, config: &Value) -> Self {
        let gateway = &config["gateway"];
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let auth = &gateway["auth"];
        let trusted_proxy = (auth["mode"] == "trusted-proxy").then(|| TrustedProxy {
            user_header: auth["trustedProxy"]["userHeader"].as_str().unwrap_or_default().to_owned(),
            required_headers: texts(&auth["trustedProxy"]["requiredHeaders"]),
        });
        Self {
            family,
            trusts_loopback: texts(&gateway["trustedProxies"]).iter().any(|proxy| proxy == "127.0.0.1" || proxy == "127.0.0.0/8"),
            trusted_proxy,
            allowed_origins: texts(&gateway["controlUi"]["allowedOrigins"]),
        }
    }

    /// Whether a request passed a proxy.
    pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
        FORWARDED.iter().any(|name| headers.contains_key(*name))
    }

    /// OpenClaw answers 403 `proxy_attribution_required` to a forwarded request that names no client beyond this host, or that comes from
    /// a proxy it was not told to trust. Clawdbot asks nothing here.
    pub(crate) fn lacks_attribution(&self, headers: &HeaderMap) -> bool {
        self.family == Family::Openclaw && Self::is_forwarded(headers) && !(self.trusts_loopback && client(headers).is_some())
    }

    /// Whether the caller is known.
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), Unauthorized> {
        let Some(TrustedProxy { user_header, required_headers }) = &self.trusted_proxy else { return Ok(()) };
        if let Some(missing) = required_headers.iter().find(|name| !filled(headers, name)) {
            return Err(Unauthorized { code: "AUTH_IDENTITY_HEADER_REQUIRED", reason: format!("trusted_proxy_missing_header_{missing}") });
        }
        if !filled(headers, user_header) {
            return Err(Unauthorized { code: "AUTH_UNAUTHORIZED", reason: "trusted_proxy_user_missing".to_owned() });
        }
        Ok(())
    }

    /// Whether the mode is `trusted-proxy`.
    pub(crate) const fn is_trusted_proxy(&self) -> bool {
        self.trusted_proxy.is_some()
    }

    /// Whether a WebSocket may come from this origin; `ui` says whether the client calls itself the Control UI, which must name one.
    pub(crate) fn admits_origin(&self, headers: &HeaderMap, ui: bool) -> Result<(), &'static str> {
        if self.family == Family::Clawdbot {
            return Ok(());
        }
        match headers.get("origin").map(|value| value.to_str().unwrap_or_default()) {
            None if !ui => Ok(()),
            None => Err("origin missing or invalid"),
            Some(origin) if self.allowed_origins.iter().any(|allowed| allowed == origin || allowed == "*") => Ok(()),
            Some(_) => Err("origin not allowed"),
        }
    }
}

fn filled(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|value| !value.as_bytes().trim_ascii().is_empty())
}

/// The client beyond the trusted proxies: the last address of `X-Forwarded-For` that is not this host's.
fn client(headers: &HeaderMap) -> Option<IpAddr> {
    let addresses = headers.get("x-forwarded-for")?.to_str().ok()?;
    addresses.rsplit(',').filter_map(|text| text.trim().parse::<IpAddr>().ok()).find(|address| !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use gateway::{Settings, pin, render};

    use super::*;

    fn forwarding(family: Family) -> Forwarding {
        Forwarding::of(family, &render(&Settings::of_machine(pin(family).release(), "https://a.example")))
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_forwarded_request_must_name_a_client_beyond_this_host() {
        let openclaw = forwarding(Family::Openclaw);
        for (name, value, lacks) in [
            ("x-forwarded-user", "ada", true),
            ("x-forwarded-proto", "http", true),
            ("x-real-ip", "203.0.113.9", true),
            ("forwarded", "for=203.0.113.9", true),
            ("x-forwarded-for", "127.0.0.1", true),
            ("x-forwarded-for", "garbage", true),
            ("x-forwarded-for", "203.0.113.9", false),
            ("x-forwarded-for", "203.0.113.9, 127.0.0.1", false),
            ("x-forwarded-for", "10.0.0.1", false),
            ("accept", "text/html", false),
        ] {
            assert_eq!(openclaw.lacks_attribution(&headers(&[(name, value)])), lacks, "{name}: {value}");
            assert!(!forwarding(Family::Clawdbot).lacks_attribution(&headers(&[(name, value)])), "Clawdbot asks nothing");
        }
        let distrustful = Forwarding { trusts_loopback: false, ..openclaw };
        assert!(distrustful.lacks_attribution(&headers(&[("x-forwarded-for", "203.0.113.9")])));
    }

    #[test]
    fn a_missing_header_and_a_missing_user_are_told_apart() {
        let openclaw = forwarding(Family::Openclaw);
        let full = [("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example"), ("x-forwarded-user", "ada")];
        assert_eq!(openclaw.authorize(&headers(&full)), Ok(()));
        let refusal = openclaw.authorize(&headers(&full[1..])).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.reason.as_str()),
            ("AUTH_IDENTITY_HEADER_REQUIRED", "trusted_proxy_missing_header_x-forwarded-proto")
        );
        let refusal = openclaw.authorize(&headers(&full[..2])).unwrap_err();
        assert_eq!((refusal.code, refusal.reason.as_str()), ("AUTH_UNAUTHORIZED", "trusted_proxy_user_missing"));
    }

    #[test]
    fn origins_are_checked_by_openclaw_alone_and_demanded_of_its_own_ui() {
        let openclaw = forwarding(Family::Openclaw);
        assert_eq!(openclaw.admits_origin(&headers(&[("origin", "https://a.example")]), true), Ok(()));
        assert_eq!(openclaw.admits_origin(&headers(&[("origin", "https://evil.example")]), false), Err("origin not allowed"));
        assert_eq!(openclaw.admits_origin(&headers(&[]), true), Err("origin missing or invalid"));
        assert_eq!(openclaw.admits_origin(&headers(&[]), false), Ok(()));
        assert_eq!(forwarding(Family::Clawdbot).admits_origin(&headers(&[("origin", "https://evil.example")]), true), Ok(()));
    }
}
