//! Rules 1, 3 and 6: copies of a message die out, and a worker that lost its claim touches nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use durable::testing::MemoryJournal;
use durable::{
    CancelReply, Claim, Clock, Driven, Ended, Ending, Guard, Held, Journal, JournalError, Outcome, Overdue, Record, RunId, Setback, Written,
};
use jiff::Timestamp;
use serde_json::json;

use crate::fixture::{Fixture, Walk, flow, new_run, run_1};

fn two_steps() -> Walk {
    flow!(|run, world| {
        run.undo("delete_app", world.undo("delete"));
        let one = run.step("create_app", world.call("app")).await?;
        let two = run.step("create_volume", world.call("volume")).await?;
        Ok(json!([one, two]))
    })
}

#[test]
fn a_message_for_a_run_that_is_over_or_unknown_ends_quietly() {
    let fixture = Fixture::new(two_steps());
    assert!(matches!(fixture.drive(), Driven::Ended { .. }));
    assert_eq!(fixture.drive(), Driven::NotMine);
    let until = fixture.clock.now() + Duration::from_secs(120);
    let unknown = fixture.clock.block_on(fixture.engine.drive(&RunId("run_2".to_owned()), until));
    assert_eq!(unknown, Ok(Driven::NotMine));
    assert_eq!(fixture.calls(), ["app", "volume"]);
}

#[test]
fn a_copy_of_the_message_dies_out_while_the_first_is_worked_on() {
    let fixture = Fixture::new(flow!(|run, world| { Ok(json!(run.step("wait", world.slow("wait", Duration::from_secs(10))).await?)) }));
    let until = fixture.clock.now() + Duration::from_secs(120);
    let (one, two) = (run_1(), run_1());
    let both = futures::future::join(fixture.engine.drive(&one, until), fixture.engine.drive(&two, until));
    let (first, second) = fixture.clock.block_on(both);
    assert!(matches!(first, Ok(Driven::Ended { .. })), "{first:?}");
    assert_eq!(second, Ok(Driven::NotMine));
    assert_eq!(fixture.calls(), ["wait"]);
}

#[test]
fn one_write_per_step() {
    let fixture = Fixture::new(two_steps());
    fixture.drive();
    // One for the claim, one for each step, one for the end.
    assert_eq!(fixture.record().rev, 4);
}

type Meddle = Box<dyn FnOnce(&MemoryJournal) + Send>;

/// Lets something happen just before the engine's next write, and may lose its answer.
struct Meddled {
    journal: Arc<MemoryJournal>,
    before_write: Mutex<Option<Meddle>>,
    lose_answers: Mutex<usize>,
}

impl Meddled {
    fn engine(fixture: &Fixture, meddle: Option<Meddle>, lose_answers: usize) -> durable::Engine {
        let journal = Self { journal: fixture.journal.clone(), before_write: Mutex::new(meddle), lose_answers: Mutex::new(lose_answers) };
        let mut engine = fixture.engine.clone();
        engine.journal = Arc::new(journal);
        engine
    }

    fn meddle(&self) {
        if let Some(meddle) = self.before_write.lock().expect("no holder panics").take() {
            meddle(&self.journal);
        }
    }

    fn lost<T>(&self, answer: T) -> Result<T, JournalError> {
        let mut lose = self.lose_answers.lock().expect("no holder panics");
        if *lose == 0 {
            return Ok(answer);
        }
        *lose -= 1;
        Err(JournalError::Unavailable("the answer was lost".to_owned()))
    }
}

#[async_trait]
impl Journal for Meddled {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        self.journal.read(id).await
    }
    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        self.journal.claim(id, claim).await
    }
    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        self.meddle();
        self.lost(self.journal.checkpoint(held, next, guard).await?)
    }
    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        self.meddle();
        self.lost(self.journal.end(held, next, ending, guard).await?)
    }
    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError> {
        self.journal.request_cancel(id, now).await
    }
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, JournalError> {
        self.journal.overdue(now, limit).await
    }
    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError> {
        self.journal.postpone(seen, until).await
    }
    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError> {
        self.journal.resume(id, now).await
    }
}

