//! Key sets over HTTP.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use crate::cache::{FetchError, KeySource};
use crate::settings::{KeyLocation, Settings, SettingsError, secure_address};

/// One request's share of the time that a caller waits. GET, repeatable, nothing sensitive in it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Key sets and metadata are a few kilobytes.
const LONGEST: usize = 256 * 1024;

/// Fetches an issuer's keys from a known address, or from the one that its metadata names. It does not retry: the cache asks again.
#[derive(Debug)]
pub struct HttpKeys {
    client: reqwest::Client,
    issuer: String,
    /// Learned from the metadata once; an issuer that moves its keys keeps the old address alive while tokens live.
    keys: OnceLock<String>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl HttpKeys {
    /// The keys of the issuer in these settings.
    ///
    /// # Errors
    /// An address in the settings is not secure.
    pub fn new(settings: &Settings, client: reqwest::Client) -> Result<Self, SettingsError> {
        settings.check()?;
        let keys = match &settings.keys {
            KeyLocation::Discovery => OnceLock::new(),
            KeyLocation::Url(url) => OnceLock::from(url.clone()),
        };
        Ok(Self { client, issuer: settings.issuer.clone(), keys })
    }

    /// OpenID Connect Discovery 1.0, section 4: the address, and the check that the metadata is the issuer's own.
    async fn discover(&self) -> Result<String, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let body = self.get(&url).await?;
        let unusable = |reason| FetchError::Metadata { url: url.clone(), reason };
        let metadata: Metadata =
            serde_json::from_slice(&body).map_err(|_| unusable("it is not a JSON object with `issuer` and `jwks_uri`"))?;
        if metadata.issuer != self.issuer {
            return Err(unusable("it names another issuer than the settings"));
        }
        secure_address(&metadata.jwks_uri).map_err(|_| unusable("its `jwks_uri` is not an https address"))?;
        Ok(metadata.jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let unreachable = |source: reqwest::Error| FetchError::Unreachable { url: url.to_owned(), source: source.without_url().into() };
        let mut answer = self.client.get(url).timeout(TIMEOUT).send().await.map_err(unreachable)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status { url: url.to_owned(), status: answer.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(FetchError::TooLong { url: url.to_owned(), limit: LONGEST });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl KeySource for HttpKeys {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        let url = match self.keys.get() {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let body = self.get(&url).await?;
        // Remembered only after it has led to something; a second request may have been quicker, with the same address.
        self.keys.get_or_init(|| url);
        Ok(body)
    }
}
