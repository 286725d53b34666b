//! Ordering a restart.

use std::time::Duration;

use durable::{Attempt, Clock, Setback};
use flows::ports::Gateways;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::{Plane, black_hole, deserted, plane, saying};

const PATH: &str = "/_rockpool/restart";

async fn restart(plane: &Plane, address: &str) -> Attempt<()> {
    plane.supervisors.restart_process(&plane.instance, address, "org_1.op_1").await
}

async fn supervisor(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path(PATH)).respond_with(answer).mount(&server).await;
    server
}

async fn orders(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

fn token(order: &Request) -> String {
    let header = order.headers.get("authorization").unwrap().to_str().unwrap();
    header.strip_prefix("Bearer ").unwrap().to_owned()
}

#[tokio::test]
async fn an_order_that_is_taken_is_done() {
    let (plane, server) = (plane(), supervisor(ResponseTemplate::new(202).set_body_json(json!({ "order": 1 }))).await);
    assert_eq!(restart(&plane, &server.uri()).await, Ok(()));
    let [order] = &orders(&server).await[..] else { panic!("one order") };
    assert_eq!(order.body_json::<Value>().unwrap(), json!({ "request": "org_1.op_1" }));
    assert_eq!(order.headers.get("content-type").unwrap(), "application/json");
}

#[tokio::test]
async fn the_token_is_for_this_instance_this_method_this_path_and_this_body() {
    let (plane, server) = (plane(), supervisor(ResponseTemplate::new(202)).await);
    restart(&plane, &server.uri()).await.unwrap();
    let order = orders(&server).await.remove(0);
    let (token, now) = (token(&order), plane.clock.now());
    let asked = access::Request { method: "POST", path: PATH, body: &order.body };
    let verified = plane.verifier.control(&token, &asked, now).unwrap();
    assert_eq!(verified.subject, "control-plane");
    assert_eq!(verified.expires_at.duration_since(now), jiff::SignedDuration::from_secs(60));

    let others = [
        access::Request { method: "PUT", ..asked },
        access::Request { path: "/_rockpool/config", ..asked },
        access::Request { body: br#"{"request":"org_1.op_2"}"#, ..asked },
    ];
    for other in others {
        assert!(plane.verifier.control(&token, &other, now).is_err(), "{other:?}");
    }
    let later = now + Duration::from_secs(600);
    assert!(plane.verifier.control(&token, &asked, later).is_err(), "it does not last");
    let stranger = crate::plane();
    assert!(stranger.verifier.control(&token, &asked, now).is_err(), "another deployment's key, another instance");
}

#[tokio::test]
async fn the_same_order_given_again_bears_the_same_name_and_another_token() {
    let (plane, server) = (plane(), supervisor(ResponseTemplate::new(503)).await);
    for _ in 0..2 {
        assert!(matches!(restart(&plane, &server.uri()).await, Err(Setback::Retry { .. })));
    }
    let orders = orders(&server).await;
    assert_eq!(orders.len(), 2, "whether it is given again is the engine's to say, not the client's");
    assert_eq!(orders[0].body, orders[1].body, "by this name the supervisor knows it");
    assert_ne!(token(&orders[0]), token(&orders[1]), "a token is good for one use");
}

#[tokio::test]
async fn a_supervisor_that_refuses_the_order_will_always_refuse_it() {
    for status in [400, 401, 403] {
        let server = supervisor(ResponseTemplate::new(status)).await;
        let refused = restart(&plane(), &server.uri()).await;
        let Err(Setback::Fatal { why }) = &refused else { panic!("{status}: {refused:?}") };
        assert!(why.contains(&status.to_string()), "{why}");
    }
}

#[tokio::test]
async fn whatever_else_is_answered_may_pass() {
    for status in [302, 404, 408, 429, 500, 502, 503, 504] {
        let server = supervisor(ResponseTemplate::new(status)).await;
        let answer = restart(&plane(), &server.uri()).await;
        let Err(Setback::Retry { why, .. }) = &answer else { panic!("{status}: {answer:?}") };
        assert!(why.contains(&status.to_string()), "{why}");
    }
}

#[tokio::test]
async fn a_machine_that_cannot_be_reached_or_hangs_up_is_tried_again() {
    assert_eq!(restart(&plane(), &deserted().await).await, Err(Setback::retry("its machine cannot be connected to")));
    assert_eq!(restart(&plane(), &saying(b"").await).await, Err(Setback::retry("its machine broke off its answer")));
}

#[tokio::test(start_paused = true)]
async fn silence_is_tried_again() {
    let address = black_hole().await;
    assert_eq!(restart(&plane(), &address).await, Err(Setback::retry("its machine did not answer in time")));
}

#[tokio::test]
async fn no_token_is_in_what_an_error_says() {
    let (plane, server) = (plane(), supervisor(ResponseTemplate::new(401)).await);
    let refused = restart(&plane, &server.uri()).await;
    let token = token(&orders(&server).await[0]);
    assert!(!format!("{refused:?}").contains(&token));
}
