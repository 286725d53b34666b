use std::time::Duration;

use fly_sim::{Fault, Match, Options};
use http::{Method, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::harness::{Fly, image};

fn create() -> Value {
    json!({ "name": "m", "config": image() })
}

#[tokio::test]
async fn a_scripted_refusal_has_no_effect_and_happens_once() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.simulator.script().on(Match::action("create_machine")).then(Fault::region_full());
    fly.simulator.script().on(Match::action("create_machine").nth(2)).then(Fault::too_many_requests(Some(7)));
    let full = (422, json!({ "error": "could not find a candidate host", "status": "insufficient_capacity" }));
    assert_eq!(fly.post("/v1/apps/a/machines", create()).await, full);
    let limited = fly.send(Method::POST, "/v1/apps/a/machines", &[], create()).await;
    assert_eq!((limited.status().as_u16(), &limited.headers()[header::RETRY_AFTER]), (429, &"7".parse().unwrap()));
    assert!(fly.simulator.machines().is_empty());
    assert_eq!(fly.post("/v1/apps/a/machines", create()).await.0, 200);
    assert!(fly.simulator.script().unplayed().is_empty());
}

#[tokio::test]
async fn a_lost_answer_has_its_effect() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.simulator.script().on(Match::call(Method::POST, "/v1/apps/a/machines")).then(Fault::AnswerLost);
    let lost = fly.send(Method::POST, "/v1/apps/a/machines", &[], create()).await;
    assert!(lost.into_body().collect().await.is_err());
    assert_eq!(fly.simulator.inventory().machines, ["a/m"]);
    let calls = fly.simulator.calls();
    assert_eq!((calls.last().unwrap().action, calls.last().unwrap().status), ("create_machine", None));
    assert_eq!(calls[0].status, Some(201));
}

#[tokio::test]
async fn over_a_socket_a_lost_answer_is_a_connection_that_ends_before_the_first_byte() {
    let fly = Fly::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, fly.simulator.router()).into_future());
    fly.simulator.script().on(Match::action("create_app")).then(Fault::AnswerLost);
    let body = json!({ "app_name": "a", "org_slug": "personal" }).to_string();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("POST /v1/apps HTTP/1.1\r\nhost: fly\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "");
    assert_eq!(fly.simulator.inventory().apps, ["a"]);
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_comes_after_the_time_out_was_answered() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.simulator.script().on(Match::action("create_machine")).then(Fault::LateEffect(Duration::from_secs(3)));
    assert_eq!(fly.post("/v1/apps/a/machines", create()).await.0, 408);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(fly.simulator.machines().is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(fly.simulator.inventory().machines, ["a/m"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_has_its_effect_even_if_the_caller_leaves() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.simulator.script().on(Match::action("create_machine").times(2)).then(Fault::Slow(Duration::from_secs(10)));
    let begun = Instant::now();
    let impatient = tokio::time::timeout(Duration::from_secs(1), fly.post("/v1/apps/a/machines", create())).await;
    assert!(impatient.is_err() && fly.simulator.machines().is_empty());
    assert_eq!(fly.post("/v1/apps/a/machines", json!({ "name": "n", "config": image() })).await.0, 200);
    assert_eq!(begun.elapsed().as_secs(), 11);
    assert_eq!(fly.simulator.inventory().machines.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_rate_limits_hold_for_each_machine_when_they_are_on() {
    let fly = Fly::with(Default::default(), |options| Options { rate_limits: true, ..options }).await;
    for app in ["a", "b"] {
        fly.app(app).await;
    }
    let burst = async |app: &str| {
        let mut seen = Vec::new();
        for name in 0..4 {
            seen.push(fly.post(&format!("/v1/apps/{app}/machines"), json!({ "name": format!("m{name}"), "config": image() })).await.0);
        }
        seen
    };
    assert_eq!(burst("a").await, [200, 200, 200, 429]);
    assert_eq!(burst("b").await, [200, 200, 200, 429], "one app never queues behind another");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = async || fly.post("/v1/apps/a/machines", json!({ "config": image() })).await.0;
    assert_eq!([again().await, again().await], [200, 429]);
}
