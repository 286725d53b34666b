//! Waiting until a gateway is ready.

use std::time::Duration;

use durable::{Attempt, Setback};
use flows::ports::Gateways;
use serde_json::json;
use tokio::time::Instant;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::{black_hole, deserted, plane, saying};

async fn await_ready(address: &str) -> Attempt<()> {
    let plane = plane();
    plane.supervisors.await_ready(&plane.instance, address).await
}

/// What comes of an answer to the long poll.
async fn answered(answer: ResponseTemplate) -> Attempt<()> {
    let server = MockServer::start().await;
    let asked = Mock::given(method("GET")).and(path("/health")).and(query_param("until", "ready")).and(query_param("timeout", "20"));
    asked.respond_with(answer).expect(1).mount(&server).await;
    await_ready(&server.uri()).await
}

/// A report as a supervisor writes it, cut to what matters.
fn report(status: u16, phase: &str) -> ResponseTemplate {
    let body = json!({
        "status": if phase == "ready" { "ready" } else { "not_ready" },
        "gateway": { "family": "openclaw", "ready": phase == "ready", "phase": phase, "starts": 1 },
        "disk": null
    });
    ResponseTemplate::new(status).set_body_json(body)
}

fn not_yet(why: &str) -> Attempt<()> {
    Err(Setback::NotYet { look_again_in: Duration::from_secs(1), why: why.to_owned() })
}

#[tokio::test]
async fn a_gateway_that_is_ready_is_waited_for_no_longer() {
    assert_eq!(answered(report(200, "ready")).await, Ok(()));
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_is_looked_at_again_and_its_phase_is_named() {
    for phase in ["waiting_for_volume", "starting", "not_ready", "restarting", "backing_off", "stopping", "stopped"] {
        assert_eq!(answered(report(503, phase)).await, not_yet(&format!("the gateway is {phase}")));
    }
    assert_eq!(answered(report(503, "ready")).await, not_yet("the gateway is ready"), "it has changed between status and report");
}

#[tokio::test]
async fn a_gateway_that_refuses_its_configuration_is_never_going_to_be_ready() {
    assert_eq!(answered(report(503, "refused")).await, Err(Setback::fatal("the gateway refuses its configuration")));
}

#[tokio::test]
async fn what_a_proxy_says_is_not_yet_whatever_its_status() {
    let page = || b"<!DOCTYPE html><title>Welcome</title>".to_vec();
    for status in [200, 301, 401, 404, 408, 429, 500, 502, 503] {
        let answer = answered(ResponseTemplate::new(status).set_body_raw(page(), "text/html")).await;
        let Err(Setback::NotYet { why, .. }) = answer else { panic!("{status}: {answer:?}") };
        assert!(why.starts_with(&format!("its address answers {status}")), "{why}");
    }
    let empty = answered(ResponseTemplate::new(502)).await;
    assert!(matches!(empty, Err(Setback::NotYet { .. })), "{empty:?}");
    let other_json = answered(ResponseTemplate::new(200).set_body_json(json!({ "status": "ok" }))).await;
    assert!(matches!(other_json, Err(Setback::NotYet { .. })), "another program's health is not the gateway's: {other_json:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("GET")).respond_with(report(200, "ready")).expect(0).mount(&elsewhere).await;
    let answer = answered(ResponseTemplate::new(302).insert_header("location", format!("{}/health", elsewhere.uri()))).await;
    assert!(matches!(answer, Err(Setback::NotYet { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_machine_that_cannot_be_reached_is_not_there_yet() {
    assert_eq!(await_ready(&deserted().await).await, not_yet("its machine cannot be connected to"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_yet() {
    let hung_up = await_ready(&saying(b"").await).await;
    assert_eq!(hung_up, not_yet("its machine broke off its answer"));
    let half = await_ready(&saying(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"gateway\":{\"phase\":\"ready\"}").await).await;
    assert!(matches!(half, Err(Setback::NotYet { .. })), "{half:?}");
    let noise = await_ready(&saying(b"220 mail.example.com ESMTP\r\n").await).await;
    assert!(matches!(noise, Err(Setback::NotYet { .. })), "{noise:?}");
}

#[tokio::test]
async fn a_machine_that_sends_without_end_is_not_read_to_its_end() {
    let padding = "x".repeat(65 * 1024);
    let huge = json!({ "gateway": { "phase": "ready" }, "padding": padding });
    let answer = answered(ResponseTemplate::new(200).set_body_json(huge)).await;
    assert!(matches!(answer, Err(Setback::NotYet { .. })), "{answer:?}");
    let Err(Setback::NotYet { why, .. }) = answered(report(503, &"y".repeat(1000))).await else { panic!("it is not ready") };
    assert_eq!(why, format!("the gateway is {}", "y".repeat(32)), "a tenant's machine writes no pages into the timeline");
}

#[tokio::test(start_paused = true)]
async fn silence_costs_a_long_poll_and_no_more() {
    let address = black_hole().await;
    let began = Instant::now();
    let answer = await_ready(&address).await;
    assert_eq!(answer, not_yet("its machine did not answer in time"));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(20), "the supervisor holds the request for 20 s; given up after {waited:?}");
    let timing = durable::Timing::DEFAULT;
    assert!(waited + timing.writing <= timing.step_needs, "a step has no more time than that, and its write comes after it: {waited:?}");
}
