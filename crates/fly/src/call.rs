use std::time::Duration;

use http::Method;
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use crate::error::CallError;

/// Whether a call may be sent again when nobody knows if it took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Safe,
    /// Twice would make two. It is resent only if the server cannot have acted: no connection, or a 429.
    Never,
}

/// Which of Fly.io's hosts answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// `api.machines.dev`.
    Machines,
    /// `api.fly.io`, which keeps the logs.
    Logs,
}

/// Everything that is decided about a request before it is sent.
#[derive(Debug)]
pub(crate) struct Call {
    /// The product's name for it, in errors and logs.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) upstream: Upstream,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Presented as `fly-machine-lease-nonce`.
    pub(crate) nonce: Option<SecretString>,
    /// For one attempt, its body included.
    pub(crate) timeout: Duration,
    pub(crate) repeat: Repeat,
    /// The request holds secrets: what the server says about it is not repeated in errors, it might quote them.
    pub(crate) sensitive: bool,
}

/// Reads, and small writes that Fly.io answers from its own database.
pub(crate) const QUICK: Duration = Duration::from_secs(8);
/// Writes that reach a host: machines and volumes.
pub(crate) const HOST: Duration = Duration::from_secs(15);

impl Call {
    fn new(name: &'static str, method: Method, repeat: Repeat, segments: &[&str]) -> Self {
        Self {
            name,
            method,
            upstream: Upstream::Machines,
            segments: segments.iter().map(|&segment| segment.to_owned()).collect(),
            query: Vec::new(),
            body: None,
            nonce: None,
            timeout: QUICK,
            repeat,
            sensitive: false,
        }
    }

    pub(crate) fn get(name: &'static str, segments: &[&str]) -> Self {
        Self::new(name, Method::GET, Repeat::Safe, segments)
    }

    pub(crate) fn delete(name: &'static str, segments: &[&str]) -> Self {
        Self::new(name, Method::DELETE, Repeat::Safe, segments)
    }

    pub(crate) fn post(name: &'static str, repeat: Repeat, segments: &[&str]) -> Self {
        Self::new(name, Method::POST, repeat, segments)
    }

    pub(crate) fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn query_if(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, CallError> {
        let bytes = serde_json::to_vec(body).map_err(|source| CallError::Unsendable { call: self.name, reason: source.to_string() })?;
        self.body = Some(bytes);
        Ok(self)
    }

    pub(crate) fn nonce(mut self, nonce: Option<&SecretString>) -> Self {
        self.nonce = nonce.cloned();
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    pub(crate) fn to(mut self, upstream: Upstream) -> Self {
        self.upstream = upstream;
        self
    }

    /// The address below `base`. An empty segment or a dot would address something else than was meant (`DELETE /v1/apps/` for an app
    /// without a name), and the URL standard drops it silently, so that it is refused here.
    pub(crate) fn url(&self, base: &Url) -> Result<Url, CallError> {
        let unsendable = |reason: String| CallError::Unsendable { call: self.name, reason };
        if let Some(odd) = self.segments.iter().find(|segment| matches!(segment.as_str(), "" | "." | "..")) {
            return Err(unsendable(format!("`{odd}` cannot be part of an address")));
        }
        let mut url = base.clone();
        url.path_segments_mut()
            .map_err(|()| unsendable("the base address cannot hold a path".to_owned()))?
            .pop_if_empty()
            .extend(&self.segments);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_is_one_segment_of_the_address() {
        let base = "http://127.0.0.1:4280".parse().unwrap();
        let url = |segment: &str| Call::get("get_app", &["v1", "apps", segment]).url(&base).map(String::from);
        assert_eq!(url("rp-1").unwrap(), "http://127.0.0.1:4280/v1/apps/rp-1");
        assert_eq!(url("a/b?c#d").unwrap(), "http://127.0.0.1:4280/v1/apps/a%2Fb%3Fc%23d");
        for odd in ["", ".", ".."] {
            assert!(matches!(url(odd), Err(CallError::Unsendable { .. })), "`{odd}` was sent");
        }
    }
}
