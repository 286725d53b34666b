//! Every way in which a token can be wrong, one at a time and in combination.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use access::{AccessError, Audience, ISSUER, KeySet, Kind, Request, Signer, SigningKey, Verifier};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const RESTART: Request<'static> = Request { method: "POST", path: "/_rockpool/restart", body: b"" };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn verifier(seed: u8, instance: &str) -> Verifier {
    Verifier::new(KeySet::of([key(seed).public()]), instance)
}

fn issue(kind: Kind, seed: u8, instance: &str, now: i64) -> String {
    let signer = Signer::new(key(seed));
    let to = Audience { instance, subject: "user-1", name: "Ada" };
    let token = match kind {
        Kind::Access => signer.access(&to, SignedDuration::from_secs(60), at(now)),
        Kind::Link => signer.link(&to, at(now)),
        Kind::Control => signer.control(instance, "op_1", &RESTART, at(now)),
    };
    token.unwrap().as_str().to_owned()
}

fn verify(verifier: &Verifier, kind: Kind, token: &str, now: i64) -> Result<(), AccessError> {
    match kind {
        Kind::Access => verifier.access(token, at(now)).map(drop),
        Kind::Link => verifier.link(token, at(now)).map(drop),
        Kind::Control => verifier.control(token, &RESTART, at(now)).map(drop),
    }
}

/// A token with any header and claims, well signed by key 1.
fn forge(change_header: impl FnOnce(&mut Header), change_claims: impl FnOnce(&mut Value)) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(Kind::Access.typ().to_owned());
    header.kid = Some(key(1).public().id().to_owned());
    change_header(&mut header);
    let mut claims = json!({
        "iss": ISSUER, "sub": "user-1", "aud": "ins_1", "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "j", "name": "Ada",
    });
    change_claims(&mut claims);
    let pkcs8 = [&[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20][..], &[1; 32]].concat();
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&pkcs8)).unwrap()
}

fn refusal(token: &str) -> AccessError {
    verifier(1, "ins_1").access(token, at(NOW)).expect_err("the token was accepted")
}

#[test]
fn a_good_token_of_each_kind_is_accepted() {
    for kind in Kind::ALL {
        assert_eq!(verify(&verifier(1, "ins_1"), kind, &issue(kind, 1, "ins_1", NOW), NOW), Ok(()));
    }
    assert!(verifier(1, "ins_1").access(&forge(|_| (), |_| ()), at(NOW)).is_ok(), "the forger's unchanged token is good");
}

#[test]
fn a_wrong_header_is_refused() {
    assert_eq!(refusal(&forge(|h| h.typ = Some("JWT".into()), |_| ())), AccessError::Kind { expected: "rp-access+jwt" });
    assert_eq!(refusal(&forge(|h| h.typ = Some("RP-ACCESS+JWT".into()), |_| ())), AccessError::Kind { expected: "rp-access+jwt" });
    assert_eq!(refusal(&forge(|h| h.typ = None, |_| ())), AccessError::Kind { expected: "rp-access+jwt" });
    assert_eq!(refusal(&forge(|h| h.kid = None, |_| ())), AccessError::UnknownKey);
    assert_eq!(refusal(&forge(|h| h.kid = Some("k".into()), |_| ())), AccessError::UnknownKey);
    assert!(matches!(refusal(&forge(|h| h.crit = Some(vec!["b64".into()]), |_| ())), AccessError::Malformed(_)));
}

#[test]
fn another_algorithm_is_refused_even_with_the_public_key_as_its_secret() {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(Kind::Access.typ().to_owned());
    header.kid = Some(key(1).public().id().to_owned());
    let claims = json!({
        "iss": ISSUER, "sub": "user-1", "aud": "ins_1", "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "j", "name": "Ada",
    });
    let jwks: Value = serde_json::from_str(&KeySet::of([key(1).public()]).to_jwks()).unwrap();
    let public = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap();
    assert_eq!(refusal(&token), AccessError::Algorithm);

    let good = issue(Kind::Access, 1, "ins_1", NOW);
    let (_, rest) = good.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"rp-access+jwt"}"#);
    assert!(verifier(1, "ins_1").access(&format!("{none}.{rest}"), at(NOW)).is_err());
    let (unsigned, _) = rest.split_once('.').unwrap();
    assert!(verifier(1, "ins_1").access(&format!("{none}.{unsigned}."), at(NOW)).is_err());
}

