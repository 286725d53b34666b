//! Tokens of an OpenID Connect issuer, and the keys that it publishes.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use identity::testing::{Issuer, Kind, SigningKey};
use identity::{Caller, Clock, FetchError, KeySource, Settings, Verifier, VerifyError};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::text;

const NOW: i64 = 1_790_000_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Kind::Ed25519, "key-1"));

struct Published(Vec<u8>);

#[async_trait]
impl KeySource for Published {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        Ok(self.0.clone())
    }
}

/// A header and claims, a line each, which the issuer's key then signs; a single line is a token as it stands. Who gets in is of this
/// issuer, has a subject, and comes before the token's end.
pub fn identity_token(input: &[u8]) -> bool {
    let Some(text) = text(input) else { return false };
    let published = json!({ "keys": [KEY.public()] }).to_string();
    let Some((header, claims)) = text.split_once('\n') else {
        assert!(verify(published.into_bytes(), text).is_err(), "{text} lets somebody in");
        return false;
    };
    let Ok(caller) = verify(published.into_bytes(), &KEY.sign_text(header, claims)) else { return false };
    // A number that is too large for this reader may stand where that of the verifier does not look.
    let Ok(claims) = serde_json::from_str::<Value>(claims) else { return true };
    assert_eq!(claims["iss"], Issuer::ADDRESS);
    assert!(claims["sub"] == caller.subject && !caller.subject.is_empty(), "{claims} is {}", caller.subject);
    // A minute is what clocks may be apart.
    assert!(claims["exp"].as_f64().is_some_and(|end| end > NOW as f64 - 61.0), "{claims} has ended");
    true
}

/// What is published as the issuer's keys, `{x}` being the key's own. Nobody gets in by it, whose token was signed with a key that is not among them.
pub fn identity_keys(input: &[u8]) -> bool {
    let Some(text) = text(input) else {
        assert!(verify(input.to_vec(), "").is_err());
        return false;
    };
    let token =
        KEY.sign(&json!({ "alg": KEY.algorithm(), "kid": "key-1" }), &json!({ "iss": Issuer::ADDRESS, "sub": "alice", "exp": NOW + 300 }));
    let own = KEY.public()["x"].as_str().unwrap().to_owned();
    let published = text.replace("{x}", &own);
    let is_in = verify(published.clone().into_bytes(), &token).is_ok();
    assert!(!is_in || published.contains(&own), "{published} verified a key that is not in it");
    is_in
}

fn verify(published: Vec<u8>, token: &str) -> Result<Caller, VerifyError> {
    let clock: Clock = Arc::new(|| Timestamp::from_second(NOW).unwrap());
    let verifier = Verifier::with_clock(Settings::of_issuer(Issuer::ADDRESS), Arc::new(Published(published)), clock).unwrap();
    RUNTIME.block_on(verifier.verify(token))
}
