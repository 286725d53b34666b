use identity::testing::{Kind as KeyKind, SigningKey};

use super::*;

async fn whoami_with(issuer: &Arc<Issuer>, headers: &[(&str, &str)]) -> Answer {
    send(app(issuer), request("GET", "/whoami", headers, "")).await
}

#[tokio::test]
async fn a_good_token_opens_the_route() {
    let issuer = Issuer::start();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = whoami_with(&issuer, &[("authorization", &format!("{scheme} {}", issuer.token("alice")))]).await;
        assert_eq!(answer.json()["subject"], "alice");
        assert_eq!(answer.json()["organisation"], json!(identity::Caller::personal_organisation(Issuer::ADDRESS, "alice")));
    }
}

#[tokio::test]
async fn without_a_bearer_token_the_challenge_carries_no_error() {
    let issuer = Issuer::start();
    let good = format!("Bearer {}", issuer.token("alice"));
    for headers in [
        &[][..],
        &[("authorization", "")],
        &[("authorization", "Bearer")],
        &[("authorization", "Basic YTpi")],
        &[("authorization", "Bearer\u{e9}")],
        &[("authorization", &*good), ("authorization", &*good)],
        &[("cookie", &*good)],
    ] {
        let answer = whoami_with(&issuer, headers).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (401, "unauthorised"), "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"rockpool\"");
    }
}

#[tokio::test]
async fn a_token_in_the_query_is_not_read() {
    let issuer = Issuer::start();
    let answer = send(app(&issuer), request("GET", &format!("/whoami?access_token={}", issuer.token("alice")), &[], "")).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_bad_token_is_refused_with_the_reason() {
    let issuer = Issuer::start();
    let expired = issuer.sign(&json!({ "iss": Issuer::ADDRESS, "sub": "alice", "exp": 1_000_000_000 }));
    let foreign = issuer.sign(&json!({ "iss": "https://elsewhere.example/", "sub": "alice", "exp": 9_000_000_000i64 }));
    let of_another_key = Issuer::with_key(SigningKey::generate(KeyKind::Ed25519, "key-2")).token("alice");
    let forged = Issuer::start().token("alice");
    for (token, kind, reason) in [
        (&*expired, "token-expired", "expired"),
        (&*foreign, "token-foreign", "another issuer"),
        (&*of_another_key, "token-foreign", "no key"),
        (&*forged, "token-invalid", "signature"),
        ("x", "token-invalid", "not a signed"),
        ("", "token-invalid", "not a signed"),
        ("a b", "token-invalid", "not a signed"),
    ] {
        let answer = whoami_with(&issuer, &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (401, kind), "{token}");
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer realm=\"rockpool\", error=\"invalid_token\", error_description=\"") && challenge.contains(reason),
            "{challenge}"
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(reason), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_unreachable_issuer_is_not_the_callers_fault() {
    let issuer = Issuer::start();
    issuer.set_up(false);
    let answer = whoami_with(&issuer, &[("authorization", &format!("Bearer {}", issuer.token("alice")))]).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (503, "unavailable"));
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!answer.text.contains("login.example.com"), "{}", answer.text);
}

#[tokio::test]
async fn a_permission_that_nobody_can_have_is_refused_to_an_owner_too() {
    let issuer = Issuer::start();
    let token = format!("Bearer {}", issuer.token("alice"));
    let answer = send(app(&issuer), request("GET", "/staff", &[("authorization", &token)], "")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (403, "forbidden"));
    assert_eq!(answer.json()["permission"], "fleet:repair");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"rockpool\", error=\"insufficient_scope\", scope=\"fleet:repair\"");
}

#[tokio::test]
async fn an_owner_has_every_permission_of_an_organisation() {
    for permission in ["instances:read", "instances:write", "instances:access", "operations:read", "operations:cancel"] {
        assert!(crate::Role::Owner.grants(permission), "{permission}");
    }
}
