use super::*;
use access::{KeySet, Verifier};

#[tokio::test]
async fn access_is_a_token_and_a_link_for_this_instance_and_person() {
    let app = App::start().await;
    let id = app.running("a").await;
    let answer = app.post(&format!("/v1/instances/{id}/access")).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    let address = answer.at("/address");
    assert_eq!(address, format!("https://rp-test-{}.fly.dev", &id[4..]));

    let verifier = Verifier::new(KeySet::of([app.access.clone()]), &id);
    let visit = verifier.access(&answer.at("/token"), Still.now()).unwrap();
    assert_eq!((visit.subject.as_str(), visit.name.as_str()), ("alice", "alice"));
    assert_eq!(visit.expires_at.to_string(), answer.at("/expires_at"));
    assert_eq!(answer.at("/expires_at"), "2026-11-23T13:00:00Z");

    let link = answer.at("/link");
    let token = link.strip_prefix(&format!("{address}/_rockpool/enter?token=")).expect("it leads to the supervisor");
    assert!(verifier.link(token, Still.now()).is_ok());
    assert_eq!(answer.at("/link_expires_at"), "2026-11-23T12:01:00Z");
    let other = Verifier::new(KeySet::of([app.access.clone()]), &nobody().0);
    assert!(other.access(&answer.at("/token"), Still.now()).is_err(), "it opens no other instance");
}

#[tokio::test]
async fn an_instance_that_is_being_made_cannot_be_entered() {
    let app = App::start().await;
    let (id, operation) = app.create("a").await;
    let answer = app.post(&format!("/v1/instances/{id}/access")).await;
    assert_eq!((answer.problem(), answer.at("/operation")), (pair(409, "busy"), operation));
}
