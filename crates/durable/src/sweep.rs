use futures::{StreamExt, stream};

use crate::engine::{Engine, send};
use crate::journal::{JournalError, Overdue};

/// How many overdue runs are moved on at the same time.
const AT_ONCE: usize = 16;

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Runs that were found overdue.
    pub overdue: usize,
    /// Runs that were moved on and whose message was sent.
    pub sent: usize,
    /// Runs that somebody else had moved on first.
    pub overtaken: usize,
    /// Runs whose write or message failed; the next sweep finds them again.
    pub failed: usize,
}

enum Swept {
    Sent,
    Overtaken,
    Failed,
}

impl Engine {
    /// Rule 11, every minute: wakes live runs whose time has come, at most `limit`. The write comes first and grows the distance to
    /// the next wake-up, so that a run nobody can claim costs less and less.
    ///
    /// # Errors
    /// If the store does not list the overdue runs.
    pub async fn sweep(&self, limit: usize) -> Result<SweepReport, JournalError> {
        let overdue = self.journal.overdue(self.clock.now(), limit).await?;
        let mut report = SweepReport { overdue: overdue.len(), ..SweepReport::default() };
        let mut swept = stream::iter(overdue).map(|seen| self.wake_overdue(seen)).buffer_unordered(AT_ONCE);
        while let Some(swept) = swept.next().await {
            match swept {
                Swept::Sent => report.sent += 1,
                Swept::Overtaken => report.overtaken += 1,
                Swept::Failed => report.failed += 1,
            }
        }
        Ok(report)
    }

    async fn wake_overdue(&self, seen: Overdue) -> Swept {
        let until = self.clock.now() + self.timing.sweep_delay(seen.wakes);
        match self.journal.postpone(&seen, until).await {
            Ok(true) if send(&*self.wake, &seen.id, std::time::Duration::ZERO).await => Swept::Sent,
            Ok(false) => Swept::Overtaken,
            Ok(true) => Swept::Failed,
            Err(error) => {
                tracing::warn!(run = %seen.id, %error, "could not be woken");
                Swept::Failed
            }
        }
    }
}
