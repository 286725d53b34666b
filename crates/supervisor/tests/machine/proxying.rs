//! How requests pass through: what a proxy must and must not do with them (RFC 9110, RFC 9112).

use gateway::Family;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::call::{bearer, call, get};
use crate::support::{Machine, PATIENCE, Plan, mirror};

async fn machine() -> (Machine, mirror::Mirror) {
    let plan = Plan::idle(Family::Openclaw);
    let mirror = mirror::serve(plan.gateway_port).await;
    let machine = plan.boot();
    machine.ready().await;
    (machine, mirror)
}

/// Sends bytes and returns everything that is answered until the connection ends.
async fn raw(machine: &Machine, request: &str) -> String {
    let mut stream = TcpStream::connect(machine.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection ends");
    read.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_message_with_two_lengths_smuggles_nothing() {
    let (machine, _mirror) = machine().await;
    let token = bearer(&machine.token(60));
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", smuggled.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}", smuggled.len()),
    ] {
        let answer =
            raw(&machine, &format!("POST /first HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{lengths}\r\n\r\n{smuggled}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "a second request was answered: {answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
        assert!(answer.contains(r#""target":"/first""#) && answer.contains(r#""body":"""#), "{answer}");
        assert!(!answer.contains("content-length\":\"4"), "both lengths reached the gateway: {answer}");
    }
}

#[tokio::test]
async fn a_malformed_head_is_refused() {
    let (machine, _mirror) = machine().await;
    let token = bearer(&machine.token(60));
    for head in [
        format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nX-Folded: a\r\n b\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nTransfer-Encoding: gzip\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization : {token}\r\n\r\n"),
    ] {
        let answer = raw(&machine, &head).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?} was answered with {answer:?}");
    }
}

#[tokio::test]
async fn a_target_with_another_host_changes_nothing_and_a_tunnel_is_refused() {
    let (machine, _mirror) = machine().await;
    let token = bearer(&machine.token(60));
    let answer = raw(
        &machine,
        &format!("GET http://127.0.0.1:1/deep?x=1 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"),
    )
    .await;
    assert!(answer.contains(r#""target":"/deep?x=1""#) && answer.contains(r#""host":"rp-test.fly.dev""#), "{answer}");
    for line in ["CONNECT 127.0.0.1:22", "TRACE /"] {
        let answer = raw(&machine, &format!("{line} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        let allow = answer.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        assert_eq!(allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", "RFC 9110, section 10.2.1: a list of methods");
    }
    let control = get(machine.address, "/_rockpool/../health", &[]).await;
    assert_eq!(control.status, StatusCode::NOT_FOUND, "what begins with our prefix is never passed on");
}

#[tokio::test]
async fn a_large_body_passes_in_both_directions() {
    let (machine, _mirror) = machine().await;
    let token = bearer(&machine.token(60));
    let body = "0123456789abcdef".repeat(60_000);
    let shown = call(machine.address, Method::POST, "/upload", &[("authorization", &token)], body.clone()).await.json();
    assert_eq!(shown["body"].as_str(), Some(body.as_str()));
}

#[tokio::test]
async fn while_the_gateway_is_down_a_person_sees_a_page_and_a_program_a_problem() {
    let plan = Plan::new(Family::Openclaw, &["/no/such/program"]);
    let _someone_else_on_its_port = mirror::serve(plan.gateway_port).await;
    let machine = plan.boot();
    machine.health_when("the start failed", |health| health["gateway"]["phase"] == "backing_off").await;
    let token = bearer(&machine.token(60));
    let page = get(machine.address, "/", &[("authorization", &token), ("accept", "text/html,*/*")]).await;
    assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(page.text().contains("http-equiv=\"refresh\"") && page.text().contains("not running"), "{}", page.text());
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
    let problem = get(machine.address, "/", &[("authorization", &token)]).await;
    assert_eq!((problem.status, problem.problem().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "gateway-down"));

    let stranger = get(machine.address, "/", &[("accept", "text/html")]).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert!(stranger.text().contains("<h1>Not authorised</h1>") && !stranger.text().contains("refresh"));
}
