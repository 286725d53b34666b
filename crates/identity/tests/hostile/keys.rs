//! What an issuer that is broken, or somebody in its place, publishes as its keys.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::testing::{Issuer, Kind, SigningKey};
use identity::{FetchError, KeySource, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{NOW, verdict};

struct Published(Vec<u8>);

#[async_trait]
impl KeySource for Published {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        Ok(self.0.clone())
    }
}

fn check(published: impl Into<Vec<u8>>, token: &str) -> bool {
    verdict(Arc::new(Published(published.into())), Settings::of_issuer(Issuer::ADDRESS), token).is_ok()
}

fn claims() -> Value {
    json!({ "iss": Issuer::ADDRESS, "sub": "alice", "exp": NOW + 300 })
}

fn kind() -> impl Strategy<Value = Kind> {
    // RSA keys take seconds to make without optimisation: one is made below.
    prop::sample::select(vec![Kind::P256, Kind::Ed25519])
}

fn member() -> impl Strategy<Value = (&'static str, Option<Value>)> {
    let names = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "k"];
    let values = prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(""),
            json!(7),
            json!([]),
            json!(["verify"]),
            json!("oct"),
            json!("OKP"),
            json!("EC"),
            json!("RSA"),
            json!("P-256"),
            json!("Ed25519"),
            json!("sig"),
            json!("enc"),
            json!("EdDSA"),
            json!("RS256"),
            json!("AQAB"),
            json!("AA"),
            json!("AQ"),
        ]),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| json!(URL_SAFE_NO_PAD.encode(bytes))),
    ];
    (prop::sample::select(names.to_vec()), prop::option::weighted(0.8, values))
}

proptest! {
    #[test]
    fn a_token_passes_only_with_its_signer_s_own_unbroken_key(kind in kind(), changes in prop::collection::vec(member(), 0..3)) {
        let signer = SigningKey::generate(kind, "key-1");
        let good = signer.public();
        let mut published = good.clone();
        for (name, value) in changes {
            match value {
                Some(value) => published[name] = value,
                None => drop(published.as_object_mut().unwrap().remove(name)),
            }
        }
        let token = signer.sign(&json!({ "alg": signer.algorithm(), "kid": "key-1" }), &claims());
        let accepted = check(json!({ "keys": [published] }).to_string(), &token);
        let same = |name: &str| published.get(name) == good.get(name);
        // An Ed25519 key has no `y`: one that is there says nothing.
        let unbroken = ["kty", "crv", "x", "kid"].into_iter().all(same) && (kind == Kind::Ed25519 || same("y"));
        prop_assert!(!accepted || unbroken, "{published} verified {token}");
        prop_assert!(accepted || published != good, "the good key did not verify");
    }

    #[test]
    fn whatever_is_published_nothing_panics_and_nobody_gets_in(text in "\\PC{0,200}|[\\[\\]{}\":,a-z0-9]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let token = Issuer::start().token("alice");
        prop_assert!(!check(text.clone(), &token) && !check(bytes, &token));
        let listed = format!("{{\"keys\":[{text}]}}");
        prop_assert!(!check(listed, &token));
    }
}

#[test]
fn odd_rsa_keys_verify_nothing() {
    let signer = SigningKey::generate(Kind::Rsa, "key-1");
    let token = signer.sign(&json!({ "alg": "RS256", "kid": "key-1" }), &claims());
    let published = |name: &str, bytes: &[u8]| {
        let mut key = signer.public();
        key[name] = json!(URL_SAFE_NO_PAD.encode(bytes));
        json!({ "keys": [key] }).to_string()
    };
    assert!(check(json!({ "keys": [signer.public()] }).to_string(), &token));
    for exponent in [&b""[..], b"\0", b"\x01", b"\x02", b"\x01\0\0", &[0xff; 8], &[0xff; 9]] {
        assert!(!check(published("e", exponent), &token), "the exponent {exponent:?}");
    }
    for modulus in [vec![], vec![0; 256], vec![0xff; 256], vec![0xfe; 256], vec![1; 255], vec![0xff; 1025]] {
        assert!(!check(published("n", &modulus), &token), "a modulus of {} bytes", modulus.len());
    }
}

#[test]
fn a_set_of_a_hundred_thousand_keys_is_read_in_bounded_time() {
    let signer = SigningKey::generate(Kind::Ed25519, "key-1");
    let token = signer.sign(&json!({ "alg": "EdDSA", "kid": "key-1" }), &claims());
    let many = vec![json!({ "kty": "OKP" }); 100_000];
    let began = std::time::Instant::now();
    assert!(!check(json!({ "keys": many }).to_string(), &token));
    assert!(!check(format!("{{\"keys\":{}", "[".repeat(1_000_000)), &token));
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}
