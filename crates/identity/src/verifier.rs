use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cache::{FetchError, KeyCache, KeySource};
use crate::caller::Caller;
use crate::claims::Claims;
use crate::http::HttpKeys;
use crate::settings::{Settings, SettingsError};
use crate::token::Token;

/// What tells the time. Tests give one that they move themselves.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Verifies bearer tokens of one issuer. Cloning is cheap and shares the keys.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    settings: Settings,
    keys: KeyCache,
    clock: Clock,
}

/// A token could not be verified.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VerifyError {
    /// The token is bad, whoever asks and whenever: 401.
    #[error("the token is refused")]
    Refused(#[from] Refusal),
    /// Nothing can be said about the token, for its key is not at hand and the issuer does not answer: 503.
    #[error("the issuer's keys cannot be had")]
    IssuerUnreachable(#[source] Arc<FetchError>),
}

/// What is wrong with a token. The text is safe to show to its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a signed JSON Web Token.
    #[error("it is not a signed JSON Web Token")]
    Malformed,
    /// Signed with something that is not accepted, or with a key that is meant for something else.
    #[error("its signature algorithm is not accepted; RS256, ES256 and EdDSA are")]
    Algorithm,
    /// The issuer does not publish the key.
    #[error("the issuer publishes no key of its `kid`")]
    UnknownKey,
    /// Not signed by the key it names.
    #[error("its signature is wrong")]
    Signature,
    /// A required claim is missing, or one has the wrong type.
    #[error("it lacks a claim among `iss`, `sub` and `exp`, or a claim has the wrong type")]
    Claims,
    /// From somebody else.
    #[error("it is from another issuer")]
    Issuer,
    /// Over.
    #[error("it has expired; get a new one")]
    Expired,
    /// Not begun.
    #[error("it is not valid yet")]
    NotYetValid,
    /// Meant for another service.
    #[error("it is meant for another audience")]
    Audience,
    /// Given to a client that is not accepted.
    #[error("it was given to a client that is not accepted here")]
    Party,
    /// Of another kind, for example an identity token where an access token is wanted.
    #[error("it is a token of another kind")]
    Type,
    /// No subject that could be a person.
    #[error("its subject is empty, too long or contains control characters")]
    Subject,
}

impl Verifier {
    /// A verifier that takes the issuer's keys from `source`.
    ///
    /// # Errors
    /// The settings would accept what they should not.
    pub fn new(settings: Settings, source: Arc<dyn KeySource>) -> Result<Self, SettingsError> {
        Self::with_clock(settings, source, Arc::new(Timestamp::now))
    }

    /// A verifier that takes the issuer's keys over HTTP, from where the settings say. It bounds each request by itself.
    ///
    /// # Errors
    /// The settings would accept what they should not.
    pub fn over_http(settings: Settings, client: reqwest::Client) -> Result<Self, SettingsError> {
        let source = HttpKeys::new(&settings, client)?;
        Self::new(settings, Arc::new(source))
    }

    /// Like [`Verifier::new`], with another clock than the system's.
    ///
    /// # Errors
    /// The settings would accept what they should not.
    pub fn with_clock(settings: Settings, source: Arc<dyn KeySource>, clock: Clock) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self(Arc::new(Inner { settings, keys: KeyCache::new(source), clock })))
    }

    /// Who bears this token. `bearer` is the token alone, without the scheme.
    ///
    /// # Errors
    /// [`VerifyError::Refused`] for a bad token, [`VerifyError::IssuerUnreachable`] when its key cannot be had.
    pub async fn verify(&self, bearer: &str) -> Result<Caller, VerifyError> {
        let Inner { settings, keys, clock } = &*self.0;
        let token = Token::cut(bearer)?;
        let key = keys.find(token.kid.as_deref(), token.algorithm, clock()).await?;
        let claims = Claims::parse(&token.payload(&key)?)?;
        // The clock is read again: fetching keys may have taken seconds.
        claims.check(&token, settings, clock())?;
        Ok(Caller::of(&settings.issuer, claims))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
