//! Key sets and private keys that are not what they should be.

use access::{KeySet, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::forge::key;

/// What every key of an accepted set is, by RFC 8037 and RFC 7638 and our own strictness.
fn is_a_public_key_of_ours(jwk: &Value) -> bool {
    let x = jwk["x"].as_str().and_then(|x| URL_SAFE_NO_PAD.decode(x).ok());
    let Some(public) = x.and_then(|x| access::PublicKey::from_bytes(&x)) else { return false };
    let optional = |name: &str, only: &str| jwk.get(name).is_none_or(|value| value.is_null() || value == only);
    jwk["kty"] == "OKP"
        && jwk["crv"] == "Ed25519"
        && optional("use", "sig")
        && optional("alg", "EdDSA")
        && optional("kid", public.id())
        && jwk.get("d").is_none_or(Value::is_null)
}

fn good() -> Value {
    let set: Value = serde_json::from_str(&KeySet::of([key(1).public()]).to_jwks()).unwrap();
    set["keys"][0].clone()
}

/// A key with up to two members changed.
fn jwk() -> impl Strategy<Value = Value> {
    let members = prop::sample::select(["kty", "crv", "x", "kid", "use", "alg", "d", "n", "key_ops"].to_vec());
    let values = prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(""),
            json!(7),
            json!([]),
            json!("OKP"),
            json!("EC"),
            json!("oct"),
            json!("Ed25519"),
            json!("X25519"),
            json!("sig"),
            json!("enc"),
            json!("EdDSA"),
            json!("HS256"),
            good()["x"].clone(),
            good()["kid"].clone(),
            json!("A".repeat(43)),
            json!("A".repeat(44)),
        ]),
        "\\PC{0,50}".prop_map(Value::from),
    ];
    prop::collection::vec((members, prop::option::weighted(0.8, values)), 0..3).prop_map(|changes| {
        let mut jwk = good();
        for (name, value) in changes {
            match value {
                Some(value) => jwk[name] = value,
                None => drop(jwk.as_object_mut().unwrap().remove(name)),
            }
        }
        jwk
    })
}

proptest! {
    #[test]
    fn a_set_is_accepted_exactly_when_all_of_it_are_public_keys_of_ours(keys in prop::collection::vec(jwk(), 0..3)) {
        let read = KeySet::from_jwks(&json!({ "keys": keys }).to_string());
        prop_assert_eq!(read.is_ok(), !keys.is_empty() && keys.iter().all(is_a_public_key_of_ours), "{:?} of {:?}", read, keys);
        if let Ok(set) = read {
            prop_assert_eq!(KeySet::from_jwks(&set.to_jwks()), Ok(set));
        }
    }

    #[test]
    fn any_text_is_refused_as_a_key_set(text in "\\PC{0,200}|[\\[\\]{}\":,a-z0-9]{0,80}") {
        prop_assert!(KeySet::from_jwks(&text).is_err());
    }

    #[test]
    fn a_private_key_is_32_bytes_or_pkcs8_and_no_refusal_repeats_it(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        let read = SigningKey::from_text(&text);
        prop_assert_eq!(read.is_ok(), bytes.len() == 32);
        let said = match read {
            Ok(key) => format!("{key:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(text.len() < 8 || !said.contains(&text), "the key is shown: {}", said);
    }
}

#[test]
fn a_set_with_a_private_half_is_refused_without_showing_it() {
    let secret = key(1).expose_text();
    let mut jwk = good();
    jwk["d"] = json!(secret);
    let error = KeySet::from_jwks(&json!({ "keys": [jwk] }).to_string()).expect_err("accepted");
    assert!(!format!("{error} {error:?}").contains(&secret));
}
