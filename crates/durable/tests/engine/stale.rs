//! The index of overdue runs lags: what a sweep finds there may have been claimed, moved or ended meanwhile.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use durable::testing::MemoryJournal;
use durable::{CancelReply, Claim, Clock, Ended, Ending, Guard, Held, Journal, JournalError, Overdue, Record, RunId, SweepReport, Written};
use jiff::Timestamp;
use serde_json::Value;

use crate::fixture::{Fixture, flow};

/// A journal whose list of overdue runs is as it was.
struct Lagging {
    journal: Arc<MemoryJournal>,
    listed: Vec<Overdue>,
}

#[async_trait]
impl Journal for Lagging {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        self.journal.read(id).await
    }
    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        self.journal.claim(id, claim).await
    }
    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        self.journal.checkpoint(held, next, guard).await
    }
    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        self.journal.end(held, next, ending, guard).await
    }
    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError> {
        self.journal.request_cancel(id, now).await
    }
    async fn overdue(&self, _: Timestamp, _: usize) -> Result<Vec<Overdue>, JournalError> {
        Ok(self.listed.clone())
    }
    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError> {
        self.journal.postpone(seen, until).await
    }
    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError> {
        self.journal.resume(id, now).await
    }
}

#[test]
fn a_run_that_somebody_else_moved_on_first_gets_no_message_and_is_left_as_it_is() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.step("create_app", world.call("app")).await?;
        Ok(Value::Null)
    }));
    fixture.clock.advance(Duration::from_secs(15));
    let listed = fixture.clock.block_on(fixture.journal.overdue(fixture.clock.now(), 10)).expect("a journal in memory never fails");
    fixture.drive();
    let ended = fixture.record();

    let mut engine = fixture.engine.clone();
    engine.journal = Arc::new(Lagging { journal: fixture.journal.clone(), listed });
    let report = fixture.clock.block_on(engine.sweep(10)).expect("a journal in memory never fails");
    assert_eq!(report, SweepReport { overdue: 1, sent: 0, overtaken: 1, failed: 0 });
    assert!(fixture.delays().is_empty());
    assert_eq!(fixture.record(), ended);
}
