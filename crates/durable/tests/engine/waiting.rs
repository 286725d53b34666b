//! Rules 7 and 8: waiting is not failing; a pause is written before its message is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use durable::testing::MemoryJournal;
use durable::{Clock, Driven, Limits, Outcome, RunId, Setback, Wake, WakeError};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Walk, flow, run_1};

fn healthy() -> Walk {
    flow!(|run, world| { Ok(json!(run.step("await_healthy", world.call("healthy")).await?)) })
}

fn wait(milliseconds: u64) -> Setback {
    Setback::NotYet { look_again_in: Duration::from_millis(milliseconds), why: "booting".to_owned() }
}

#[test]
fn a_pause_drops_the_lease_and_is_overdue_fifteen_seconds_after_its_wake_up() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(5000))]);
    let until = fixture.clock.now() + Duration::from_secs(5);
    assert_eq!(fixture.drive(), Driven::Paused { until });
    let record = fixture.record();
    assert_eq!((record.lease_until, record.not_before), (None, Some(until)));
    assert_eq!(record.overdue_at, Some(until + Duration::from_secs(15)));
    assert_eq!((record.claims, record.journal.len()), (0, 0));
    let trying = record.trying.expect("it is being tried");
    assert_eq!((trying.name.as_str(), trying.place, trying.attempts, trying.said.as_str()), ("await_healthy", 0, 0, "booting"));
    assert_eq!(fixture.delays(), [5]);
}

#[test]
fn a_message_that_comes_early_dies_out() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(5000))]);
    fixture.drive();
    fixture.clock.advance(Duration::from_millis(4999));
    assert_eq!(fixture.drive(), Driven::NotMine);
    assert_eq!(fixture.calls().len(), 1);
    fixture.clock.advance(Duration::from_millis(1));
    assert!(matches!(fixture.drive(), Driven::Ended { .. }));
}

#[test]
fn a_delay_is_rounded_up_so_that_the_message_is_not_early() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(2500))]);
    fixture.drive();
    assert_eq!(fixture.delays(), [3]);
    assert_eq!(fixture.record().not_before, Some(fixture.clock.now() + Duration::from_millis(2500)));
}

#[test]
fn a_pause_of_fifteen_minutes_sends_and_a_longer_one_is_left_to_the_sweep() {
    let limits = Fixture::new(flow!(|run, world| {
        let patient = Limits { deadline: Duration::from_secs(86_400), attempts: 3 };
        run.step_within("await_quota", patient, world.call("quota")).await?;
        Ok(Value::Null)
    }));
    limits.answers("quota", [Err(wait(900_000)), Err(wait(900_001))]);
    limits.drive();
    assert_eq!(limits.delays(), [900]);
    limits.clock.advance(Duration::from_secs(900));
    let Driven::Paused { until } = limits.drive() else { panic!("it waits") };
    assert_eq!(limits.delays(), [900], "nothing more was sent");
    let report = |fixture: &Fixture| fixture.clock.block_on(fixture.engine.sweep(10)).expect("it sweeps");
    limits.clock.advance_to(until);
    assert_eq!(report(&limits).overdue, 0);
    limits.clock.advance(Duration::from_secs(15));
    assert_eq!(report(&limits).sent, 1);
    assert!(matches!(limits.drive(), Driven::Ended { .. }));
}

/// Looks at the store at the moment at which a message is sent.
struct Watcher {
    journal: Arc<MemoryJournal>,
    seen: Mutex<Vec<(Option<jiff::Timestamp>, Option<jiff::Timestamp>)>>,
}

#[async_trait]
impl Wake for Watcher {
    async fn wake(&self, run: &RunId, _: Duration) -> Result<(), WakeError> {
        let record = self.journal.get(run).expect("it was started");
        self.seen.lock().expect("no holder panics").push((record.lease_until, record.not_before));
        Ok(())
    }
}

#[test]
fn the_pause_is_written_before_its_message_is_sent() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(5000)), Err(Setback::retry("reset"))]);
    let watcher = Arc::new(Watcher { journal: fixture.journal.clone(), seen: Mutex::default() });
    let mut engine = fixture.engine.clone();
    engine.wake = watcher.clone();
    let Driven::Paused { until: first } = fixture.drive_with(&engine, Duration::from_secs(120)) else { panic!("it waits") };
    fixture.clock.advance_to(first);
    let Driven::Paused { until: second } = fixture.drive_with(&engine, Duration::from_secs(120)) else { panic!("it waits") };
    assert_eq!(*watcher.seen.lock().expect("no holder panics"), [(None, Some(first)), (None, Some(second))]);
}

#[test]
fn waiting_is_not_an_attempt_and_ends_at_the_deadline() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", (0..1000).map(|_| Err(wait(5000))));
    let began = fixture.clock.now();
    let Driven::Ended { outcome: Outcome::Failed { step, message }, .. } = fixture.drive_on() else { panic!("it fails") };
    assert_eq!((step.as_str(), message.as_str()), ("await_healthy", "given up after 15 minutes: booting"));
    assert_eq!(fixture.clock.now().duration_since(began).as_secs(), 900);
    assert_eq!(fixture.calls().len(), 900 / 5 + 1);
}

#[test]
fn the_last_look_is_at_the_deadline() {
    let fixture = Fixture::new(flow!(|run, world| {
        let limits = Limits { deadline: Duration::from_secs(12), attempts: 1 };
        Ok(json!(run.step_within("await_healthy", limits, world.call("healthy")).await?))
    }));
    fixture.answers("healthy", [Err(wait(10_000)), Err(wait(10_000))]);
    fixture.drive_on();
    assert_eq!(fixture.delays(), [10, 2]);
    assert_eq!(fixture.journal.endings()[0].1.outcome, Outcome::Succeeded);
}

#[test]
fn the_deadline_counts_over_claims_from_the_first_try() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(5000)), Err(wait(5000))]);
    fixture.drive();
    fixture.clock.advance(Duration::from_secs(3600));
    let Driven::Ended { outcome, .. } = fixture.drive() else { panic!("its time is over") };
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(fixture.calls().len(), 2, "it was looked at once more all the same");
}

#[test]
fn a_pause_whose_message_cannot_be_sent_is_a_pause_all_the_same() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(5000))]);
    fixture.queue.fail_next(1);
    assert!(matches!(fixture.drive(), Driven::Paused { .. }));
    fixture.clock.advance(Duration::from_secs(20));
    assert_eq!(fixture.clock.block_on(fixture.engine.sweep(10)).expect("it sweeps").sent, 1);
    assert_eq!(fixture.queue.take_due(), [run_1()]);
    assert!(matches!(fixture.drive(), Driven::Ended { .. }));
}

#[test]
fn what_was_tried_is_timed_and_counted_from_the_first_try() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(5000)), Err(Setback::retry("reset"))]);
    let began = fixture.clock.now();
    fixture.drive_on();
    let entry = fixture.record().journal[0].clone();
    assert_eq!((entry.started_at, entry.attempts), (began, 2));
    assert_eq!(entry.finished_at, fixture.clock.now());
}

#[test]
fn a_world_that_says_look_again_at_once_is_looked_at_once_a_second() {
    let fixture = Fixture::new(healthy());
    fixture.answers("healthy", [Err(wait(0)), Err(wait(1))]);
    fixture.drive_on();
    assert_eq!(fixture.delays(), [1, 1]);
}
