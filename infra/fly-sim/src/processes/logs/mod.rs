//! The log of a machine: one file that its processes append to, beside it an index that says when its parts were seen.
//!
//! Both output streams go to one file, so that their order is the true one. A line's time is the one it states itself, if it does;
//! otherwise it lies between two looks at the file, which a running machine gets every second. Times strictly increase, and never lie
//! before an earlier look: so whoever asks for "all lines after the last one I have" misses none, whatever the lines claim.

mod line;
mod segment;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub(super) use self::line::Line;
use self::segment::Segment;

/// A machine's log, with at most one older part.
pub(super) struct Log {
    path: PathBuf,
    limit: u64,
    /// The current segment and the one before it.
    segments: Mutex<(Segment, Segment)>,
}

impl Log {
    /// Opens what is there; nothing is written before a machine boots.
    pub(super) fn open(path: PathBuf, limit: u64) -> Self {
        let current = Segment::open(path.clone());
        let older = Segment::open(older(&path));
        Self { path, limit, segments: Mutex::new((current, older)) }
    }

    /// The file that a machine's processes write, locked for as long as one of them has it open: the lock belongs to the open file,
    /// which they inherit, and so outlives this host.
    pub(super) fn writer(&self) -> io::Result<File> {
        self.observe(true)?;
        // Nobody else may read it: programs print what they should not. The machine's own get it opened.
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        if let Err(error) = file.try_lock() {
            // Something of an ended machine left its group and still writes. The lock only guards the moment between a start and its record.
            tracing::warn!(path = %self.path.display(), %error, "an earlier process still has the log open");
        }
        Ok(file)
    }

    /// Whether a process still has the file open that [`Log::writer`] gave.
    pub(super) fn is_held(&self) -> bool {
        match File::open(&self.path) {
            Ok(file) => matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }

    /// Looks for new lines and notes that they were seen now. `ended` means that nobody writes any more, so that an unfinished line is one too.
    pub(super) fn observe(&self, ended: bool) -> io::Result<()> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, previous) = &mut *segments;
        if ended {
            current.finish_last_line()?;
        }
        current.observe(now_ns())?;
        if current.size()? > self.limit {
            // The file is copied and emptied, not renamed: its writers keep it open, and so does the lock.
            *previous = current.turn_to(&older(&self.path))?;
        }
        Ok(())
    }

    /// Observes the log until the machine ends.
    pub(super) async fn stamp_every(self: Arc<Self>, period: Duration, ended: CancellationToken) {
        while ended.run_until_cancelled(tokio::time::sleep(period)).await.is_some() {
            let log = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || log.observe(false)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(path = %self.path.display(), %error, "a machine's log could not be read"),
                Err(error) => tracing::warn!(path = %self.path.display(), %error, "reading a machine's log panicked"),
            }
        }
    }

    /// At most `limit` lines after a time (Unix time in nanoseconds), oldest first.
    pub(super) fn lines_after(&self, after_ns: i64, limit: usize) -> io::Result<Vec<Line>> {
        self.observe(false)?;
        let segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Vec::new();
        segments.1.lines_after(after_ns, limit, &mut lines)?;
        segments.0.lines_after(after_ns, limit, &mut lines)?;
        Ok(lines)
    }
}

fn older(path: &std::path::Path) -> PathBuf {
    path.with_extension("1.log")
}

fn now_ns() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
