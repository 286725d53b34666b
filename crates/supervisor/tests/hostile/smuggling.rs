//! Two requests in the clothes of one (RFC 9112, sections 6 and 11.2).

use proptest::prelude::*;

use crate::raw::{all, status};
use crate::{batches, check_log, machine};

const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: root\r\n\r\n";

/// Heads whose framing can be read in more than one way, or in none. What follows each is a body that holds a request.
fn framings() -> Vec<String> {
    let inner = INNER.len();
    let with_end = inner + 5;
    let mut framings = vec![
        format!("Content-Length: {inner}\r\nContent-Length: 0"),
        format!("Content-Length: 0\r\nContent-Length: {inner}"),
        format!("Content-Length: 0, {inner}"),
        format!("Content-Length: {inner}\r\nContent-Length: {inner}"),
        "Content-Length: +0".to_owned(),
        "Content-Length: -0".to_owned(),
        "Content-Length: 0x0".to_owned(),
        "Content-Length: 0 0".to_owned(),
        "Content-Length:".to_owned(),
        "Content-Length: 99999999999999999999999".to_owned(),
        "Content-Length : 0".to_owned(),
        "Content-Length\t: 0".to_owned(),
        " Content-Length: 0".to_owned(),
        "X: y\r\n Content-Length: 0".to_owned(),
        "X: y\r\n\tTransfer-Encoding: chunked".to_owned(),
        format!("X: y\nContent-Length: {inner}"),
        format!("X: y\rContent-Length: {inner}"),
        format!("Content_Length: {inner}"),
        "Content-Length: 0\0".to_owned(),
    ];
    let codings = [
        "chunked",
        "identity",
        "xchunked",
        "chunked, identity",
        "identity, chunked",
        "gzip, chunked",
        "chunked, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "CHUNKED",
        "chunked\u{b}",
        " chunked ",
        "",
        ",chunked",
        "chunked\r\n , identity",
    ];
    for coding in codings {
        framings.push(format!("Transfer-Encoding: {coding}"));
        framings.push(format!("Transfer-Encoding: {coding}\r\nContent-Length: {with_end}"));
        framings.push(format!("Content-Length: {with_end}\r\nTransfer-Encoding: {coding}"));
        framings.push(format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: {coding}"));
        framings.push(format!("Transfer-Encoding : {coding}\r\nContent-Length: {with_end}"));
        framings.push(format!("Transfer_Encoding: {coding}\r\nContent-Length: {with_end}"));
        framings.push(format!("Connection: Content-Length\r\nTransfer-Encoding: {coding}\r\nContent-Length: {with_end}"));
        framings.push(format!("Connection: Transfer-Encoding\r\nTransfer-Encoding: {coding}"));
    }
    framings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_framing_makes_two_requests_of_one() {
    let (machine, gateway) = machine().await;
    let token = machine.token(60);
    let mut requests = Vec::new();
    for version in ["1.1", "1.0"] {
        for framing in framings() {
            for (last_chunk, method) in [("0\r\n\r\n", "POST"), ("0\r\n\r\n", "GET"), ("0\n\n", "POST")] {
                requests.push((
                    format!(
                        "{method} /outer HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {}\r\n{framing}\r\n\r\n{last_chunk}{INNER}",
                        token.as_str()
                    ),
                    framing.clone(),
                ));
            }
        }
    }
    let answers = all(machine.address, requests.iter().map(|(request, _)| request)).await;
    for ((_, framing), answer) in requests.iter().zip(&answers) {
        // What is left after a whole request on a connection that may go on is a request of its own, malformed or without a token.
        assert!(answer.split("HTTP/1.").skip(2).all(|further| further.starts_with("1 4")), "{framing:?}: {answer}");
        assert!(status(answer).is_none_or(|status| status < 500), "{framing:?}: {answer}");
        assert!(!answer.contains("saw /smuggled"), "{framing:?}: {answer}");
    }
    for seen in gateway.take() {
        assert!(!seen.target.contains("smuggled"), "{}", seen.text());
        let lengths = seen.headers.get_all("content-length").iter().count() + seen.headers.get_all("transfer-encoding").iter().count();
        assert!(lengths <= 1, "the gateway was told two lengths: {}", seen.text());
        assert_eq!(seen.headers["x-forwarded-user"], "user-1");
    }
    check_log(&machine, &[token.as_str()]);
    machine.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_chunk_ends_the_connection() {
    let (machine, gateway) = machine().await;
    let token = machine.token(60);
    let bodies = [
        "-1\r\nx\r\n",
        "0x5\r\nhello\r\n",
        "5\r\nhello",
        "5\r\nhelloX\r\n",
        "5 \r\nhello\r\n",
        " 5\r\nhello\r\n",
        "ffffffffffffffff\r\nx",
        "10000000000000000\r\nx",
        "5;\r\nhello\r\n",
        "\r\n5\r\nhello\r\n",
        "5\nhello\n",
        "5\r\nhello\r\n0\r\nX-Forwarded-User: root\r\n\r\n",
        "g\r\n",
        "\0\r\n",
        "5\r\r\nhello",
    ];
    let long_extension = format!("5;{}\r\nhello\r\n", "x".repeat(200_000));
    let long_trailer = format!("0\r\n{}\r\n\r\n", "X: y\r\n".repeat(50_000));
    let requests = bodies.into_iter().chain([long_extension.as_str(), &long_trailer]).map(|body| {
        format!(
            "POST /outer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n{body}{INNER}",
            token.as_str()
        )
    });
    for answer in all(machine.address, requests).await {
        assert!(answer.matches("HTTP/1.").count() <= 1 && !answer.contains("saw /smuggled"), "{answer}");
        assert!(status(&answer).is_none_or(|status| status != 500), "{answer}");
    }
    for seen in gateway.take() {
        assert!(!seen.target.contains("smuggled") && !seen.text().contains("root"), "{}", seen.text());
    }
    machine.ready().await;
}

/// Pieces that a request's head and body may be put together from, in any order.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 5, 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: \tchunked\r\n",
        "Transfer-Encoding: x\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive, content-length\r\n",
        "Expect: 100-continue\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Trailer: x-forwarded-user\r\n",
        " x\r\n",
        "\r\n",
        "\r\n\r\n",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "hello",
        "\n",
        "\r",
        "\0",
        "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    prop::sample::select(pieces.map(str::to_owned).to_vec())
}

#[test]
fn a_request_without_a_token_reaches_nobody_whatever_stands_before_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (machine, gateway) = runtime.block_on(machine());
    let token = machine.token(600).as_str().to_owned();
    let batch = prop::collection::vec(prop::collection::vec(piece(), 1..7), 60);
    proptest!(batches(6), |(batch in batch)| {
        let requests = batch.iter().map(|pieces| {
            let body: String = pieces.concat();
            format!("POST /outer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{body}")
        });
        for (pieces, answer) in batch.iter().zip(runtime.block_on(all(machine.address, requests))) {
            prop_assert!(!answer.contains("saw /smuggled"), "{:?}: {}", pieces, answer);
            prop_assert!(status(&answer).is_none_or(|status| status != 500), "{:?}: {}", pieces, answer);
        }
        for seen in gateway.take() {
            prop_assert!(seen.target == "/outer" && seen.headers["x-forwarded-user"] == "user-1", "{}", seen.text());
        }
    });
    runtime.block_on(machine.ready());
    check_log(&machine, &[&token]);
}
