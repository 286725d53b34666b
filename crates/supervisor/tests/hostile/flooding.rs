//! Much of everything: the supervisor shares a small machine with the gateway.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::machine;
use crate::raw::{raw, status};
use crate::support::Machine;

/// The supervisor's memory in KiB.
fn resident_kib(machine: &Machine) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", machine.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_s_body_is_read_before_it_is_known_that_they_may_give_orders() {
    let (machine, _gateway) = machine().await;
    let before = resident_kib(&machine);
    let stranger = machine.token(60);
    let send = |number: usize| {
        let (to, token) = (machine.address, if number.is_multiple_of(2) { "x.y.z" } else { stranger.as_str() });
        async move {
            let mut stream = TcpStream::connect(to).await.unwrap();
            let head =
                format!("PUT /_rockpool/config HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000000\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            // All but the last byte, so that whoever wants to read it all has to keep it.
            stream.write_all(&vec![b' '; 999_999]).await.ok();
            let mut answer = [0; 12];
            let answered = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut answer)).await;
            (stream, answered.is_ok_and(|read| read.is_ok()).then_some(answer))
        }
    };
    let began = Instant::now();
    let answers = join_all((0..64).map(send)).await;
    let grown = resident_kib(&machine).saturating_sub(before);
    assert!(grown < 32 * 1024, "64 strangers made it keep {grown} KiB");
    assert!(began.elapsed() < Duration::from_secs(10), "a stranger was waited for: {:?}", began.elapsed());
    // A client that is still sending may lose the answer to a reset; whoever got one was refused.
    assert!(answers.iter().filter_map(|(_, answer)| *answer).all(|answer| &answer == b"HTTP/1.1 401"));
    machine.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_end_are_given_up_and_take_little_room() {
    let (machine, gateway) = machine().await;
    let before = resident_kib(&machine);
    let token = machine.token(60);
    let heads = [
        format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\n{}", "X: x\r\n".repeat(1 << 17)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)),
        "\r\n".repeat(1 << 18),
        format!("{} / HTTP/1.1\r\n\r\n", "G".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}: x\r\n\r\n", "n".repeat(1 << 17)),
        format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", "A.".repeat(1 << 14)),
        format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nCookie: {}\r\n\r\n", token.as_str(), "a=b; ".repeat(12_000)),
    ];
    let answers = join_all((0..64).map(|number| raw(machine.address, &heads[number % heads.len()]))).await;
    for (number, answer) in answers.iter().enumerate() {
        let sane = number % heads.len() == 7;
        assert!(answer.is_empty() || status(answer).is_some_and(|status| sane || (400..500).contains(&status)), "{number}: {answer}");
    }
    let grown = resident_kib(&machine).saturating_sub(before);
    assert!(grown < 48 * 1024, "it keeps {grown} KiB of them");
    assert!(gateway.take().iter().all(|seen| seen.target == "/"));
    machine.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_end_flows_through_without_being_kept() {
    let (machine, _gateway) = machine().await;
    let before = resident_kib(&machine);
    let token = machine.token(60);
    let mut stream = TcpStream::connect(machine.address).await.unwrap();
    let head =
        format!("POST /upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n", token.as_str());
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    // The gateway stops reading at its own limit of 2 MB; whatever it does, nothing of the rest is kept on the way.
    for _ in 0..1024 {
        if !tokio::time::timeout(Duration::from_secs(2), stream.write_all(&chunk)).await.is_ok_and(|sent| sent.is_ok()) {
            break;
        }
    }
    let grown = resident_kib(&machine).saturating_sub(before);
    assert!(grown < 16 * 1024, "it keeps {grown} KiB of 64 MiB");
    drop(stream);
    machine.ready().await;
}
