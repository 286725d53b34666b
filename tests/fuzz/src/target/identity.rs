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
static KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| Arc::new(SigningKey::generate(Kind::Ed25519, "key-1")));

struct Published(Vec<u8>);

#[async_trait]
impl KeySource for Published {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        Ok(self.0.clone())
    }
}

/// A header and claims, a line each, which the issuer's key then signs; a single line is a token as it stands. Who gets in is of this
/// issuer, has a subject, and comes before the token's end.
pub fn identity_token(input: &[u8]) {
    let Some(text) = text(input) else { return };
    let published = json!({ "keys": [KEY.public()] }).to_string();
    let Some((header, claims)) = text.split_once('\n') else {
        return assert!(verify(published.into_bytes(), text).is_err(), "{text} lets somebody in");
    };
    let Ok(caller) = verify(published.into_bytes(), &KEY.sign_text(header, claims)) else { return };
    // A number that is too large for this reader may stand where that of the verifier does not look.
    let Ok(claims) = serde_json::from_str::<Value>(claims) else { return };
    assert_eq!(claims["iss"], Issuer::ADDRESS);
    assert!(claims["sub"] == caller.subject && !caller.subject.is_empty(), "{claims} is {}", caller.subject);
    // A minute is what clocks may be apart.
    assert!(claims["exp"].as_f64().is_some_and(|end| end > NOW as f64 - 61.0), "{claims} has ended");
}

/// What is published as the issuer's keys. Nobody gets in by it, whose token was signed with a key that is not among them.
pub fn identity_keys(input: &[u8]) {
    let token =
        KEY.sign(&json!({ "alg": KEY.algorithm(), "kid": "key-1" }), &json!({ "iss": Issuer::ADDRESS, "sub": "alice", "exp": NOW + 300 }));
    let own = KEY.public()["x"].as_str().unwrap().to_owned();
    assert!(verify(input.to_vec(), &token).is_err() || text(input).is_some_and(|text| text.contains(&own)));
}

fn verify(published: Vec<u8>, token: &str) -> Result<Caller, VerifyError> {
    let clock: Clock = Arc::new(|| Timestamp::from_second(NOW).unwrap());
    let verifier = Verifier::with_clock(Settings::of_issuer(Issuer::ADDRESS), Arc::new(Published(published)), clock).unwrap();
    RUNTIME.block_on(verifier.verify(token))
}
