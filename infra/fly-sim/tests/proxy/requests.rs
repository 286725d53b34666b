use fly_sim::proxy::Route;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Edge, LONG, accept, field, machine, rest, to, until};

#[tokio::test]
async fn a_request_reaches_the_machine_of_its_app_with_what_the_edge_knows() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("rp-one", route);
    let request = "GET /path?query=1 HTTP/1.1\r\nHost: rp-one.localhost:8082\r\nAuthorization: Bearer x\r\nX-Forwarded-For: 9.9.9.9\r\n\
                   Fly-Client-IP: 9.9.9.9\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nTE: trailers\r\n\r\n";
    let (answer, (head, ())) = tokio::join!(edge.ask(request), async {
        let (mut stream, head) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nKeep-Alive: timeout=5\r\nX-Own: yes\r\n\r\nhello").await.unwrap();
        (head, ())
    });

    assert!(head.starts_with("GET /path?query=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "host"), Some("rp-one.localhost:8082"));
    assert_eq!(field(&head, "authorization"), Some("Bearer x"));
    assert_eq!(field(&head, "x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&head, "x-forwarded-port"), Some(edge.address.port().to_string().as_str()));
    assert_eq!(field(&head, "fly-client-ip"), Some("127.0.0.1"));
    assert_eq!(field(&head, "fly-region"), Some("fra"));
    assert_eq!(field(&head, "via"), Some("1.1 fly.io"));
    for gone in ["x-hop", "keep-alive", "upgrade", "te"] {
        assert_eq!(field(&head, gone), None, "{gone}");
    }

    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert_eq!((field(&answer, "x-own"), field(&answer, "keep-alive")), (Some("yes"), None));
    assert_eq!(field(&answer, "via"), Some("1.1 fly.io"));
}

#[tokio::test]
async fn bodies_stream_both_ways_before_either_is_whole() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("a", route);
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await.unwrap();
    let (mut machine, head) = accept(&listener).await;
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    if !head.contains("first") {
        until(&mut machine, "first").await;
    }
    machine.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n").await.unwrap();
    until(&mut client, "early").await;
    client.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    until(&mut machine, "second").await;
    machine.write_all(b"4\r\nlate\r\n0\r\n\r\n").await.unwrap();
    assert!(rest(&mut client).await.contains("late"));
}

#[tokio::test]
async fn who_has_no_machine_is_told_so() {
    let edge = Edge::new().await;
    edge.route("asleep", Route::Unroutable);
    let nobody = {
        let (listener, route) = machine().await;
        drop(listener);
        route
    };
    edge.route("dead", nobody);
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let two_lengths = "POST / HTTP/1.1\r\nHost: dead.localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: unknown.localhost\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.localhost\r\nHost: b.localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: asleep.localhost\r\n\r\n", 503),
        ("GET / HTTP/1.1\r\nHost: dead.localhost\r\n\r\n", 502),
        ("CONNECT dead.localhost:80 HTTP/1.1\r\nHost: dead.localhost:80\r\n\r\n", 405),
        (two_lengths, 400),
        ("nonsense\r\n\r\n", 400),
    ] {
        let answer = edge.ask(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
    }
    // The rest of an endless head is not read, so that the answer may be lost in a reset; what counts is that it ends.
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    client.write_all(long.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(LONG, client.read_to_end(&mut answer)).await.unwrap();
    assert!(ended.is_err() || answer.starts_with(b"HTTP/1.1 431 "));
}

#[tokio::test]
async fn one_connection_carries_one_request() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("a", route);
    let request = "GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n";
    let twice = request.repeat(2);
    let (answer, head) = tokio::join!(edge.ask(&twice), async {
        let (mut stream, head) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none").await.unwrap();
        head
    });
    assert_eq!(field(&head, "connection"), Some("close"));
    assert_eq!(field(&answer, "connection"), Some("close"));
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_machine_that_breaks_off_is_a_bad_gateway() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("a", route);
    for reply in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"] {
        let (answer, ()) = tokio::join!(edge.ask("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"), async {
            let (mut stream, _) = accept(&listener).await;
            stream.write_all(reply.as_bytes()).await.unwrap();
        });
        assert!(answer.starts_with("HTTP/1.1 502 "), "{reply:?}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_machine() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("a", route);
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    client.write_all(b"GET /long-poll HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.unwrap();
    let (mut machine, _) = accept(&listener).await;
    drop(client);
    assert_eq!(rest(&mut machine).await, "", "the machine sees the end of the connection");
}

#[tokio::test]
async fn a_program_that_is_away_for_a_moment_is_waited_for() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    let away = listener.local_addr().unwrap();
    drop(listener);
    edge.route("a", to(away));
    let (answer, ()) = tokio::join!(edge.ask("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"), async {
        // The route moves on while the edge tries: a machine was replaced.
        let (listener, _) = machine().await;
        edge.route("a", to(listener.local_addr().unwrap()));
        let (mut stream, _) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    });
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    drop(route);
}

#[tokio::test]
async fn a_request_may_wake_a_machine_where_the_routes_allow_it() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("a", Route::Unroutable);
    edge.table.woken.lock().unwrap().insert("a".to_owned(), route);
    let (answer, ()) = tokio::join!(edge.ask("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"), async {
        let (mut stream, _) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nawake").await.unwrap();
    });
    assert!(answer.ends_with("awake"), "{answer}");
}

#[tokio::test]
async fn an_edge_that_ends_lets_requests_finish_and_takes_no_more() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("a", route);
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.unwrap();
    let mut idle = TcpStream::connect(edge.address).await.unwrap();
    let (mut machine, _) = accept(&listener).await;
    edge.shutdown.cancel();
    assert_eq!(rest(&mut idle).await, "");
    machine.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await.unwrap();
    assert!(rest(&mut client).await.ends_with("done"));
    tokio::time::timeout(LONG, edge.serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(edge.address).await.is_err());
}
