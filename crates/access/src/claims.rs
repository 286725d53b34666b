use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How far two clocks may be apart before a token is refused for its times.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(5);

/// What a token is for. The kind is in the signed header, so no token can be taken for one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opens the gateway of one instance to one person.
    Access,
    /// Opens a browser session once.
    Link,
    /// Authorises one request to the supervisor once.
    Control,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Access, Self::Link, Self::Control];

    /// The `typ` header of the kind.
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Access => "rp-access+jwt",
            Self::Link => "rp-link+jwt",
            Self::Control => "rp-control+jwt",
        }
    }

    /// The longest time from `iat` to `exp`.
    #[must_use]
    pub const fn max_lifetime(self) -> SignedDuration {
        match self {
            Self::Access => SignedDuration::from_secs(3600),
            Self::Link | Self::Control => SignedDuration::from_secs(60),
        }
    }
}

/// What a valid access or link token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The person, as their identity provider names them.
    pub subject: String,
    /// The name to show for them.
    pub name: String,
    /// The token's own identifier.
    pub token_id: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends: whatever it opened is closed then.
    pub expires_at: Timestamp,
}

/// What a valid control token says: it is for the very request at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The part of the control plane, or the operation, that gave the order.
    pub subject: String,
    /// The token's own identifier, for [`crate::Seen`].
    pub token_id: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The claims of all kinds (RFC 7519, 4.1). Times are whole seconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims<X> {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    #[serde(flatten)]
    pub(crate) extra: X,
}

/// What access and link tokens add.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

/// What control tokens add, named as in RFC 9449 (DPoP); `bd` is the base64url SHA-256 digest of the body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) htm: String,
    pub(crate) htu: String,
    pub(crate) bd: String,
}
