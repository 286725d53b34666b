//! Sessions and links: changed, moved, used again.

use futures::future::join_all;
use proptest::prelude::*;

use crate::raw::{all, status};
use crate::support::{Machine, ORIGIN, call};
use crate::{batches, check_log, machine};

async fn session(machine: &Machine) -> String {
    let entered = call::get(machine.address, &format!("/_rockpool/enter?token={}", machine.link().as_str()), &[]).await;
    entered.header("set-cookie").split(';').next().unwrap().split_once('=').unwrap().1.to_owned()
}

#[test]
fn a_session_that_was_changed_anywhere_is_none() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (machine, gateway) = runtime.block_on(machine());
    let good = runtime.block_on(session(&machine));
    let other = runtime.block_on(session(&machine));
    let (payload, mac) = good.split_once('.').unwrap();
    let with = |cookie: &str| format!("GET /x HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&runtime.block_on(all(machine.address, [with(&format!("__Host-rockpool={good}"))]))[0]), Some(200));

    let tricks = [
        format!("__Host-rockpool={payload}."),
        format!("__Host-rockpool={payload}"),
        format!("__Host-rockpool=.{mac}"),
        format!("__Host-rockpool={good}="),
        format!("__Host-rockpool=\"{good}\""),
        format!("__Host-rockpool={payload}.{}", "A".repeat(43)),
        format!("__Host-rockpool={payload}.{}", &mac[..42]),
        format!("__host-rockpool={good}"),
        format!("rockpool={good}"),
        format!("__Host-rockpool ={good}"),
        format!("a=__Host-rockpool={good}"),
        format!("__Host-rockpool={}.{mac}", "e30"),
        "__Host-rockpool=".to_owned(),
        format!("__Host-rockpool={}", "A.".repeat(20_000)),
    ];
    for (trick, answer) in tricks.iter().zip(runtime.block_on(all(machine.address, tricks.iter().map(|trick| with(trick))))) {
        assert!(matches!(status(&answer), Some(400 | 401 | 431)), "{trick}: {answer}");
    }
    // A payload of one session and the seal of another, both genuine.
    if other.split_once('.').unwrap().0 != payload {
        let mixed = with(&format!("__Host-rockpool={}.{mac}", other.split_once('.').unwrap().0));
        assert_eq!(status(&runtime.block_on(all(machine.address, [mixed]))[0]), Some(401));
    }
    gateway.take();

    let change = (any::<prop::sample::Index>(), "[A-Za-z0-9_.=-]{0,3}", 0_usize..3);
    proptest!(batches(6), |(changes in prop::collection::vec(change, 40))| {
        let changed: Vec<String> = changes.iter().map(|(place, more, less)| {
            let place = place.index(good.len());
            format!("{}{more}{}", &good[..place], &good[(place + less).min(good.len())..])
        }).filter(|changed| *changed != good).collect();
        let answers = runtime.block_on(all(machine.address, changed.iter().map(|changed| with(&format!("__Host-rockpool={changed}")))));
        for (changed, answer) in changed.iter().zip(answers) {
            prop_assert_eq!(status(&answer), Some(401), "{}: {}", changed, answer);
        }
    });
    assert!(gateway.take().is_empty());
    check_log(&machine, &[&good, payload, mac]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_one_session_however_many_follow_it_at_once() {
    let (machine, _gateway) = machine().await;
    let link = machine.link();
    let follow = || async { call::get(machine.address, &format!("/_rockpool/enter?token={}", link.as_str()), &[]).await };
    let answers = join_all(std::iter::repeat_with(follow).take(40)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1);
    assert!(
        answers.iter().filter(|answer| answer.status != 303).all(|answer| answer.status == 401 && answer.header("set-cookie").is_empty())
    );
    let odd = ["", "token", "token=", "token=&token=x", "token=%00", "TOKEN=x", "token=../..", "token=\u{7f}"]
        .map(|query| format!("GET /_rockpool/enter?{query} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n"));
    for answer in all(machine.address, odd).await {
        assert!(matches!(status(&answer), Some(400 | 401)) && !answer.to_lowercase().contains("set-cookie"), "{answer}");
    }
    check_log(&machine, &[link.as_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_session_alone_only_the_instance_s_own_pages_may_change_anything() {
    let (machine, gateway) = machine().await;
    let session = session(&machine).await;
    let origins = [
        None,
        Some("null"),
        Some("https://evil.example"),
        Some("https://rp-test.fly.dev.evil.example"),
        Some("http://rp-test.fly.dev"),
        Some("https://RP-TEST.fly.dev"),
        Some("https://rp-test.fly.dev/"),
        Some("https://rp-test.fly.dev:443"),
        Some(" "),
        Some("https://rp-test.fly.dev\r\nOrigin: https://evil.example"),
        Some("https://evil.example\r\nOrigin: https://rp-test.fly.dev"),
        Some("https://rp-test.fly.dev, https://evil.example"),
    ];
    let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut requests = Vec::new();
    for origin in origins {
        let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
        for (method, more) in [("POST", "Content-Length: 0\r\n"), ("DELETE", ""), ("BREW", ""), ("GET", upgrade)] {
            requests.push(format!("{method} / HTTP/1.1\r\nHost: x\r\nCookie: __Host-rockpool={session}\r\n{origin}{more}\r\n"));
        }
    }
    for (request, answer) in requests.iter().zip(all(machine.address, &requests).await) {
        assert_eq!(status(&answer), Some(403), "{request}: {answer}");
    }
    assert!(gateway.take().is_empty());
    let own = format!("POST / HTTP/1.1\r\nHost: x\r\nCookie: __Host-rockpool={session}\r\nOrigin: {ORIGIN}\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&all(machine.address, [own]).await[0]), Some(200));
}