#[test]
fn every_claim_is_required_and_exact() {
    for claim in ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "name"] {
        let without = forge(
            |_| (),
            |c| {
                c.as_object_mut().unwrap().remove(claim);
            },
        );
        assert!(matches!(refusal(&without), AccessError::Malformed(_)), "a token without `{claim}` was accepted");
    }
    assert_eq!(refusal(&forge(|_| (), |c| c["iss"] = json!("rockpool2"))), AccessError::Issuer);
    assert_eq!(refusal(&forge(|_| (), |c| c["aud"] = json!("ins_12"))), AccessError::Audience);
    assert!(matches!(refusal(&forge(|_| (), |c| c["aud"] = json!(["ins_1"]))), AccessError::Malformed(_)));
    assert!(matches!(refusal(&forge(|_| (), |c| c["sub"] = json!(""))), AccessError::Malformed(_)));
    assert!(matches!(refusal(&forge(|_| (), |c| c["exp"] = json!("tomorrow"))), AccessError::Malformed(_)));
    assert!(matches!(refusal(&forge(|_| (), |c| c["exp"] = json!(i64::MAX))), AccessError::Malformed(_)));
}

#[test]
fn times_are_held_to_five_seconds() {
    let verifier = verifier(1, "ins_1");
    let token = issue(Kind::Access, 1, "ins_1", NOW);
    for (second, expected) in
        [(NOW - 6, Err(AccessError::NotYetValid)), (NOW - 5, Ok(())), (NOW + 64, Ok(())), (NOW + 65, Err(AccessError::Expired))]
    {
        assert_eq!(verifier.access(&token, at(second)).map(drop), expected, "at {}", second - NOW);
    }
    assert_eq!(refusal(&forge(|_| (), |c| c["nbf"] = json!(NOW + 30))), AccessError::NotYetValid);
}

#[test]
fn a_life_longer_than_the_kind_allows_is_neither_issued_nor_accepted() {
    let to = Audience { instance: "ins_1", subject: "user-1", name: "Ada" };
    for seconds in [-1, 0, 3601] {
        let refused = Signer::new(key(1)).access(&to, SignedDuration::from_secs(seconds), at(NOW));
        assert_eq!(refused, Err(AccessError::Lifetime { max_seconds: 3600 }));
    }
    assert!(Signer::new(key(1)).access(&to, SignedDuration::from_secs(3600), at(NOW)).is_ok());
    assert_eq!(refusal(&forge(|_| (), |c| c["exp"] = json!(NOW + 3601))), AccessError::Lifetime { max_seconds: 3600 });
    assert_eq!(refusal(&forge(|_| (), |c| c["exp"] = json!(NOW))), AccessError::Lifetime { max_seconds: 3600 });
    let long_link = forge(|h| h.typ = Some(Kind::Link.typ().to_owned()), |c| c["exp"] = json!(NOW + 61));
    assert_eq!(verifier(1, "ins_1").link(&long_link, at(NOW)), Err(AccessError::Lifetime { max_seconds: 60 }));
}

#[test]
fn a_control_token_is_for_one_request() {
    let verifier = verifier(1, "ins_1");
    let request = Request { method: "PUT", path: "/_rockpool/config", body: b"{}" };
    let token = Signer::new(key(1)).control("ins_1", "op_1", &request, at(NOW)).unwrap();
    assert_eq!(verifier.control(token.as_str(), &request, at(NOW)).unwrap().subject, "op_1");
    for (other, what) in [
        (Request { method: "POST", ..request }, "method"),
        (Request { path: "/_rockpool/config?x=1", ..request }, "path"),
        (Request { body: b"{} ", ..request }, "body"),
    ] {
        assert_eq!(verifier.control(token.as_str(), &other, at(NOW)), Err(AccessError::OtherRequest(what)));
    }
}

#[test]
fn no_error_repeats_the_token() {
    let token = issue(Kind::Access, 2, "ins_1", NOW);
    let error = refusal(&token);
    assert!(!format!("{error} {error:?}").contains(&token[..20]));
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

proptest! {
    #[test]
    fn a_token_is_accepted_only_as_what_it_is(
        made in any_kind(), asked in any_kind(), signed_by in 1_u8..3, believed in 1_u8..3, for_instance in 1_u8..3, at_instance in 1_u8..3,
        age in -90_i64..120,
    ) {
        let token = issue(made, signed_by, &format!("ins_{for_instance}"), NOW);
        let verdict = verify(&verifier(believed, &format!("ins_{at_instance}")), asked, &token, NOW + age);
        let in_time = (-5..65).contains(&age);
        let is_what_it_is = made == asked && signed_by == believed && for_instance == at_instance;
        prop_assert_eq!(verdict.is_ok(), is_what_it_is && in_time);
    }

    #[test]
    fn a_token_with_one_character_changed_is_refused(kind in any_kind(), position in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let token = issue(kind, 1, "ins_1", NOW);
        let position = position.index(token.len());
        let changed = format!("{}{to}{}", &token[..position], &token[position + 1..]);
        prop_assume!(changed != token);
        prop_assert!(verify(&verifier(1, "ins_1"), kind, &changed, NOW).is_err());
    }

    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in ".{0,300}") {
        prop_assert!(verifier(1, "ins_1").access(&text, at(NOW)).is_err());
    }
}
