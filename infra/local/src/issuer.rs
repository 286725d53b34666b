//! A small OpenID Connect issuer for one machine: discovery, keys, and one person's token.
//!
//! Sources: OpenID Connect Discovery 1.0, section 4; RFC 7517; RFC 8037.

use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::error::{StartError, starting};
use crate::folder::Folder;

/// What a token of this issuer is for.
pub const AUDIENCE: &str = "rockpool";

/// The path of the issuer below the platform's address.
pub const PATH: &str = "/oidc";

/// How long a printed token lasts, and how much of that must be left when it is printed again.
const LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const LEAST_LEFT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The issuer. Its key is kept, so that what it signed stays good over restarts.
pub struct Issuer {
    issuer: String,
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl Issuer {
    /// The issuer at this platform's address, with the key that the folder holds or a new one.
    ///
    /// # Errors
    /// If the folder cannot be used, or what is in it is no key.
    pub fn open(folder: &Folder, address: &str) -> Result<Self, StartError> {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
        const FILE: &str = "issuer.key";
        let pkcs8 = match folder.read(FILE)? {
            Some(pkcs8) => pkcs8,
            None => {
                let random = aws_lc_rs::rand::SystemRandom::new();
                let fresh = Ed25519KeyPair::generate_pkcs8(&random).map_err(|error| starting("the issuer's key")(error.to_string()))?;
                folder.write_private(FILE, fresh.as_ref())?;
                fresh.as_ref().to_vec()
            }
        };
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|error| starting("the issuer's key")(error.to_string()))?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { issuer: format!("{address}{PATH}"), pkcs8, public })
    }

    /// The exact `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A token for a person, who has a personal organisation of their own. It is signed with this platform's own key, so it is good here
    /// and nowhere else.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token(&self, subject: &str, name: &str, lifetime: SignedDuration) -> Result<String, StartError> {
        let now = Timestamp::now();
        let claims = json!({
            "iss": self.issuer,
            "sub": subject,
            "aud": AUDIENCE,
            "name": name,
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": (now + lifetime).as_second(),
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id());
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&self.pkcs8)).map_err(starting("a bearer token"))
    }

    /// The token of this machine's owner, and until when it is good: the one that was printed before while it has some days left, otherwise
    /// a new one.
    pub(crate) fn owner_token(&self, folder: &Folder) -> Result<(String, Timestamp), StartError> {
        const FILE: &str = "token";
        let kept = folder.read(FILE)?.and_then(|bytes| String::from_utf8(bytes).ok()).map(|text| text.trim().to_owned());
        if let Some(token) = kept
            && let Some(until) = self.good_until(&token).filter(|until| *until > Timestamp::now() + LEAST_LEFT)
        {
            return Ok((token, until));
        }
        let token = self.token("owner", "You", LIFETIME)?;
        folder.write_private(FILE, format!("{token}\n").as_bytes())?;
        let until = self.good_until(&token).ok_or_else(|| starting("a bearer token")("it does not say until when it is good"))?;
        Ok((token, until))
    }

    /// Until when a token is good, if it is ours. The folder's owner wrote it: its signature is checked when it is used.
    fn good_until(&self, token: &str) -> Option<Timestamp> {
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let until = Timestamp::from_second(claims["exp"].as_i64()?).ok()?;
        (claims["iss"] == self.issuer.as_str()).then_some(until)
    }

    /// Discovery and keys, below [`PATH`].
    pub fn router(&self) -> Router {
        let discovery = json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{}/jwks.json", self.issuer),
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
        });
        let keys = json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "kid": self.key_id(), "x": URL_SAFE_NO_PAD.encode(&self.public),
        }] });
        let answer = |value: Value| get(move || std::future::ready(Json(value.clone())));
        Router::new()
            .route("/.well-known/openid-configuration", answer(discovery))
            .route("/.well-known/jwks.json", answer(keys.clone()))
            .route("/jwks.json", answer(keys))
    }

    fn key_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.public[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_while_it_has_days_left_and_says_until_when_it_is_good() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path(), false).unwrap();
        let issuer = Issuer::open(&folder, "http://127.0.0.1:8080").unwrap();
        let days_left = |until: Timestamp| until.duration_since(Timestamp::now()).as_hours().div_euclid(24) + 1;
        let (first, until) = issuer.owner_token(&folder).unwrap();
        assert_eq!(days_left(until), 30);
        assert_eq!(issuer.owner_token(&folder).unwrap(), (first, until));

        for (left, kept) in [(8, true), (7, false)] {
            let old = issuer.token("owner", "You", SignedDuration::from_hours(left * 24)).unwrap();
            folder.write_private("token", old.as_bytes()).unwrap();
            let (token, until) = issuer.owner_token(&folder).unwrap();
            assert_eq!((token == old, days_left(until)), (kept, if kept { left } else { 30 }), "{left} days left");
        }
        let elsewhere = Issuer::open(&folder, "http://127.0.0.1:9000").unwrap();
        let before = issuer.owner_token(&folder).unwrap().0;
        assert_ne!(elsewhere.owner_token(&folder).unwrap().0, before, "it names another issuer");
    }
}
