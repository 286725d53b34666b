use super::*;
use crate::testing::{Kind, SigningKey};

#[tokio::test]
async fn every_accepted_algorithm_verifies() {
    for kind in [Kind::Rsa, Kind::P256, Kind::Ed25519] {
        let issuer = Issuer::with_key(SigningKey::generate(kind, "k"));
        let caller = check(&issuer, settings(), &issuer.sign(&claims())).await.unwrap();
        assert_eq!((caller.subject.as_str(), caller.issuer.as_str()), ("alice", Issuer::ADDRESS), "{kind:?}");
        assert_eq!(caller.expires_at.as_second(), NOW + 300);
    }
}

#[tokio::test]
async fn the_display_name_is_the_best_that_the_token_has() {
    let issuer = Issuer::start();
    let full =
        json!({ "iss": Issuer::ADDRESS, "sub": "u1", "exp": NOW + 9, "name": "Alice A.", "preferred_username": "alice", "email": "a@b.c" });
    for (missing, expected) in [(vec![], "Alice A."), (vec!["name"], "alice"), (vec!["name", "preferred_username"], "a@b.c")] {
        let mut claims = full.clone();
        missing.iter().for_each(|name| _ = claims.as_object_mut().unwrap().remove(*name));
        assert_eq!(check(&issuer, settings(), &issuer.sign(&claims)).await.unwrap().display_name, expected);
    }
    for (name, expected) in [
        (json!("  Bob\u{0}\n\u{1b}[31m "), "Bob[31m"),
        (json!(""), "alice"),
        (json!(7), "alice"),
        (json!({ "first": "x" }), "alice"),
        (json!(null), "alice"),
        (json!("é".repeat(200)), &*"é".repeat(100)),
    ] {
        let caller = check(&issuer, settings(), &issuer.sign(&claims_with("name", name))).await.unwrap();
        assert_eq!(caller.display_name, expected);
    }
}

#[tokio::test]
async fn the_audience_may_be_a_text_or_a_list() {
    let issuer = Issuer::start();
    let wanted = || Settings { audience: Some("api".to_owned()), ..settings() };
    for (audience, good) in [
        (json!("api"), true),
        (json!(["web", "api"]), true),
        (json!([]), false),
        (json!(["web"]), false),
        (json!("API"), false),
        (json!("api "), false),
        (json!("web api"), false),
    ] {
        let token = issuer.sign(&claims_with("aud", audience.clone()));
        assert_eq!(check(&issuer, wanted(), &token).await.map(|_| ()), if good { Ok(()) } else { Err(Refusal::Audience) }, "{audience}");
        assert!(check(&issuer, settings(), &token).await.is_ok(), "without an expectation any audience will do");
    }
    assert_eq!(check(&issuer, wanted(), &issuer.sign(&claims())).await, Err(Refusal::Audience), "absence is no pass");
}

#[tokio::test]
async fn only_allowed_parties_pass() {
    let issuer = Issuer::start();
    let wanted = || Settings { allowed_parties: vec!["cli".to_owned(), "web".to_owned()], ..settings() };
    for (extra, good) in [
        (json!({ "azp": "web" }), true),
        (json!({ "client_id": "cli" }), true),
        (json!({ "azp": "web", "client_id": "cli" }), true),
        (json!({ "azp": "web", "client_id": "evil" }), false),
        (json!({ "azp": "evil", "client_id": "cli" }), false),
        (json!({ "azp": "evil" }), false),
        (json!({}), false),
    ] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let verdict = check(&issuer, wanted(), &issuer.sign(&claims)).await.map(|_| ());
        assert_eq!(verdict, if good { Ok(()) } else { Err(Refusal::Party) }, "{extra}");
    }
}

#[tokio::test]
async fn the_kind_of_token_can_be_demanded() {
    let issuer = Issuer::start();
    let access = || Settings { token_use: Some("access".to_owned()), ..settings() };
    assert!(check(&issuer, access(), &issuer.sign(&claims_with("token_use", json!("access")))).await.is_ok());
    assert_eq!(check(&issuer, access(), &issuer.sign(&claims_with("token_use", json!("id")))).await, Err(Refusal::Type));
    assert_eq!(check(&issuer, access(), &issuer.sign(&claims())).await, Err(Refusal::Type));

    let typed = || Settings { typ: Some("at+jwt".to_owned()), ..settings() };
    for (typ, good) in [(json!("at+jwt"), true), (json!("application/AT+JWT"), true), (json!("JWT"), false), (json!(null), false)] {
        let token = issuer.key().sign(&json!({ "alg": "EdDSA", "kid": "key-1", "typ": typ }), &claims());
        assert_eq!(check(&issuer, typed(), &token).await.map(|_| ()), if good { Ok(()) } else { Err(Refusal::Type) }, "{typ}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_no_more() {
    let issuer = Issuer::start();
    for (name, value, verdict) in [
        ("exp", NOW - 9, Ok(())),
        ("exp", NOW - 10, Err(Refusal::Expired)),
        ("nbf", NOW + 10, Ok(())),
        ("nbf", NOW + 11, Err(Refusal::NotYetValid)),
    ] {
        let token = issuer.sign(&claims_with(name, json!(value)));
        assert_eq!(check(&issuer, settings(), &token).await.map(|_| ()), verdict, "{name} {value}");
    }
    let fractional = issuer.sign(&claims_with("exp", json!(NOW as f64 + 0.5)));
    assert!(check(&issuer, settings(), &fractional).await.is_ok(), "a date need not be whole");
}

#[tokio::test]
async fn one_person_has_one_organisation_and_nobody_elses() {
    let issuer = Issuer::start();
    let of =
        async |subject: &str| check(&issuer, settings(), &issuer.sign(&claims_with("sub", json!(subject)))).await.unwrap().organisation;
    assert_eq!(of("alice").await, of("alice").await);
    assert_ne!(of("alice").await, of("bob").await);
    assert_ne!(of("alice").await, of("Alice").await);
    assert_eq!(of("alice").await, crate::Caller::personal_organisation(Issuer::ADDRESS, "alice"));
}

#[tokio::test]
async fn a_token_without_kid_is_checked_with_the_only_key() {
    let issuer = Issuer::start();
    let token = issuer.key().sign(&json!({ "alg": "EdDSA" }), &claims());
    assert!(check(&issuer, settings(), &token).await.is_ok());
}
