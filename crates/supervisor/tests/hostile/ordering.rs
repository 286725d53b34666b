//! Orders of the control plane: altered, used again, given by somebody else.

use std::cell::Cell;

use futures::future::join_all;
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::raw::{all, status};
use crate::support::call::{bearer, call};
use crate::support::{Machine, config};
use crate::{batches, check_log, machine};

/// One way in which an order on its way differs from the one that was signed.
#[derive(Debug, Clone)]
enum Alteration {
    None,
    Method(String),
    Target(String),
    Body(String),
    Token(prop::sample::Index, String),
    Header(String),
}

fn alteration() -> impl Strategy<Value = Alteration> {
    prop_oneof![
        1 => Just(Alteration::None),
        2 => prop::sample::select(["GET", "PUT", "DELETE", "post", "HEAD"].map(str::to_owned).to_vec()).prop_map(Alteration::Method),
        3 => prop::sample::select(["/_rockpool/config", "/_rockpool/restart?", "/_rockpool/restart?x=1", "/_rockpool/restart/", "/_rockpool//restart",
            "/_rockpool/%72estart", "/_rockpool/logs", "/_ROCKPOOL/restart", "/_rockpool/x/../restart"].map(str::to_owned).to_vec()).prop_map(Alteration::Target),
        3 => "[ -~]{1,20}".prop_map(Alteration::Body),
        4 => (any::<prop::sample::Index>(), "[A-Za-z0-9_.=-]{1,2}").prop_map(|(place, with)| Alteration::Token(place, with)),
        2 => prop::sample::select(["Authorization: Bearer x", "Content-Length: 5", "Transfer-Encoding: chunked"].map(str::to_owned).to_vec()).prop_map(Alteration::Header),
    ]
}

fn restart(machine: &Machine, alteration: &Alteration) -> String {
    let mut token = machine.order("POST", "/_rockpool/restart", b"").as_str().to_owned();
    let (mut method, mut target, mut body, mut more) = ("POST", "/_rockpool/restart", "", String::new());
    match alteration {
        Alteration::None => {}
        Alteration::Method(other) => method = other,
        Alteration::Target(other) => target = other,
        Alteration::Body(other) => body = other,
        Alteration::Header(header) => more = format!("{header}\r\n"),
        Alteration::Token(place, with) => {
            let place = place.index(token.len() - 2);
            // The same text in its place would be no alteration.
            let with = if token[place..].starts_with(with.as_str()) { "!" } else { with };
            token.replace_range(place..place + with.len(), with);
        }
    }
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: {length}\r\n\r\n{body}")
}

/// How many orders were given so far, as health tells everybody.
async fn given(machine: &Machine) -> u64 {
    let health = crate::support::call::get(machine.address, "/health", &[]).await.json();
    health["gateway"]["orders"]["given"].as_u64().unwrap()
}

