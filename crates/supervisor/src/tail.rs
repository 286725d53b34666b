use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// Lines and bytes that are kept; older ones go first.
const MAX_LINES: usize = 1000;
const MAX_BYTES: usize = 256 * 1024;

/// Which of its outputs the gateway wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// One line that the gateway wrote.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    pub(crate) stream: Stream,
    pub(crate) message: String,
    /// Which process wrote it, counted from 1; 0 is the doctor.
    pub(crate) start: u64,
}

/// The last lines of the gateway, in memory: what it said before it ended, and what the control plane may read.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Tail {
    pub(crate) fn push(&self, line: Line) {
        let mut kept = self.kept();
        kept.bytes += line.message.len();
        kept.lines.push_back(line);
        while kept.lines.len() > MAX_LINES || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.message.len();
        }
    }

    /// The last lines, oldest first.
    pub(crate) fn last(&self, count: usize) -> Vec<Line> {
        let kept = self.kept();
        kept.lines.iter().skip(kept.lines.len().saturating_sub(count)).cloned().collect()
    }

    /// What one process wrote to its standard error, as far as it is kept.
    pub(crate) fn stderr_of(&self, start: u64) -> String {
        let kept = self.kept();
        let lines = kept.lines.iter().filter(|line| line.start == start && line.stream == Stream::Stderr);
        lines.map(|line| line.message.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic cannot leave it half changed in a way that matters: at worst the byte count is off by one line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(start: u64, stream: Stream, message: &str) -> Line {
        Line { time: Timestamp::now(), stream, message: message.to_owned(), start }
    }

    #[test]
    fn the_oldest_lines_go_first_whether_there_are_too_many_or_they_are_too_long() {
        let tail = Tail::default();
        for number in 0..MAX_LINES + 5 {
            tail.push(line(1, Stream::Stdout, &number.to_string()));
        }
        assert_eq!(tail.last(usize::MAX).len(), MAX_LINES);
        assert_eq!(tail.last(1)[0].message, (MAX_LINES + 4).to_string());
        for _ in 0..40 {
            tail.push(line(1, Stream::Stdout, &"x".repeat(16 * 1024)));
        }
        assert_eq!(tail.last(usize::MAX).len(), MAX_BYTES / (16 * 1024));
    }

    #[test]
    fn only_the_errors_of_one_process_are_read_for_its_end() {
        let tail = Tail::default();
        tail.push(line(1, Stream::Stderr, "old"));
        tail.push(line(2, Stream::Stdout, "talk"));
        tail.push(line(2, Stream::Stderr, "a"));
        tail.push(line(2, Stream::Stderr, "b"));
        assert_eq!(tail.stderr_of(2), "a\nb");
    }
}
