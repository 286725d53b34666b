//! What follows a WebSocket's handshake: the supervisor reads none of it, and passes every byte on as it came.

use std::net::SocketAddr;
use std::time::Duration;

use ::gateway::Family;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::batches;
use crate::raw::{raw, status};
use crate::support::{Machine, PATIENCE, Plan};

/// A gateway that switches protocols and then repeats every byte. Its readiness is answered on the same port.
async fn repeater(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let answer: &[u8] = if head.starts_with(b"GET /readyz") {
                    b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"ready\":true}"
                } else {
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                };
                stream.write_all(answer).await.ok();
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
}

fn handshake(token: &str, more: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Opens a WebSocket, sends these bytes at once with the handshake, and returns as many as come back of them.
async fn carried(to: SocketAddr, handshake: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let (mut from, mut into) = stream.split();
    let mut back = vec![0; bytes.len()];
    let (sent, read) = tokio::join!(into.write_all(bytes), timeout(PATIENCE, from.read_exact(&mut back)));
    sent.unwrap();
    read.expect("the bytes come back in time").unwrap();
    back
}

/// A frame by RFC 6455, section 5.2, with whatever was chosen for its parts, whether they fit or not.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let length = prop::sample::select(vec![0_u64, 1, 125, 126, 127, 65_535, 65_536, 1 << 40, u64::MAX]);
    (any::<u8>(), any::<bool>(), 0_u8..128, length, prop::collection::vec(any::<u8>(), 0..200)).prop_map(
        |(first, masked, short, long, payload)| {
            let mut frame = vec![first, short | if masked { 0x80 } else { 0 }];
            match short {
                126 => frame.extend_from_slice(&u16::try_from(long & 0xffff).unwrap().to_be_bytes()),
                127 => frame.extend_from_slice(&long.to_be_bytes()),
                _ => {}
            }
            frame.extend(payload);
            frame
        },
    )
}

async fn booted() -> Machine {
    let plan = Plan::idle(Family::Openclaw);
    repeater(plan.gateway_port).await;
    let machine = plan.boot();
    machine.ready().await;
    machine
}

#[test]
fn frames_good_and_bad_pass_untouched_in_both_directions() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let machine = runtime.block_on(booted());
    let handshake = handshake(machine.token(600).as_str(), "");
    let sockets = prop::collection::vec(prop::collection::vec(frame(), 1..6), 20);
    proptest!(batches(8), |(sockets in sockets)| {
        let sent: Vec<Vec<u8>> = sockets.iter().map(|frames| frames.concat()).collect();
        let back = runtime.block_on(futures::future::join_all(sent.iter().map(|bytes| carried(machine.address, &handshake, bytes))));
        prop_assert!(sent == back, "a WebSocket's bytes were changed on their way");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_32_megabytes_passes_and_is_not_kept() {
    let machine = booted().await;
    let before = memory(&machine);
    let bytes: Vec<u8> = (0..32 << 20).map(|number: u32| number.to_le_bytes()[1]).collect();
    assert!(carried(machine.address, &handshake(machine.token(600).as_str(), ""), &bytes).await == bytes, "the message was changed");
    let grown = memory(&machine).saturating_sub(before);
    assert!(grown < 8 * 1024, "it keeps {grown} KiB");
}

fn memory(machine: &Machine) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", machine.pid())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_none_switches_no_protocol() {
    let machine = booted().await;
    let token = machine.token(60).as_str().to_owned();
    let good = handshake(&token, "");
    let none = [
        good.replace("Bearer ", "Bearer x"),
        good.replace("GET /", "POST /"),
        good.replace("Upgrade: websocket", "Upgrade: h2c"),
        good.replace("Connection: Upgrade", "Connection: close"),
        good.replace("Upgrade: websocket\r\n", ""),
        good.replace(&format!("Authorization: Bearer {token}\r\n"), ""),
        good.replace("Authorization", "X-Authorization"),
    ];
    for request in none {
        // This gateway switches whatever it is asked; nobody who did not ask for it may end up in a tunnel.
        let answer = raw(machine.address, &request).await;
        assert!(status(&answer).is_some_and(|status| status != 101), "{request}: {answer}");
    }
    let two =
        timeout(Duration::from_secs(30), carried(machine.address, &handshake(&token, "Sec-WebSocket-Protocol: a, rockpool\r\n"), b"x"))
            .await;
    assert_eq!(two.unwrap(), b"x");
    let body = good.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello");
    let answer = raw(machine.address, &body).await;
    assert!(status(&answer).is_some_and(|status| status != 500), "{answer}");
}
