use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::claims::{Bound, Claims, Kind, Named};
use crate::{AccessError, ISSUER, SigningKey};

/// For which instance and for whom a token is.
#[derive(Debug, Clone, Copy)]
pub struct Audience<'a> {
    /// The instance, `ins_…`.
    pub instance: &'a str,
    /// The person, as their identity provider names them.
    pub subject: &'a str,
    /// The name to show for them.
    pub name: &'a str,
}

/// The one request that a control token authorises.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path and query, exactly as in the request line: `/_rockpool/restart`.
    pub path: &'a str,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

/// What a control token says of the body that it is for.
pub(crate) fn body_digest(body: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(body))
}

/// A signed token. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    expires_at: Timestamp,
}

impl Token {
    /// The compact form (RFC 7515, 7.1), as it goes into a header or an address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Issues tokens with one key. Which kinds it is asked for is its owner's business; which kinds are believed depends on where its
/// public key is published.
#[derive(Debug, Clone)]
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// A signer with a key.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self { key }
    }

    /// The key that verifies what this signer signs.
    #[must_use]
    pub fn public(&self) -> crate::PublicKey {
        self.key.public()
    }

    /// A token for the gateway of an instance.
    ///
    /// # Errors
    /// [`AccessError::Lifetime`] when it is not positive or more than an hour.
    pub fn access(&self, to: &Audience<'_>, lifetime: SignedDuration, now: Timestamp) -> Result<Token, AccessError> {
        self.sign(Kind::Access, to.instance, to.subject, Named { name: to.name.to_owned() }, lifetime, now)
    }

    /// A token for `/_rockpool/enter`, good for one minute and one use.
    ///
    /// # Errors
    /// [`AccessError::SigningKey`] when the key does not sign.
    pub fn link(&self, to: &Audience<'_>, now: Timestamp) -> Result<Token, AccessError> {
        self.sign(Kind::Link, to.instance, to.subject, Named { name: to.name.to_owned() }, Kind::Link.max_lifetime(), now)
    }

    /// A token for one request to an instance's supervisor, good for one minute and one use.
    ///
    /// `by` says who gives the order, for the supervisor's log: an operation's identifier, say.
    ///
    /// # Errors
    /// [`AccessError::SigningKey`] when the key does not sign.
    pub fn control(&self, instance: &str, by: &str, request: &Request<'_>, now: Timestamp) -> Result<Token, AccessError> {
        let bound = Bound { htm: request.method.to_owned(), htu: request.path.to_owned(), bd: body_digest(request.body) };
        self.sign(Kind::Control, instance, by, bound, Kind::Control.max_lifetime(), now)
    }

    fn sign<X: Serialize>(
        &self,
        kind: Kind,
        instance: &str,
        subject: &str,
        extra: X,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<Token, AccessError> {
        let max = kind.max_lifetime();
        let seconds = lifetime.as_secs();
        if seconds <= 0 || lifetime > max {
            return Err(AccessError::Lifetime { max_seconds: max.as_secs() });
        }
        let iat = now.as_second();
        let exp = iat.saturating_add(seconds);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: subject.to_owned(),
            aud: instance.to_owned(),
            iat,
            nbf: iat,
            exp,
            jti: Uuid::new_v4().simple().to_string(),
            extra,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(kind.typ().to_owned());
        header.kid = Some(self.key.public().id().to_owned());
        let text =
            jsonwebtoken::encode(&header, &claims, self.key.encoding()).map_err(|_| AccessError::SigningKey("the key does not sign"))?;
        let expires_at = Timestamp::from_second(exp).map_err(|_| AccessError::Lifetime { max_seconds: max.as_secs() })?;
        Ok(Token { text, expires_at })
    }
}