#[test]
fn a_worker_whose_run_was_taken_over_stops_and_touches_nothing() {
    let fixture = Fixture::new(two_steps());
    let claim = Claim {
        owner: durable::OwnerId("another".to_owned()),
        now: fixture.clock.now() + Duration::from_secs(150),
        lease_until: fixture.clock.now() + Duration::from_secs(300),
    };
    let taken = move |journal: &MemoryJournal| {
        let taken = futures::FutureExt::now_or_never(journal.claim(&run_1(), &claim));
        assert!(matches!(taken, Some(Ok(Some(_)))));
    };
    let engine = Meddled::engine(&fixture, Some(Box::new(taken)), 0);
    assert_eq!(fixture.drive_with(&engine, Duration::from_secs(120)), Driven::Superseded);
    assert_eq!(fixture.calls(), ["app"], "neither the next step nor an undo ran");
    let record = fixture.record();
    assert_eq!((record.owner.map(|owner| owner.0), record.journal.len()), (Some("another".to_owned()), 0));
    assert!(fixture.delays().is_empty());
}

#[test]
fn a_lost_answer_of_the_store_ends_the_invocation_and_loses_nothing() {
    let fixture = Fixture::new(two_steps());
    let engine = Meddled::engine(&fixture, None, 1);
    let until = fixture.clock.now() + Duration::from_secs(120);
    let driven = fixture.clock.block_on(engine.drive(&run_1(), until));
    assert!(matches!(driven, Err(JournalError::Unavailable(_))), "{driven:?}");
    assert_eq!(fixture.timeline(), ["create_app"]);
    assert_eq!(fixture.drive(), Driven::NotMine, "its claim still holds");
    fixture.clock.advance(Duration::from_secs(150));
    assert!(matches!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
    assert_eq!(fixture.calls(), ["app", "volume"]);
}

#[test]
fn a_cancel_between_the_last_step_and_the_end_turns_the_run_back() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete"));
        run.notify("ready");
        Ok(json!(null))
    }));
    let cancel = |journal: &MemoryJournal| {
        let reply = futures::FutureExt::now_or_never(journal.request_cancel(&run_1(), Timestamp::UNIX_EPOCH));
        assert_eq!(reply, Some(Ok(CancelReply::Accepted { send: false })));
    };
    let engine = Meddled::engine(&fixture, Some(Box::new(cancel)), 0);
    assert_eq!(fixture.drive_with(&engine, Duration::from_secs(120)), Driven::Ended { outcome: Outcome::Cancelled, follow_up: None });
    assert_eq!(fixture.calls(), ["delete"]);
    assert!(fixture.journal.endings()[0].1.notices.is_empty(), "what the flow had to say has not become true");
}

#[test]
fn a_cancel_between_a_step_and_its_pause_is_answered_without_waiting() {
    let fixture = Fixture::new(two_steps());
    fixture.answers("app", [Err(Setback::not_yet(600, "booting"))]);
    let cancel = |journal: &MemoryJournal| {
        drop(futures::FutureExt::now_or_never(journal.request_cancel(&run_1(), Timestamp::UNIX_EPOCH)));
    };
    let engine = Meddled::engine(&fixture, Some(Box::new(cancel)), 0);
    let began = fixture.clock.now();
    let driven = fixture.drive_with(&engine, Duration::from_secs(120));
    assert_eq!(driven, Driven::Ended { outcome: Outcome::Cancelled, follow_up: None });
    assert_eq!(fixture.clock.now(), began);
}

#[test]
fn a_new_run_is_overdue_by_the_grace_that_the_engine_gives() {
    let now = Timestamp::UNIX_EPOCH;
    let record = Record::begin(new_run(), now);
    assert_eq!(record.overdue_at, Some(now + durable::Timing::DEFAULT.overdue_grace));
}
