//! Bytes to a socket and back.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server may think about bytes that are no whole request before its answer is taken to be none.
const SILENCE: Duration = Duration::from_millis(400);

/// What is answered until the connection ends, or nothing more comes.
pub(crate) async fn raw(to: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server that refuses early closes early.
    stream.write_all(bytes.as_ref()).await.ok();
    let mut answer = Vec::new();
    while let Ok(Ok(1..)) = timeout(SILENCE, stream.read_buf(&mut answer)).await {}
    String::from_utf8_lossy(&answer).into_owned()
}

/// What is answered to each of these, all sent at once.
pub(crate) async fn all(to: SocketAddr, requests: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
    join_all(requests.into_iter().map(|request| raw(to, request))).await
}

/// The status of the first answer.
pub(crate) fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}
