use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::testing::{Kind, SigningKey};

/// HMAC-SHA256 with the public key's own bytes: the confusion of algorithms that RFC 8725, section 2.1 describes.
fn signed_with_the_public_key(issuer: &Issuer, algorithm: &str) -> String {
    let secret = URL_SAFE_NO_PAD.decode(issuer.key().public()["x"].as_str().unwrap()).unwrap();
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "kid": "key-1" }).to_string());
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims().to_string()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes())))
}

#[tokio::test]
async fn no_algorithm_but_the_keys_own_is_accepted() {
    let issuer = Issuer::start();
    for algorithm in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "RS384", "PS256", "ES384", "ES512", "eddsa", "Ed25519", "RS1"]
    {
        for token in
            [signed_with_the_public_key(&issuer, algorithm), issuer.key().sign(&json!({ "alg": algorithm, "kid": "key-1" }), &claims())]
        {
            assert_eq!(check(&issuer, settings(), &token).await, Err(Refusal::Algorithm), "{algorithm}");
        }
    }
    for algorithm in ["RS256", "ES256"] {
        let token = issuer.key().sign(&json!({ "alg": algorithm, "kid": "key-1" }), &claims());
        assert_eq!(check(&issuer, settings(), &token).await, Err(Refusal::Algorithm), "{algorithm} with an Ed25519 key");
    }
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let issuer = Issuer::start();
    let good = issuer.sign(&claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(check(&issuer, settings(), &format!("{signed}.")).await, Err(Refusal::Signature));
    assert_eq!(check(&issuer, settings(), signed).await, Err(Refusal::Malformed));
}

#[tokio::test]
async fn a_forged_key_is_not_taken_from_the_token() {
    let issuer = Issuer::start();
    let forged = SigningKey::generate(Kind::Ed25519, "key-1");
    for header in [
        json!({ "alg": "EdDSA", "kid": "key-1" }),
        json!({ "alg": "EdDSA", "kid": "key-1", "jwk": forged.public() }),
        json!({ "alg": "EdDSA", "kid": "key-1", "jku": "https://evil.example/keys", "x5u": "https://evil.example/chain" }),
        json!({ "alg": "EdDSA" }),
    ] {
        assert_eq!(check(&issuer, settings(), &forged.sign(&header, &claims())).await, Err(Refusal::Signature), "{header}");
    }
    let elsewhere = forged.sign(&json!({ "alg": "EdDSA", "kid": "../../key-1" }), &claims());
    assert_eq!(check(&issuer, settings(), &elsewhere).await, Err(Refusal::UnknownKey));
}

#[tokio::test]
async fn a_critical_extension_is_refused() {
    let issuer = Issuer::start();
    for crit in [json!(["b64"]), json!([]), json!("exp")] {
        let token = issuer.key().sign(&json!({ "alg": "EdDSA", "kid": "key-1", "crit": crit, "b64": false }), &claims());
        assert_eq!(check(&issuer, settings(), &token).await, Err(Refusal::Malformed), "{crit}");
    }
}

#[tokio::test]
async fn a_missing_claim_is_refused_and_not_skipped() {
    let issuer = Issuer::start();
    for name in ["iss", "sub", "exp"] {
        let token = issuer.sign(&claims_without(name));
        assert_eq!(check(&issuer, settings(), &token).await, Err(Refusal::Claims), "without {name}");
    }
}

#[tokio::test]
async fn a_claim_of_the_wrong_type_is_refused() {
    let issuer = Issuer::start();
    for (name, value) in [
        ("iss", json!([Issuer::ADDRESS])),
        ("iss", json!(null)),
        ("sub", json!(7)),
        ("sub", json!(["alice"])),
        ("exp", json!("1790000300")),
        ("exp", json!(null)),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", json!((NOW + 300) * 1000)),
        ("nbf", json!("soon")),
        ("nbf", json!(-5)),
        ("aud", json!({ "a": 1 })),
        ("aud", json!([1])),
        ("azp", json!(["web"])),
    ] {
        assert_eq!(
            check(&issuer, settings(), &issuer.sign(&claims_with(name, value.clone()))).await,
            Err(Refusal::Claims),
            "{name}: {value}"
        );
    }
    for payload in
        ["", "null", "[]", "\"x\"", "{", "{}", "\u{feff}{}", r#"{"iss":"https://login.example.com/","iss":"x","sub":"a","exp":1790000300}"#]
    {
        let token = issuer.key().sign_text(r#"{"alg":"EdDSA","kid":"key-1"}"#, payload);
        assert_eq!(check(&issuer, settings(), &token).await, Err(Refusal::Claims), "{payload}");
    }
}

#[tokio::test]
async fn the_issuer_must_match_exactly() {
    let issuer = Issuer::start();
    for other in ["https://login.example.com", "https://LOGIN.example.com/", "https://login.example.com/x", "http://login.example.com/", ""]
    {
        assert_eq!(check(&issuer, settings(), &issuer.sign(&claims_with("iss", json!(other)))).await, Err(Refusal::Issuer), "{other}");
    }
}

#[tokio::test]
async fn a_subject_that_could_not_be_a_person_is_refused() {
    let issuer = Issuer::start();
    for subject in [String::new(), "a\nb".to_owned(), "a\u{0}b".to_owned(), "x".repeat(256)] {
        assert_eq!(check(&issuer, settings(), &issuer.sign(&claims_with("sub", json!(subject)))).await, Err(Refusal::Subject));
    }
    assert!(check(&issuer, settings(), &issuer.sign(&claims_with("sub", json!("x".repeat(255))))).await.is_ok());
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let issuer = Issuer::start();
    let long = format!("{}.{}.{}", "a".repeat(3000), "b".repeat(3000), "c".repeat(3000));
    let good = issuer.sign(&claims());
    let header = |json: &str| format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(json));
    for text in [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c.d",
        " ",
        &long,
        &format!("{good}.x"),
        &format!("{good} "),
        &format!(" {good}"),
        &format!("{good}="),
        &header("null"),
        &header("{}"),
        &header("[]"),
        &header(r#"{"alg":7}"#),
        &header(r#"{"alg":"EdDSA","alg":"none"}"#),
        &header(r#"{"alg":"EdDSA","kid":7}"#),
    ] {
        let verdict = check(&issuer, settings(), text).await.map(|_| ());
        assert!(matches!(verdict, Err(Refusal::Malformed | Refusal::Signature)), "{text}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_change_of_any_one_character_is_noticed() {
    let issuer = Issuer::start();
    let verifier = verifier(&issuer, settings(), &Hand::at(NOW));
    let good = issuer.sign(&claims());
    assert!(verifier.verify(&good).await.is_ok());
    for place in 0..good.len() {
        for other in [b'A', b'B', b'.', b'='] {
            let mut bytes = good.clone().into_bytes();
            if std::mem::replace(&mut bytes[place], other) == other {
                continue;
            }
            let text = String::from_utf8(bytes).unwrap();
            assert!(matches!(verifier.verify(&text).await, Err(VerifyError::Refused(_))), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_verifier_panic(text in "\\PC{0,200}", header in "\\PC{0,60}", payload in "\\PC{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let issuer = Issuer::start();
        let cut = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload), "AAAA");
        for text in [text, cut] {
            prop_assert!(runtime.block_on(check(&issuer, settings(), &text)).is_err());
        }
    }
}
