//! The API behind a real listener, as the local platform serves it: bytes that are hardly HTTP.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::APP;

static ADDRESS: LazyLock<SocketAddr> = LazyLock::new(|| {
    APP.runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, APP.router.clone()).await });
        address
    })
});

/// How long a server may think about bytes that are no whole request before its answer is taken to be none.
const SILENCE: Duration = Duration::from_millis(300);

/// What is answered to each of these, all sent at once: until the connection ends, or nothing more comes.
fn raw(sent: &[Vec<u8>]) -> Vec<String> {
    let address = *ADDRESS;
    let exchange = async |bytes: &Vec<u8>| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A server that refuses early closes early.
        stream.write_all(bytes).await.ok();
        let mut answer = Vec::new();
        while let Ok(Ok(1..)) = tokio::time::timeout(SILENCE, stream.read_buf(&mut answer)).await {}
        String::from_utf8_lossy(&answer).into_owned()
    };
    APP.runtime.block_on(join_all(sent.iter().map(exchange)))
}

fn alive() -> bool {
    raw(&[b"GET /v1/regions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec()])[0].starts_with("HTTP/1.1 200 ")
}

static BEARER: LazyLock<String> = LazyLock::new(|| format!("Authorization: Bearer {}", APP.somebody()));

fn line() -> impl Strategy<Value = Vec<u8>> {
    let lines = [
        "Host: a",
        "Content-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding : chunked",
        "Content-Type: application/json",
        " folded",
        "\tfolded",
        "Expect: 100-continue",
        "Connection: close",
        "Upgrade: h2c",
        "X: \0",
        ": empty",
        &BEARER,
    ];
    prop_oneof![
        20 => prop::sample::select(lines.map(|line| line.as_bytes().to_vec()).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![9 => "(GET|POST|HEAD) (/v1/instances|/v1/plans|/[!-~]{0,9}) HTTP/1\\.[01]", 1 => "[!-~]{0,9} [!-~]{0,9} [A-Z/0-9.]{0,9}"];
    let body = prop_oneof![
        prop::sample::select(
            [&b"{\"name\":7}"[..], b"5\r\n{\"a\":\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"x\r\n", b"5;\0\r\n", b""].to_vec()
        )
        .prop_map(Vec::from),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    (first, prop::collection::vec(line(), 0..5), body).prop_map(|(first, lines, body)| {
        let head = std::iter::once(first.into_bytes()).chain(lines).flat_map(|line| [line, b"\r\n".to_vec()].concat());
        head.chain(*b"\r\n").chain(body).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 32, ..ProptestConfig::with_cases(ProptestConfig::default().cases / 32) })]

    #[test]
    fn no_bytes_make_it_fail(messages in prop::collection::vec(message(), 40)) {
        for (message, answer) in messages.iter().zip(raw(&messages)) {
            prop_assert!(!answer.contains("HTTP/1.1 5"), "{} to {}", answer, message.escape_ascii());
            prop_assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{} to {}", answer, message.escape_ascii());
        }
        prop_assert!(alive());
    }
}

#[test]
fn a_head_without_end_is_given_up_and_the_others_are_served() {
    let began = std::time::Instant::now();
    let heads = [
        format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(4 << 20)),
        format!("GET / HTTP/1.1\r\n{}", "X: x\r\n".repeat(1 << 18)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(4 << 20)),
        "\r\n".repeat(1 << 20),
    ];
    for answer in raw(&heads.map(String::into_bytes)) {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}", &answer[..answer.len().min(200)]);
    }
    assert!(alive());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
