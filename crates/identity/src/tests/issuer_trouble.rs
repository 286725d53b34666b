use super::*;
use crate::testing::{Kind, SigningKey};

const HOUR: i64 = 3600;

/// A token that outlives every test here, signed with the issuer's present key.
fn long_lived(issuer: &Issuer) -> String {
    issuer.sign(&claims_with("exp", json!(NOW + 1000 * HOUR)))
}

fn invented(number: usize) -> String {
    SigningKey::generate(Kind::Ed25519, &format!("invented-{number}"))
        .sign(&json!({ "alg": "EdDSA", "kid": format!("invented-{number}") }), &claims())
}

fn new_key() -> SigningKey {
    SigningKey::generate(Kind::Ed25519, "key-2")
}

fn outcome(verdict: Result<crate::Caller, VerifyError>) -> &'static str {
    match verdict {
        Ok(_) => "accepted",
        Err(VerifyError::Refused(Refusal::UnknownKey)) => "unknown key",
        Err(VerifyError::Refused(refusal)) => panic!("{refusal}"),
        Err(VerifyError::IssuerUnreachable(_)) => "unreachable",
    }
}

#[tokio::test]
async fn the_keys_are_fetched_once_for_many_requests() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    let verifier = verifier(&issuer, settings(), &hand);
    let token = long_lived(&issuer);
    let together: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let (verifier, token) = (verifier.clone(), token.clone());
                async move { verifier.verify(&token).await }
            })
        })
        .collect();
    for one in together {
        assert_eq!(outcome(one.await.unwrap()), "accepted");
    }
    hand.advance(HOUR - 1);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
    assert_eq!(issuer.fetches(), 1);
    hand.advance(1);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
    assert_eq!(issuer.fetches(), 2, "after an hour they are fetched again");
}

#[tokio::test]
async fn a_new_key_is_found_by_asking_once_more() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    let verifier = verifier(&issuer, settings(), &hand);
    let old = long_lived(&issuer);
    assert_eq!(outcome(verifier.verify(&old).await), "accepted");
    issuer.rotate(new_key());
    hand.advance(30);
    assert_eq!(outcome(verifier.verify(&long_lived(&issuer)).await), "accepted");
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(outcome(verifier.verify(&old).await), "unknown key", "what the issuer withdrew is good no more");
}

#[tokio::test]
async fn invented_keys_cannot_flood_the_issuer() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    let verifier = verifier(&issuer, settings(), &hand);
    for number in 0..40 {
        assert_eq!(outcome(verifier.verify(&invented(number)).await), "unknown key");
        hand.advance(1);
    }
    assert_eq!(issuer.fetches(), 2, "40 invented keys in 40 s: one fetch at the start, one after the cool-down");
}

#[tokio::test]
async fn a_bad_signature_costs_no_fetch() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    let verifier = verifier(&issuer, settings(), &hand);
    let forged = SigningKey::generate(Kind::Ed25519, "key-1").sign(&json!({ "alg": "EdDSA", "kid": "key-1" }), &claims());
    for _ in 0..5 {
        hand.advance(31);
        assert!(matches!(verifier.verify(&forged).await, Err(VerifyError::Refused(Refusal::Signature))));
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_down_but_not_for_ever() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    let verifier = verifier(&issuer, settings(), &hand);
    let token = long_lived(&issuer);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
    issuer.set_up(false);
    hand.advance(24 * HOUR - 1);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
    assert_eq!(issuer.fetches(), 2, "a failure is not repeated with every request");
    hand.advance(5);
    assert_eq!(outcome(verifier.verify(&token).await), "unreachable");
    issuer.set_up(true);
    assert_eq!(outcome(verifier.verify(&token).await), "unreachable", "within the pause after a failure");
    hand.advance(5);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
}

#[tokio::test]
async fn without_any_key_the_issuer_is_unreachable_and_the_token_not_bad() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    issuer.set_up(false);
    let verifier = verifier(&issuer, settings(), &hand);
    let token = long_lived(&issuer);
    for _ in 0..10 {
        assert_eq!(outcome(verifier.verify(&token).await), "unreachable");
    }
    assert_eq!(issuer.fetches(), 1, "one question per pause");
    assert!(matches!(verifier.verify("not.a.token").await, Err(VerifyError::Refused(_))), "rubbish is rubbish at any time");
    issuer.set_up(true);
    hand.advance(5);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
}

#[tokio::test]
async fn a_key_that_cannot_be_looked_up_is_not_called_unknown() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    let verifier = verifier(&issuer, settings(), &hand);
    let old = long_lived(&issuer);
    assert_eq!(outcome(verifier.verify(&old).await), "accepted");
    issuer.rotate(new_key());
    issuer.set_up(false);
    hand.advance(30);
    assert_eq!(outcome(verifier.verify(&long_lived(&issuer)).await), "unreachable");
    assert_eq!(outcome(verifier.verify(&old).await), "accepted", "the others go on");
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_fetching() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW + 100 * HOUR));
    issuer.set_up(false);
    let verifier = verifier(&issuer, settings(), &hand);
    let token = long_lived(&issuer);
    assert_eq!(outcome(verifier.verify(&token).await), "unreachable");
    hand.advance(-100 * HOUR);
    issuer.set_up(true);
    assert_eq!(outcome(verifier.verify(&token).await), "accepted");
}

/// A source that answers when it is told to.
struct Held {
    issuer: Arc<Issuer>,
    asked: tokio::sync::Notify,
    go: tokio::sync::Notify,
}

#[async_trait::async_trait]
impl crate::KeySource for Held {
    async fn fetch(&self) -> Result<Vec<u8>, crate::FetchError> {
        self.asked.notify_one();
        self.go.notified().await;
        self.issuer.fetch().await
    }
}

#[tokio::test]
async fn who_waited_for_a_fetch_does_not_repeat_it_even_if_its_clock_is_behind() {
    let (issuer, hand) = (Issuer::start(), Hand::at(NOW));
    let source = Arc::new(Held { issuer: issuer.clone(), asked: tokio::sync::Notify::new(), go: tokio::sync::Notify::new() });
    let verifier = Verifier::with_clock(settings(), source.clone(), hand.clock()).unwrap();
    let (one, token) = (verifier.clone(), long_lived(&issuer));
    let first = tokio::spawn(async move { one.verify(&token).await });
    source.asked.notified().await;

    hand.advance(-1);
    let second = tokio::spawn(async move { verifier.verify(&invented(1)).await });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    source.go.notify_one();
    assert_eq!(outcome(first.await.unwrap()), "accepted");
    // Lets a second fetch, which there should not be, come to an end.
    source.go.notify_one();
    assert_eq!(outcome(second.await.unwrap()), "unknown key");
    assert_eq!(issuer.fetches(), 1);
}
