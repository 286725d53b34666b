use std::sync::Arc;

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::logs;
use crate::tail::{Line, Stream, Tail};

/// A longer line is cut into lines of this many bytes.
const MAX_LINE: usize = 16 * 1024;

/// Passes what the gateway writes on to the log and the tail, line by line, until it closes its output.
pub(super) async fn pass_on(output: impl AsyncRead + Unpin, stream: Stream, start: u64, tail: Arc<Tail>) {
    let mut output = BufReader::new(output);
    while let Some(message) = next_line(&mut output).await {
        let line = Line { time: Timestamp::now(), stream, message, start };
        logs::gateway_line(&line);
        tail.push(line);
    }
}

/// The next line without its end, or the next [`MAX_LINE`] bytes of one that is longer.
async fn next_line(output: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut line = Vec::new();
    loop {
        // An output that cannot be read is as good as closed.
        let chunk = output.fill_buf().await.unwrap_or_default();
        if chunk.is_empty() {
            return (!line.is_empty()).then(|| text(&line));
        }
        let room = &chunk[..chunk.len().min(MAX_LINE - line.len())];
        let (taken, ended) = match room.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (room.len(), line.len() + room.len() == MAX_LINE),
        };
        line.extend_from_slice(&room[..taken]);
        output.consume(taken);
        if ended {
            return Some(text(&line));
        }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(output: &[u8]) -> Vec<String> {
        let mut output = BufReader::with_capacity(7, output);
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut output).await {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn an_output_is_cut_into_its_lines_and_endless_ones_into_pieces() {
        assert_eq!(lines(b"one\ntwo\r\n\nthe last one").await, ["one", "two", "", "the last one"]);
        assert_eq!(lines(b"\xff\n").await, ["\u{fffd}"]);
        let long = lines(&vec![b'x'; 2 * MAX_LINE + 3]).await;
        assert_eq!(long.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE, MAX_LINE, 3]);
    }
}
