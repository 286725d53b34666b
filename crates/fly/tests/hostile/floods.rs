//! Answers without end, and answers that never come to one.

use std::time::{Duration, Instant};

use crate::calls::{ALL, Call};
use crate::server::Server;

fn with_body(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\nfly-request-id: 01REQUEST\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Ten megabytes in several forms.
fn long() -> Vec<Vec<u8>> {
    let ten = 10 << 20;
    vec![
        vec![b'x'; ten],
        vec![b'['; ten],
        format!("[{}", "{\"id\":\"a\",\"state\":\"started\"},".repeat(ten / 32)).into_bytes(),
        format!("{{\"error\":\"{}\"}}", "e".repeat(ten)).into_bytes(),
        format!("<!doctype html>{}", "<p>".repeat(ten / 3)).into_bytes(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_are_read_no_further_than_they_need_to_be() {
    let server = Server::start().await;
    let began = Instant::now();
    for status in [200, 409, 500] {
        for body in long() {
            server.will_answer("rp-case-1", with_body(status, &body));
            for call in [Call::GetApp, Call::ListMachines, Call::CreateVolume] {
                let error = call.make(&server.client, "rp-case-1").await.expect_err("ten megabytes of nothing were taken for an answer");
                assert!(error.to_string().len() < 1000, "{} bytes", error.to_string().len());
            }
        }
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_no_http_or_has_no_end_is_an_error_of_every_call() {
    let server = Server::start().await;
    let heads: Vec<Vec<u8>> = vec![
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
        b"HTTP/1.1 99999 X\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n".to_vec(),
        [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"X: y\r\n".repeat(100_000)].concat(),
        [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &vec![b'y'; 1 << 20]].concat(),
        vec![0; 1 << 16],
    ];
    for head in heads {
        server.will_answer("rp-case-1", head.clone());
        for call in ALL {
            let outcome = call.make(&server.client, "rp-case-1").await;
            let start = head[..head.len().min(60)].escape_ascii();
            assert!(outcome.is_err() || !call.reads_its_answer(), "{call:?} made {outcome:?} of {start}");
        }
    }
}
