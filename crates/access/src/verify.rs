use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use crate::claims::{Bound, Claims, Kind, LEEWAY, Named, Order, Visit};
use crate::sign::body_digest;
use crate::{AccessError, ISSUER, KeySet, Request};

/// Longer texts are refused unread: a token of ours has about 500 bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// Whether a text is, or claims to be, a token of ours of any kind, valid or not: such a text is not to be passed on to anybody.
#[must_use]
pub fn looks_like_token(text: &str) -> bool {
    let typ = jsonwebtoken::decode_header(text).ok().and_then(|header| header.typ);
    typ.is_some_and(|typ| Kind::ALL.iter().any(|kind| kind.typ() == typ))
}

/// An order whose body has not been seen yet.
#[derive(Debug)]
#[must_use = "it is no order before its body was seen"]
pub struct Unread {
    order: Order,
    body_digest: String,
}

impl Unread {
    /// The order, if this is the body that it was signed for.
    ///
    /// # Errors
    /// [`AccessError::OtherRequest`] if it is another one.
    pub fn with_body(self, body: &[u8]) -> Result<Order, AccessError> {
        let same = self.body_digest.as_bytes().ct_eq(body_digest(body).as_bytes());
        if bool::from(same) { Ok(self.order) } else { Err(AccessError::OtherRequest("body")) }
    }
}

/// Decides which tokens are for one instance and signed by one of a set of keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: KeySet,
    instance: String,
}

impl Verifier {
    /// A verifier for the tokens whose `aud` is the given instance.
    #[must_use]
    pub fn new(keys: KeySet, instance: impl Into<String>) -> Self {
        Self { keys, instance: instance.into() }
    }

    /// Verifies an access token.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn access(&self, token: &str, now: Timestamp) -> Result<Visit, AccessError> {
        self.visit(Kind::Access, token, now)
    }

    /// Verifies a link token. That it is used once is for [`crate::Seen`] to say.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn link(&self, token: &str, now: Timestamp) -> Result<Visit, AccessError> {
        self.visit(Kind::Link, token, now)
    }

    /// Verifies that a control token is for this very request. That it is used once is for [`crate::Seen`] to say.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn control(&self, token: &str, request: &Request<'_>, now: Timestamp) -> Result<Order, AccessError> {
        self.control_unread(token, request.method, request.path, now)?.with_body(request.body)
    }

    /// Verifies all of a control token but the body that it is for: so a server need not read a body before it knows that somebody may
    /// send one.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn control_unread(&self, token: &str, method: &str, path: &str, now: Timestamp) -> Result<Unread, AccessError> {
        let (claims, issued_at, expires_at) = self.claims::<Bound>(Kind::Control, token, now)?;
        if claims.extra.htm != method {
            return Err(AccessError::OtherRequest("method"));
        }
        if claims.extra.htu != path {
            return Err(AccessError::OtherRequest("path"));
        }
        let order = Order { subject: claims.sub, token_id: claims.jti, issued_at, expires_at };
        Ok(Unread { order, body_digest: claims.extra.bd })
    }

    fn visit(&self, kind: Kind, token: &str, now: Timestamp) -> Result<Visit, AccessError> {
        let (claims, issued_at, expires_at) = self.claims::<Named>(kind, token, now)?;
        Ok(Visit { subject: claims.sub, name: claims.extra.name, token_id: claims.jti, issued_at, expires_at })
    }

    fn claims<X: DeserializeOwned>(
        &self,
        kind: Kind,
        token: &str,
        now: Timestamp,
    ) -> Result<(Claims<X>, Timestamp, Timestamp), AccessError> {
        let claims: Claims<X> = self.signed(kind, token)?;
        if claims.iss != ISSUER {
            return Err(AccessError::Issuer);
        }
        if claims.aud != self.instance {
            return Err(AccessError::Audience);
        }
        if claims.sub.is_empty() || claims.jti.is_empty() {
            return Err(AccessError::Malformed("`sub` or `jti` is empty"));
        }
        let time = |seconds| Timestamp::from_second(seconds).map_err(|_| AccessError::Malformed("a time is out of range"));
        let (issued_at, not_before, expires_at) = (time(claims.iat)?, time(claims.nbf)?, time(claims.exp)?);
        let lifetime = expires_at.duration_since(issued_at);
        if !lifetime.is_positive() || lifetime > kind.max_lifetime() {
            return Err(AccessError::Lifetime { max_seconds: kind.max_lifetime().as_secs() });
        }
        if not_before.duration_since(now) > LEEWAY || issued_at.duration_since(now) > LEEWAY {
            return Err(AccessError::NotYetValid);
        }
        if now.duration_since(expires_at) >= LEEWAY {
            return Err(AccessError::Expired);
        }
        Ok((claims, issued_at, expires_at))
    }

    /// The claims of a token of the kind with a good signature. Nothing of it is believed before that but the names of its kind and key.
    fn signed<X: DeserializeOwned>(&self, kind: Kind, token: &str) -> Result<Claims<X>, AccessError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AccessError::Malformed("too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| AccessError::Malformed("no JWS header"))?;
        if header.alg != Algorithm::EdDSA {
            return Err(AccessError::Algorithm);
        }
        if header.typ.as_deref() != Some(kind.typ()) {
            return Err(AccessError::Kind { expected: kind.typ() });
        }
        // RFC 7515, 4.1.11: a critical extension that is not understood makes the token invalid, and none is understood here.
        if header.crit.is_some() {
            return Err(AccessError::Malformed("it has critical extensions"));
        }
        let key = header.kid.as_deref().and_then(|id| self.keys.get(id)).ok_or(AccessError::UnknownKey)?;

        // The library reads the wall clock and lets absent claims pass. Only the signature and the form are left to it; `claims` does the rest.
        let mut form = Validation::new(Algorithm::EdDSA);
        form.validate_exp = false;
        form.validate_aud = false;
        form.required_spec_claims.clear();
        let data = jsonwebtoken::decode(token, &key.decoding(), &form).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => AccessError::Signature,
            _ => AccessError::Malformed("the claims of its kind are missing"),
        })?;
        Ok(data.claims)
    }
}
