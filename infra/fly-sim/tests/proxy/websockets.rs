use futures::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{Edge, LONG, accept, machine};

/// A WebSocket through the edge, both of its ends.
async fn connected(edge: &Edge) -> (WebSocketStream<MaybeTlsStream<TcpStream>>, WebSocketStream<TcpStream>) {
    let (listener, route) = machine().await;
    edge.route("a", route);
    let mut request = format!("ws://{}/socket", edge.address).into_client_request().unwrap();
    request.headers_mut().insert("host", "a.localhost:8082".parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", "rockpool.v1".parse().unwrap());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        #[allow(clippy::result_large_err, reason = "the signature is the library's")]
        let answer = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/socket");
            assert_eq!(request.headers()["x-forwarded-for"], "127.0.0.1");
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        tokio_tungstenite::accept_hdr_async(stream, answer).await.unwrap()
    };
    let connect = tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(TcpStream::connect(edge.address).await.unwrap()));
    let (client, machine) = tokio::join!(connect, serve);
    let (client, response) = client.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "rockpool.v1");
    (client, machine)
}

#[tokio::test]
async fn a_websocket_carries_messages_of_any_size_both_ways() {
    let edge = Edge::new().await;
    let (mut client, mut machine) = connected(&edge).await;
    let large = Message::binary(vec![7_u8; 1 << 20]);
    for message in [Message::text("hello"), large] {
        let (sent, got) = tokio::join!(client.send(message.clone()), machine.next());
        sent.unwrap();
        assert_eq!(got.unwrap().unwrap(), message);
        let (sent, got) = tokio::join!(machine.send(message.clone()), client.next());
        sent.unwrap();
        assert_eq!(got.unwrap().unwrap(), message);
    }
    machine.close(None).await.unwrap();
    assert!(matches!(client.next().await.unwrap().unwrap(), Message::Close(_)));
}

#[tokio::test]
async fn a_websocket_ends_for_both_when_either_leaves_or_the_edge_ends() {
    let edge = Edge::new().await;
    let (client, mut machine) = connected(&edge).await;
    drop(client);
    assert!(tokio::time::timeout(LONG, machine.next()).await.unwrap().is_none_or(|message| message.is_err()));

    let (mut client, machine) = connected(&edge).await;
    drop(machine);
    assert!(tokio::time::timeout(LONG, client.next()).await.unwrap().is_none_or(|message| message.is_err()));

    let (mut client, _machine) = connected(&edge).await;
    edge.shutdown.cancel();
    assert!(tokio::time::timeout(LONG, client.next()).await.unwrap().is_none_or(|message| message.is_err()));
    tokio::time::timeout(LONG, edge.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refused_websocket_is_an_ordinary_answer() {
    let edge = Edge::new().await;
    let (listener, route) = machine().await;
    edge.route("a", route);
    let request = "GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let (answer, head) = tokio::join!(edge.ask(request), async {
        let (mut stream, head) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        head
    });
    assert!(head.to_ascii_lowercase().contains("upgrade: websocket"), "{head}");
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("no"), "{answer}");
}