#[test]
fn an_altered_order_is_not_carried_out() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (machine, gateway) = runtime.block_on(machine());
    let carried_out = Cell::new(0);
    proptest!(batches(8), |(alterations in prop::collection::vec(alteration(), 40))| {
        let mut expected = runtime.block_on(given(&machine));
        let answers = runtime.block_on(all(machine.address, alterations.iter().map(|alteration| restart(&machine, alteration))));
        for (alteration, answer) in alterations.iter().zip(answers) {
            let unaltered = matches!(alteration, Alteration::None);
            prop_assert_eq!(status(&answer) == Some(202), unaltered, "{:?}: {}", alteration, answer);
            // Whoever may give orders is waited for, if they announce more than they send.
            prop_assert!(status(&answer).is_none_or(|status| status < 500), "{:?}: {}", alteration, answer);
            expected += u64::from(unaltered);
            carried_out.set(carried_out.get() + usize::from(unaltered));
        }
        prop_assert_eq!(runtime.block_on(given(&machine)), expected);
    });
    assert!(gateway.take().is_empty(), "an order reached the gateway");
    assert!(carried_out.get() > 0, "not even an order as it was signed was carried out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_order_sent_forty_times_at_once_is_carried_out_once() {
    let (machine, _gateway) = machine().await;
    let before = given(&machine).await;
    let token = bearer(&machine.order("POST", "/_rockpool/restart", b""));
    let give = || async { call(machine.address, Method::POST, "/_rockpool/restart", &[("authorization", &token)], "").await };
    let answers = join_all(std::iter::repeat_with(give).take(40)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 202).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 202 | 401)));
    assert_eq!(given(&machine).await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_with_a_body_of_another_form_is_refused_in_a_few_words() {
    let (machine, _gateway) = machine().await;
    let before = given(&machine).await;
    let good = config(::gateway::Family::Openclaw);
    let listed = json!([good]);
    let secret = json!({ "config": { "gateway": { "mode": "local", "bind": "s3cret-value" } } });
    let long = "x".repeat(900_000);
    let bodies: Vec<(&str, String)> = vec![
        ("restart", "[\"op_1\"]".to_owned()),
        ("restart", json!({ "request": ["op_1"] }).to_string()),
        ("restart", json!({ "request": "op_1", "more": 1 }).to_string()),
        ("restart", json!({ "request": long }).to_string()),
        ("restart", json!({ long.as_str(): 1 }).to_string()),
        ("restart", "null".to_owned()),
        ("restart", "{\"request\":\"a\",\"request\":\"b\"}".to_owned()),
        ("config", listed.to_string()),
        ("config", json!({ "config": listed }).to_string()),
        ("config", json!({ "config": Value::Null }).to_string()),
        ("config", json!({ "config": good, "more": 1 }).to_string()),
        ("config", secret.to_string()),
        ("config", json!({ "config": { long.as_str(): 1 } }).to_string()),
        ("config", format!("{{\"config\":{}", "[".repeat(1_000_000))),
        ("config", format!("{{\"config\":{}{}}}", "[".repeat(400_000), "]".repeat(400_000))),
        ("config", format!("{{\"config\":{}0{}}}", "{\"gateway\":".repeat(50_000), "}".repeat(50_000))),
        ("config", String::new()),
        ("config", "\u{feff}{}".to_owned()),
    ];
    let began = std::time::Instant::now();
    for (what, body) in bodies {
        let (method, path) = if what == "restart" { (Method::POST, "/_rockpool/restart") } else { (Method::PUT, "/_rockpool/config") };
        let answer = machine.command(method, path, &body).await;
        let shown = &body[..body.len().min(60)];
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{shown}: {} {}", answer.status, answer.text());
        answer.problem();
        assert!(answer.body.len() < 2048, "{shown}: an answer of {} bytes", answer.body.len());
        assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(given(&machine).await, before);
    check_log(&machine, &["s3cret"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_questions_to_health_and_logs_are_answered_or_refused() {
    let (machine, _gateway) = machine().await;
    for query in
        ["lines=0", "lines=18446744073709551615", "lines=99999999999999999999", "lines=-1", "lines=", "lines=1&lines=x", "x", "%", "\u{7f}"]
    {
        let path = format!("/_rockpool/logs?{query}");
        let token = machine.order("GET", &path, b"");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n", token.as_str());
        let answer = &all(machine.address, [request]).await[0];
        assert!(matches!(status(answer), Some(200 | 400)), "{query}: {answer}");
    }
    let questions = [
        "until=ready&timeout=0",
        "until=ready&timeout=18446744073709551616",
        "until=ready&timeout=-1",
        "until=dawn",
        "timeout=x",
        "&&&",
        "until",
        "=",
        "%zz",
    ];
    let requests =
        questions.map(|query| format!("GET /health?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n"));
    for answer in all(machine.address, requests).await {
        assert!(matches!(status(&answer), Some(200 | 400)), "{answer}");
    }
}
