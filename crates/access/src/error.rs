/// A token was refused, or could not be made.
///
/// The texts name what is wrong and never contain the token, so they may be logged. An answer to a caller says no more than "unauthorised".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A private key is neither PKCS#8 nor a seed of 32 bytes, or the operating system had no random numbers.
    #[error("the signing key is unusable: {0}")]
    SigningKey(&'static str),
    /// A JWKS is not one, or holds a key that is not for Ed25519 signatures.
    #[error("the key set is unusable: {0}")]
    KeySet(String),
    /// A lifetime of zero, less, or more than the kind allows was asked for or claimed.
    #[error("the lifetime must be positive and at most {max_seconds} s")]
    Lifetime {
        /// The longest life the kind allows.
        max_seconds: i64,
    },
    /// Not a compact JWS with the claims of its kind, or with a header that this code does not understand (`crit`).
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The `alg` is not `EdDSA`.
    #[error("the token is signed with another algorithm than EdDSA")]
    Algorithm,
    /// The `typ` is that of another kind.
    #[error("the token is of another kind than {expected}")]
    Kind {
        /// The `typ` that was expected.
        expected: &'static str,
    },
    /// The `kid` names no key of the set.
    #[error("the token names an unknown key")]
    UnknownKey,
    /// The signature is not that of the named key over this token.
    #[error("the signature does not match")]
    Signature,
    /// The `iss` is not [`crate::ISSUER`].
    #[error("the token is from another issuer")]
    Issuer,
    /// The `aud` is not this instance.
    #[error("the token is for another instance")]
    Audience,
    /// The `nbf` or the `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The `exp` lies in the past.
    #[error("the token has expired")]
    Expired,
    /// A control token is bound to another method, path or body.
    #[error("the token is for another request: its {0} differs")]
    OtherRequest(&'static str),
    /// The token was used before, or is older than the memory that could tell.
    #[error("the token was used before, or may have been")]
    Replayed,
    /// More unexpired tokens were used than the memory holds; nothing is forgotten to make room.
    #[error("too many tokens were used within a minute")]
    Crowded,
}
