use std::time::Duration;

use reqwest::Url;

/// Where an issuer publishes its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeyLocation {
    /// Where its metadata says (OpenID Connect Discovery 1.0, section 4).
    #[default]
    Discovery,
    /// At this address. It spares one request at a cold start.
    Url(String),
}

/// Which tokens are accepted.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer, exactly as its tokens write `iss`, with or without the trailing slash.
    pub issuer: String,
    /// What `aud` must be or contain. `None` for issuers that send none, such as Cognito.
    pub audience: Option<String>,
    /// The clients whose tokens are accepted, by `azp` or `client_id`; empty accepts all. A token that names none is refused when the list
    /// is not empty.
    pub allowed_parties: Vec<String>,
    /// What the claim `token_use` must be, for example `access` with Cognito.
    pub token_use: Option<String>,
    /// What the header `typ` must be, for example `at+jwt` (RFC 9068).
    pub typ: Option<String>,
    /// How far the issuer's clock and ours may be apart: 5 to 60 seconds.
    pub leeway: Duration,
    /// Where the keys are.
    pub keys: KeyLocation,
}

/// The settings of a verifier cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Tokens could be forged by whoever can answer for the name.
    #[error("`{0}` must be an https address; plain http is accepted for loopback hosts only")]
    Insecure(String),
    /// Not an address at all.
    #[error("`{0}` is not an absolute address")]
    NotAnAddress(String),
    /// Too strict for real clocks, or too lax for short tokens.
    #[error("a leeway of {0:?} is outside 5 to 60 seconds")]
    Leeway(Duration),
    /// An empty expectation would be met by an empty claim.
    #[error("the setting `{0}` is present but empty")]
    Empty(&'static str),
}

impl Settings {
    /// Everything that this issuer signs, found by discovery, with ten seconds of leeway. Narrow it down with the other fields.
    #[must_use]
    pub fn of_issuer(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: None,
            allowed_parties: Vec::new(),
            token_use: None,
            typ: None,
            leeway: Duration::from_secs(10),
            keys: KeyLocation::Discovery,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        secure_address(&self.issuer)?;
        if let KeyLocation::Url(url) = &self.keys {
            secure_address(url)?;
        }
        if !(5..=60).contains(&self.leeway.as_secs()) {
            return Err(SettingsError::Leeway(self.leeway));
        }
        let present = [("audience", &self.audience), ("token_use", &self.token_use), ("typ", &self.typ)];
        let listed = self.allowed_parties.iter().map(|party| ("allowed_parties", party));
        let mut all = present.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).chain(listed);
        all.find(|(_, value)| value.is_empty()).map_or(Ok(()), |(name, _)| Err(SettingsError::Empty(name)))
    }
}

/// An address from which keys may be taken: https, or plain http on this very machine.
pub(crate) fn secure_address(text: &str) -> Result<Url, SettingsError> {
    let url = Url::parse(text).map_err(|_| SettingsError::NotAnAddress(text.to_owned()))?;
    let loopback = url.host_str().is_some_and(|host| {
        host == "localhost"
            || host.ends_with(".localhost")
            || host == "[::1]"
            || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
    });
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(SettingsError::Insecure(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_over_https_or_from_this_machine_only() {
        for good in ["https://a.example/", "http://127.0.0.1:8080/issuer", "http://localhost:1", "http://a.localhost", "http://[::1]:3/"] {
            assert!(Settings::of_issuer(good).check().is_ok(), "{good} was refused");
        }
        for bad in ["http://a.example", "http://127.0.0.1.example.com", "http://localhost.example", "ftp://a.example", "http://10.0.0.1"] {
            assert_eq!(Settings::of_issuer(bad).check(), Err(SettingsError::Insecure(bad.to_owned())));
        }
        assert_eq!(Settings::of_issuer("login").check(), Err(SettingsError::NotAnAddress("login".to_owned())));
        let settings = Settings { keys: KeyLocation::Url("http://a.example/keys".to_owned()), ..Settings::of_issuer("https://a.example") };
        assert_eq!(settings.check(), Err(SettingsError::Insecure("http://a.example/keys".to_owned())));
    }

    #[test]
    fn a_leeway_outside_five_to_sixty_seconds_is_refused() {
        for (seconds, good) in [(0, false), (4, false), (5, true), (60, true), (61, false)] {
            let settings = Settings { leeway: Duration::from_secs(seconds), ..Settings::of_issuer("https://a.example") };
            assert_eq!(settings.check().is_ok(), good, "{seconds} s");
        }
    }

    #[test]
    fn an_expectation_that_is_empty_is_refused() {
        let of = || Settings::of_issuer("https://a.example");
        let empty = || Some(String::new());
        assert_eq!(Settings { audience: empty(), ..of() }.check(), Err(SettingsError::Empty("audience")));
        assert_eq!(Settings { token_use: empty(), ..of() }.check(), Err(SettingsError::Empty("token_use")));
        assert_eq!(Settings { typ: empty(), ..of() }.check(), Err(SettingsError::Empty("typ")));
        assert_eq!(Settings { allowed_parties: vec![String::new()], ..of() }.check(), Err(SettingsError::Empty("allowed_parties")));
    }
}
