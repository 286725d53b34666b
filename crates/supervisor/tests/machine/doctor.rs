//! The gateway's own doctor: called by an order, between two processes of the gateway.

use gateway::Family;
use http::{Method, StatusCode};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::call::get;
use crate::support::{Machine, Plan, config, eventually, runs};

const PATH: &str = "/_rockpool/doctor";

/// What the supervisor tells of its gateway to a caller with a token, once it is ready.
async fn gateway_of(machine: &Machine) -> Value {
    machine.ready().await["gateway"].take()
}

async fn call_the_doctor(machine: &Machine, body: &str) -> Value {
    let answer = machine.command(Method::POST, PATH, body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    answer.json()["order"].take()
}

#[tokio::test]
async fn the_doctor_comes_while_no_gateway_runs_and_what_it_wrote_into_the_configuration_does_not_last() {
    for family in Family::ALL {
        let machine = Plan::stand_in(family).boot();
        machine.ready().await;
        call_the_doctor(&machine, "").await;
        let gateway = gateway_of(&machine).await;
        assert_eq!((&gateway["ready"], &gateway["starts"], &gateway["crashes"]), (&json!(true), &json!(2), &json!(0)), "{gateway}");
        let seen = &gateway["examination"];
        assert_eq!((&seen["code"], &seen["trouble"]), (&json!(0), &Value::Null), "{family}: {gateway}");

        let lines = machine.command(Method::GET, "/_rockpool/logs", "").await.text();
        assert!(lines.contains("Doctor complete."), "{lines}");
        let launch = gateway::Launch::below(machine.root(), family, 1, 2048);
        let used: Value = serde_json::from_slice(&std::fs::read(launch.config()).unwrap()).unwrap();
        assert_eq!(used, config(family), "the gateway was started with what its doctor made of the configuration");
        let public = get(machine.address, "/health", &[]).await.json();
        assert_eq!(public["gateway"]["examination"], Value::Null, "what came of it is for callers with a token");
    }
}

#[tokio::test]
async fn a_wish_for_the_doctor_is_fulfilled_once_and_a_restart_of_the_same_name_is_another_wish() {
    let machine = Plan::stand_in(Family::Openclaw).boot();
    machine.ready().await;
    let body = json!({ "request": "op_1" }).to_string();
    assert_eq!(call_the_doctor(&machine, &body).await, 1);
    gateway_of(&machine).await;
    assert_eq!(call_the_doctor(&machine, &body).await, 1);
    let restarted = machine.command(Method::POST, "/_rockpool/restart", &body).await;
    assert_eq!(restarted.json()["order"], 2);
    let gateway = gateway_of(&machine).await;
    assert_eq!((&gateway["starts"], &gateway["orders"]), (&json!(3), &json!({ "given": 2, "handled": 2 })));
}

#[tokio::test]
async fn orders_that_arrive_while_the_doctor_is_there_wait_for_its_end() {
    let mut plan = Plan::stand_in(Family::Openclaw);
    plan.environment.push(("STAND_IN_DOCTOR_MS".to_owned(), "1500".to_owned()));
    let machine = plan.boot();
    machine.ready().await;
    call_the_doctor(&machine, "").await;
    machine.log.wait_for("the gateway's doctor was called");
    let health = get(machine.address, "/health", &[]).await;
    assert_eq!((health.status, &health.json()["gateway"]["phase"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("under_doctor")));
    let doctor = machine.noted_gateway().unwrap();
    machine.command(Method::POST, "/_rockpool/restart", "").await;
    call_the_doctor(&machine, "").await;
    let gateway = gateway_of(&machine).await;
    assert!(!runs(doctor));
    assert_eq!((&gateway["ready"], &gateway["orders"]), (&json!(true), &json!({ "given": 3, "handled": 3 })), "{gateway}");
    let visits = machine.log.lines().iter().filter(|line| line["message"] == "the gateway's doctor was called").count();
    assert_eq!(visits, 2, "it was called again while it was there");
}

#[tokio::test]
async fn a_supervisor_that_is_to_end_does_not_wait_for_the_doctor() {
    let mut plan = Plan::stand_in(Family::Clawdbot);
    plan.environment.push(("STAND_IN_DOCTOR_MS".to_owned(), "3600000".to_owned()));
    let mut machine = plan.boot();
    machine.ready().await;
    call_the_doctor(&machine, "").await;
    machine.log.wait_for("the gateway's doctor was called");
    let doctor = eventually("the doctor is noted", || machine.noted_gateway().filter(|pid| runs(*pid)));
    machine.send(Signal::SIGTERM);
    assert!(machine.wait_for_end().success());
    assert!(!runs(doctor), "the doctor outlived its supervisor");
}

#[tokio::test]
async fn a_doctor_that_cannot_help_is_told_of_and_the_gateway_runs_all_the_same() {
    let script = r#"case "$*" in *doctor*) echo "no" >&2; exit 3;; *) exec sleep 3600;; esac"#;
    let plan = Plan::new(Family::Openclaw, &["/bin/sh", "-c", script, "gateway"]);
    let _mirror = crate::support::mirror::serve(plan.gateway_port).await;
    let machine = plan.boot();
    machine.ready().await;
    call_the_doctor(&machine, "").await;
    let gateway = gateway_of(&machine).await;
    assert_eq!((&gateway["ready"], &gateway["examination"]["code"]), (&json!(true), &json!(3)), "{gateway}");
    assert_eq!((&gateway["crashes"], &gateway["last_exit"]), (&json!(0), &Value::Null), "an examination is no crash of the gateway");
}
