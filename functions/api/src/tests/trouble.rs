use std::sync::atomic::Ordering;

use aws_sim::{Refusal, Verdict};

use super::*;

async fn everything(app: &App, id: &str, operation: &str) -> Vec<Answer> {
    let mut answers = vec![
        app.call("alice", "POST", "/v1/instances", wish("b")).await,
        app.call("alice", "PATCH", &format!("/v1/instances/{id}"), json!({ "name": "c" })).await,
        app.call("alice", "DELETE", &format!("/v1/instances/{id}"), None).await,
        app.post(&format!("/v1/operations/{operation}/cancel")).await,
    ];
    for path in [
        "/v1/instances",
        "/v1/health",
        &format!("/v1/instances/{id}"),
        &format!("/v1/operations/{operation}"),
        &format!("/v1/instances/{id}/operations"),
    ] {
        answers.push(app.get(path).await);
    }
    for verb in ["start", "stop", "restart", "access"] {
        answers.push(app.post(&format!("/v1/instances/{id}/{verb}")).await);
    }
    answers
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_bug_of_ours() {
    let app = App::start().await;
    let (id, operation) = app.create("a").await;
    app.sim.set_fault(|_| Verdict::Refuse(Refusal::Throttled));
    for answer in everything(&app, &id, &operation).await {
        assert_eq!(answer.problem(), pair(503, "unavailable"), "{}", answer.text);
        assert_eq!(answer.header("retry-after"), "2");
    }
    app.sim.clear_fault();
    assert_eq!(app.get("/v1/health").await.json(), json!({ "status": "ok" }));
    assert_eq!(app.get(&format!("/v1/instances/{id}")).await.at("/name"), "a");
}

#[tokio::test]
async fn a_refusal_of_the_store_is_a_bug_of_ours_and_shows_nothing() {
    let app = App::start().await;
    let (id, operation) = app.create("a").await;
    let secret = || Refusal::Other { status: 400, code: "AccessDeniedException".to_owned(), message: "role/secret may not".to_owned() };
    app.sim.set_fault(move |_| Verdict::Refuse(secret()));
    for answer in everything(&app, &id, &operation).await {
        let status = answer.problem().0;
        assert!(matches!(status, 500 | 503), "{}", answer.text);
        assert!(!answer.text.contains("secret") && !answer.text.contains("AccessDenied"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_queue_that_is_down_delays_and_fails_nothing() {
    let app = App::start().await;
    app.sent.down.store(true, Ordering::SeqCst);
    let (id, _) = app.create("a").await;
    assert_eq!(app.get(&format!("/v1/instances/{id}")).await.at("/state"), "provisioning");
}

#[tokio::test]
async fn an_issuer_that_is_down_is_said_to_be_down() {
    let app = App::start().await;
    app.issuer.set_up(false);
    assert_eq!(app.get("/v1/instances").await.problem(), pair(503, "unavailable"));
    assert_eq!(app.send(Request::get("/v1/plans").body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn an_answer_costs_what_the_ledger_says() {
    let app = App::start().await;
    app.running("a").await;
    app.sim.reset_ledger();
    let (id, operation) = app.create("b").await;
    let created = app.sim.consumed();
    assert_eq!(created.calls("dynamodb.TransactWriteItems"), 1);
    assert_eq!(created.total_calls(), 1);
    assert!(created.write_units() <= 14.0, "{} write units", created.write_units());

    app.sim.reset_ledger();
    app.get("/v1/instances").await;
    let listed = app.sim.consumed();
    assert_eq!((listed.total_calls(), listed.calls("dynamodb.Query")), (1, 1));
    assert!(listed.read_units() <= 0.5, "{} read units", listed.read_units());

    for path in [format!("/v1/instances/{id}"), format!("/v1/operations/{operation}")] {
        app.sim.reset_ledger();
        app.get(&path).await;
        assert_eq!(app.sim.consumed().total_calls(), 1, "{path}");
    }
}
