//! Targets that never answer, each in its own way, before the real probe: they cost its time-out and no more.

use std::time::Duration;

use health_checker::{Ask, Probe, Seen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// What a target says before it says nothing more.
#[derive(Clone, Copy)]
enum Last {
    /// It never takes the connection from the system.
    Nothing,
    /// It takes the connection.
    Taken,
    /// The beginning of a head.
    HalfAHead,
    /// A head, and a body that is never finished.
    HalfABody,
    /// A byte of the body every second, for ever.
    Drops,
}

async fn target(last: Last) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        if matches!(last, Last::Nothing) {
            std::future::pending::<()>().await;
        }
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(speak(stream, last));
        }
    });
    address
}

/// Says its last words to a request, and holds the connection.
async fn speak(mut stream: TcpStream, last: Last) {
    let said = match last {
        Last::Nothing | Last::Taken => "",
        Last::HalfAHead => "HTTP/1.1 200 OK\r\ncontent-",
        Last::HalfABody | Last::Drops => "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"gateway\":",
    };
    assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0, "a request comes first");
    stream.write_all(said.as_bytes()).await.unwrap();
    while matches!(last, Last::Drops) && stream.write_all(b" ").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn whatever_a_target_stops_at_it_costs_the_time_out_and_no_more() {
    for last in [Last::Nothing, Last::Taken, Last::HalfAHead, Last::HalfABody, Last::Drops] {
        let (address, probe, began) = (target(last).await, Probe::new().unwrap(), Instant::now());
        let seen = futures::future::join_all((0..50).map(|_| probe.ask(&address))).await;
        let took = began.elapsed();
        assert!(seen.iter().all(|seen| matches!(seen, Seen::Missed(_))), "{seen:?}");
        assert!((Duration::from_secs(5)..Duration::from_millis(5100)).contains(&took), "{}: {took:?}", last as u8);
    }
}
