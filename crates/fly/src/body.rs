use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// The longest answer that is read. A list of a thousand machines with their events is about half of it.
pub(crate) const LONGEST_BODY: usize = 4 << 20;
/// How much of an error is read: its text is cut far below that.
pub(crate) const LONGEST_ERROR: usize = 64 << 10;

/// Why an answer's body could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer broke off after {read} bytes")]
    BrokeOff { read: usize, source: reqwest::Error },
}

/// Reads an answer to its end, but no further than `longest`.
pub(crate) async fn read(mut response: Response, longest: usize) -> Result<Bytes, BodyError> {
    if response.content_length().is_some_and(|length| length > longest as u64) {
        return Err(BodyError::TooLong(longest));
    }
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) if body.len() + chunk.len() > longest => return Err(BodyError::TooLong(longest)),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(source) => return Err(BodyError::BrokeOff { read: body.len(), source: source.without_url() }),
        }
    }
}

/// What can be read of an answer that is an error anyway: a part of its text is better than none.
pub(crate) async fn read_some(mut response: Response, longest: usize) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = longest - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == longest {
            break;
        }
    }
    body.freeze()
}
