//! What the two halves of the supervisor know of each other: the keeper writes, the front reads, and the front gives orders.

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

/// What the gateway is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Another supervisor, or a gateway it left behind, holds the volume.
    WaitingForVolume,
    /// Its process runs and has not been ready yet.
    Starting,
    /// It answers that it is ready.
    Ready,
    /// It was ready, runs, and no longer says so. It is not killed for that: it may be busy, and a person can look at it.
    NotReady,
    /// It is being ended in order to be started again.
    Restarting,
    /// It does not run, because its doctor does; it is started when that has ended.
    UnderDoctor,
    /// It ended by itself and will be started again at a known time.
    BackingOff,
    /// It will not run with any configuration that is there. Only an order changes that.
    Refused,
    /// The supervisor was asked to end and waits for it.
    Stopping,
    /// It has ended for good.
    Stopped,
}

impl Phase {
    /// Whether a process of ours listens, or soon will, on the gateway's port. Otherwise somebody else may, and nothing is sent there.
    pub(crate) const fn has_process(self) -> bool {
        matches!(self, Self::Starting | Self::Ready | Self::NotReady | Self::Restarting | Self::Stopping)
    }
}

/// Which configuration the gateway runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InUse {
    /// None yet.
    None,
    /// The one that is wanted.
    Wanted,
    /// The last one with which it became ready, because the wanted one was refused.
    LastGood,
}

/// How the gateway's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LastExit {
    pub(crate) at: Timestamp,
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) meaning: &'static str,
}

/// What came of the last look that the gateway's doctor took. What it said is among the gateway's lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Examination {
    /// When it began.
    pub(crate) at: Timestamp,
    pub(crate) seconds: u64,
    /// 0 if it came to its end, whatever it found.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Why it could not begin, or was ended.
    pub(crate) trouble: Option<String>,
}

/// The state of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    pub(crate) since: Timestamp,
    /// The process, while there is one.
    pub(crate) pid: Option<i32>,
    /// Processes started since the supervisor began.
    pub(crate) starts: u64,
    /// Processes that ended without being asked to.
    pub(crate) crashes: u64,
    /// New processes ordered since the supervisor began; those up to `handled` have led to one, or to the attempt.
    pub(crate) ordered: u64,
    pub(crate) handled: u64,
    /// The doctor comes before the next process.
    pub(crate) doctor_ordered: bool,
    pub(crate) examination: Option<Examination>,
    pub(crate) config: InUse,
    /// Digest of the configuration that is wanted, as the control plane can compute it.
    pub(crate) wanted_digest: Option<String>,
    /// Why the wanted configuration is not in use. May quote the gateway: not for callers without a token.
    pub(crate) refusal: Option<String>,
    /// Why there is no process, other than a refusal.
    pub(crate) trouble: Option<String>,
    pub(crate) next_start: Option<Timestamp>,
    pub(crate) last_exit: Option<LastExit>,
}

/// Where the status is written and watched. Every change is one step under one lock, so no reader sees half of it.
#[derive(Debug)]
pub(crate) struct Board(watch::Sender<Status>);

impl Board {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(watch::Sender::new(Status {
            phase: Phase::WaitingForVolume,
            since: now,
            pid: None,
            starts: 0,
            crashes: 0,
            ordered: 0,
            handled: 0,
            doctor_ordered: false,
            examination: None,
            config: InUse::None,
            wanted_digest: None,
            refusal: None,
            trouble: None,
            next_start: None,
            last_exit: None,
        }))
    }

    /// The state now.
    pub(crate) fn read(&self) -> Status {
        self.0.borrow().clone()
    }

    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        self.0.borrow().phase
    }

    /// Waits for the first state of which the predicate is true.
    pub(crate) async fn until(&self, predicate: impl FnMut(&Status) -> bool) -> Status {
        let mut watcher = self.0.subscribe();
        watcher.wait_for(predicate).await.expect("the board keeps the sender it is made of").clone()
    }

    /// Changes the state.
    pub(crate) fn write(&self, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(change);
    }

    /// Enters a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.send_modify(|status| {
            if status.phase != phase {
                tracing::info!(from = ?status.phase, to = ?phase, "the gateway's phase changed");
                status.phase = phase;
                status.since = Timestamp::now();
            }
        });
    }

    /// Enters a phase that the running process reports, unless a restart has been ordered since it started: whoever ordered it must not see
    /// the old process's readiness and take it for the new one's.
    pub(crate) fn report(&self, phase: Phase) -> bool {
        let current = {
            let status = self.0.borrow();
            status.ordered == status.handled
        };
        if current {
            self.enter(phase);
        }
        current
    }

    /// Orders a restart and returns its number. The state says so when this returns.
    pub(crate) fn order_restart(&self) -> u64 {
        self.order(|_| {})
    }

    /// Orders a restart with the doctor between the old process and the new one. Ordered twice before it came, it comes once.
    pub(crate) fn order_doctor(&self) -> u64 {
        self.order(|status| status.doctor_ordered = true)
    }

    fn order(&self, also: impl FnOnce(&mut Status)) -> u64 {
        self.0.send_modify(|status| {
            status.ordered += 1;
            also(status);
        });
        if self.phase().has_process() {
            self.enter(Phase::Restarting);
        }
        self.0.borrow().ordered
    }

    /// Waits until a restart is ordered that has not been handled.
    pub(crate) async fn restart_ordered(&self) {
        self.until(|status| status.ordered > status.handled).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_of_the_old_process_is_not_shown_once_a_restart_was_ordered() {
        let board = Board::new(Timestamp::now());
        board.enter(Phase::Starting);
        assert!(board.report(Phase::Ready));
        assert_eq!(board.order_restart(), 1);
        assert_eq!(board.phase(), Phase::Restarting);
        assert!(!board.report(Phase::Ready));
        assert_eq!(board.phase(), Phase::Restarting);
        board.write(|status| status.handled = status.ordered);
        assert!(board.report(Phase::Ready));
    }
}
