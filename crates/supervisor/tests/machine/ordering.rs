//! The control plane's orders: by whom, for what, and how often.

use access::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::Family;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::call::{bearer, call, get};
use crate::support::{INSTANCE, Plan, config, mirror};

#[tokio::test]
async fn a_restart_is_ordered_once_and_readiness_is_then_that_of_the_new_process() {
    let machine = Plan::stand_in(Family::Openclaw).boot();
    machine.ready().await;
    let before = machine.noted_gateway();
    let token = bearer(&machine.order("POST", "/_rockpool/restart", b""));
    let first = call(machine.address, Method::POST, "/_rockpool/restart", &[("authorization", &token)], "").await;
    assert_eq!((first.status, &first.json()["order"]), (StatusCode::ACCEPTED, &json!(1)));
    let ready = get(machine.address, "/health?until=ready&timeout=30", &[]).await;
    assert_eq!(ready.status, StatusCode::OK, "{}", ready.text());
    assert_eq!((&ready.json()["gateway"]["starts"], &ready.json()["gateway"]["crashes"]), (&json!(2), &json!(0)));
    assert_ne!(machine.noted_gateway(), before);

    let again = call(machine.address, Method::POST, "/_rockpool/restart", &[("authorization", &token)], "").await;
    assert_eq!((again.status, again.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthorised"), "the order was carried out twice");
    assert_eq!(machine.ready().await["gateway"]["starts"], 2);
}

#[tokio::test]
async fn a_request_given_twice_under_the_same_name_is_one_restart() {
    let machine = Plan::stand_in(Family::Openclaw).boot();
    machine.ready().await;
    for (request, order, starts) in [("op_1", 1, 2), ("op_1", 1, 2), ("op_2", 2, 3), ("op_1", 1, 3)] {
        let answer = machine.command(Method::POST, "/_rockpool/restart", &json!({ "request": request }).to_string()).await;
        assert_eq!((answer.status, &answer.json()["order"]), (StatusCode::ACCEPTED, &json!(order)), "{request}");
        let health = get(machine.address, "/health?until=ready&timeout=30", &[]).await;
        assert_eq!(health.json()["gateway"]["starts"], json!(starts));
    }
    let unreadable = machine.command(Method::POST, "/_rockpool/restart", r#"{"wish":1}"#).await;
    assert_eq!(unreadable.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nothing_but_a_control_token_for_this_very_request_is_an_order() {
    let plan = Plan::idle(Family::Openclaw);
    let _mirror = mirror::serve(plan.gateway_port).await;
    let machine = plan.boot();
    machine.ready().await;
    let now = Timestamp::now();
    let request = Request { method: "POST", path: "/_rockpool/restart", body: b"" };
    let refused = [
        ("for another path", machine.order("POST", "/_rockpool/config", b"")),
        ("for another method", machine.order("PUT", "/_rockpool/restart", b"")),
        ("for another body", machine.order("POST", "/_rockpool/restart", b"{}")),
        ("for another instance", machine.control.control("ins_another", "op", &request, now).unwrap()),
        ("by the access key", machine.access.control(INSTANCE, "op", &request, now).unwrap()),
        ("expired", machine.control.control(INSTANCE, "op", &request, now - SignedDuration::from_secs(70)).unwrap()),
        (
            "from before the supervisor began",
            machine.control.control(INSTANCE, "op", &request, now - SignedDuration::from_secs(30)).unwrap(),
        ),
        ("that is an access token", machine.token(60)),
        ("that is a link", machine.link()),
    ];
    for (what, token) in refused {
        let answer = call(machine.address, Method::POST, "/_rockpool/restart", &[("authorization", &bearer(&token))], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "a token {what} was obeyed");
    }
    let none = call(machine.address, Method::POST, "/_rockpool/restart", &[], "").await;
    assert_eq!(none.problem(), "unauthorised");
    let wrong_method = get(machine.address, "/_rockpool/restart", &[]).await;
    assert_eq!((wrong_method.status, wrong_method.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    assert_eq!(get(machine.address, "/_rockpool/nothing", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(machine.ready().await["gateway"]["starts"], 1);
}

#[tokio::test]
async fn an_applied_configuration_is_used_and_outlives_the_supervisor() {
    let plan = Plan::stand_in(Family::Openclaw);
    let mut machine = plan.boot();
    machine.ready().await;
    let mut wanted = config(Family::Openclaw);
    wanted["logging"]["level"] = json!("debug");
    let body = json!({ "config": wanted }).to_string();
    let applied = machine.command(Method::PUT, "/_rockpool/config", &body).await;
    assert_eq!(applied.status, StatusCode::ACCEPTED, "{}", applied.text());
    let health = machine.ready().await;
    assert_eq!(health["gateway"]["config"]["wanted_digest"], applied.json()["config_digest"]);
    assert_eq!((&health["gateway"]["config"]["in_use"], &health["gateway"]["starts"]), (&json!("wanted"), &json!(2)));

    machine.send(nix::sys::signal::Signal::SIGTERM);
    machine.wait_for_end();
    let again = plan.boot();
    assert_eq!(again.ready().await["gateway"]["config"]["wanted_digest"], applied.json()["config_digest"]);
}

#[tokio::test]
async fn kept_configurations_that_cannot_be_read_are_said_in_the_log_and_the_delivered_one_is_used() {
    let plan = Plan::stand_in(Family::Openclaw);
    let own = plan.place("/data/rockpool");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("applied.json"), r#""s3cret""#).unwrap();
    std::fs::create_dir(own.join("last-good.json")).unwrap();
    let machine = plan.boot();
    let health = machine.ready().await;
    let delivered = delivered_digest(&plan);
    assert_eq!(health["gateway"]["config"]["wanted_digest"], delivered.as_str());
    machine.log.wait_for("the applied configuration is damaged");
    let unreadable = machine.log.wait_for("a kept configuration cannot be read");
    assert!(unreadable["file"].as_str().unwrap().ends_with("last-good.json") && unreadable["error"].is_string(), "{unreadable}");
    assert!(machine.log.lines().iter().all(|line| !line.to_string().contains("s3cret")), "the log quotes a configuration");
}

/// The digest of what the machine's `files` delivered.
fn delivered_digest(plan: &Plan) -> String {
    let delivered = std::fs::read(plan.place(gateway::environment::CONFIG)).unwrap();
    URL_SAFE_NO_PAD.encode(Sha256::digest(delivered))
}

#[tokio::test]
async fn a_configuration_that_breaks_the_family_s_rules_is_refused_before_anything_happens() {
    let machine = Plan::stand_in(Family::Openclaw).boot();
    machine.ready().await;
    let mut broken = config(Family::Openclaw);
    broken["features"] = json!({ "secret-value": 1 });
    for (body, status, problem) in [
        (json!({ "config": broken }).to_string(), StatusCode::UNPROCESSABLE_ENTITY, "config-refused"),
        (json!({ "config": [] }).to_string(), StatusCode::UNPROCESSABLE_ENTITY, "config-refused"),
        (json!({ "konfig": {} }).to_string(), StatusCode::BAD_REQUEST, "bad-request"),
        ("{".to_owned(), StatusCode::BAD_REQUEST, "bad-request"),
    ] {
        let answer = machine.command(Method::PUT, "/_rockpool/config", &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{body}");
    }
    let large = " ".repeat(1024 * 1024 + 1);
    let answer = machine.command(Method::PUT, "/_rockpool/config", &large).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"));
    assert_eq!(machine.ready().await["gateway"]["starts"], 1);
}

#[tokio::test]
async fn an_applied_configuration_that_only_the_gateway_can_refuse_falls_back() {
    let machine = Plan::stand_in(Family::Openclaw).boot();
    let good = machine.ready().await["gateway"]["config"]["wanted_digest"].clone();
    let mut contrary = config(Family::Openclaw);
    contrary["gateway"]["auth"]["token"] = json!("beside trusted-proxy it is refused");
    let applied = machine.command(Method::PUT, "/_rockpool/config", &json!({ "config": contrary }).to_string()).await;
    assert_eq!(applied.status, StatusCode::ACCEPTED, "{}", applied.text());
    let health = machine.ready().await;
    let state = &health["gateway"]["config"];
    assert_eq!((&state["in_use"], &state["refused"]), (&json!("last_good"), &json!(true)), "{health:#}");
    assert_ne!(state["wanted_digest"], good);
    assert!(!get(machine.address, "/health", &[]).await.text().contains("exclusive"), "only a caller with a token learns why");
}

#[tokio::test]
async fn the_tail_of_the_log_is_for_the_control_plane_alone() {
    let machine = Plan::new(Family::Openclaw, &["/bin/sh", "-c", "echo one; echo two >&2; echo three; exec sleep 3600"]).boot();
    machine.log.wait_for("three");
    let logs = machine.command(Method::GET, "/_rockpool/logs?lines=10", "").await;
    let mut lines: Vec<String> = Vec::new();
    for line in logs.json()["lines"].as_array().unwrap() {
        lines.push(format!("{} {}", line["stream"].as_str().unwrap(), line["message"].as_str().unwrap()));
    }
    lines.sort();
    assert_eq!(lines, ["stderr two", "stdout one", "stdout three"]);
    let last = machine.command(Method::GET, "/_rockpool/logs?lines=1", "").await.json();
    assert_eq!(last["lines"].as_array().unwrap().len(), 1);
    assert_eq!(machine.command(Method::GET, "/_rockpool/logs?lines=x", "").await.status, StatusCode::BAD_REQUEST);
    let token = bearer(&machine.order("GET", "/health", b""));
    let details = get(machine.address, "/health", &[("authorization", &token)]).await.json();
    assert!(details["gateway"].get("last_exit").is_some(), "the control plane reads the details too");
    let again = get(machine.address, "/health", &[("authorization", &token)]).await.json();
    assert!(again["gateway"].get("last_exit").is_none(), "with each token once");
    let token = bearer(&machine.token(60));
    assert_eq!(get(machine.address, "/_rockpool/logs", &[("authorization", &token)]).await.status, StatusCode::UNAUTHORIZED);
}
