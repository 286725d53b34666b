//! The head of a request, read before hyper sees it.
//!
//! RFC 9112, section 6.3: a request with both `Content-Length` and `Transfer-Encoding` may be an attempt to smuggle a second one. hyper drops
//! the length silently, so that nobody behind it could tell; here such a request is refused.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// The longest head that is read.
const LIMIT: usize = 64 * 1024;

/// What came of reading a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A head, and whatever followed it.
    Whole(BytesMut),
    /// Refused with this status and sentence.
    Refused(http::StatusCode, &'static str),
    /// The client sent nothing and left.
    Nothing,
}

/// Reads up to the end of the head, for as long as `patience` says.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), patience: Duration) -> io::Result<Head> {
    timeout(patience, read_patiently(stream))
        .await
        .unwrap_or(Ok(Head::Refused(http::StatusCode::REQUEST_TIMEOUT, "the request's head did not come\n")))
}

async fn read_patiently(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Head> {
    let mut bytes = BytesMut::with_capacity(4096);
    loop {
        if let Some(end) = end(&bytes) {
            return Ok(judge(bytes, end));
        }
        if bytes.len() >= LIMIT {
            return Ok(Head::Refused(http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too long\n"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(if bytes.is_empty() {
                Head::Nothing
            } else {
                Head::Refused(http::StatusCode::BAD_REQUEST, "the request's head is not whole\n")
            });
        }
    }
}

/// Where the head ends: after the first empty line. RFC 9112, section 2.2, lets a line end without its carriage return, and empty lines precede the request.
fn end(bytes: &[u8]) -> Option<usize> {
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let mut line_begins = begin;
    for (at, _) in bytes.iter().enumerate().skip(begin).filter(|(_, byte)| **byte == b'\n') {
        if matches!(&bytes[line_begins..at], b"" | b"\r") {
            return Some(at + 1);
        }
        line_begins = at + 1;
    }
    None
}

fn judge(bytes: BytesMut, end: usize) -> Head {
    let has = |name: &str| {
        bytes[..end]
            .split(|&byte| byte == b'\n')
            .filter_map(|line| line.split(|&byte| byte == b':').next())
            .any(|field| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    if has("content-length") && has("transfer-encoding") {
        return Head::Refused(http::StatusCode::BAD_REQUEST, "a request has either a Content-Length or a Transfer-Encoding\n");
    }
    Head::Whole(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(request: &str, expected: Result<(), u16>) {
        let outcome = read(&mut request.as_bytes(), Duration::from_secs(10)).await.unwrap();
        let outcome = match outcome {
            Head::Whole(bytes) => {
                assert_eq!(bytes, request);
                Ok(())
            }
            Head::Refused(status, _) => Err(status.as_u16()),
            Head::Nothing => Err(0),
        };
        assert_eq!(outcome, expected, "{request:?}");
    }

    #[tokio::test]
    async fn a_request_with_two_lengths_is_refused_in_whichever_order_they_come() {
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\ntransfer-encoding: chunked\r\n\r\n", Err(400)).await;
        check("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\nCONTENT-LENGTH: 3\r\n\r\n", Err(400)).await;
        check("\r\nPOST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n", Err(400)).await;
    }

    #[tokio::test]
    async fn a_body_that_looks_like_a_header_is_none() {
        check("POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\ntransfer-encoding: chunked\r\n\r\n", Ok(())).await;
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(())).await;
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_refused_once_it_is_too_long_or_its_client_left() {
        check(&format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(LIMIT)), Err(431)).await;
        check("GET / HTTP/1.1\r\nHost: a\r\n", Err(400)).await;
        check("", Err(0)).await;
    }

    #[tokio::test]
    async fn a_client_that_sends_nothing_is_not_waited_for_for_ever() {
        let (_silent, mut stream) = tokio::io::duplex(64);
        assert!(matches!(read(&mut stream, Duration::from_millis(10)).await.unwrap(), Head::Refused(http::StatusCode::REQUEST_TIMEOUT, _)));
    }
}
