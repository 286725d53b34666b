//! Rule 10: an accepted cancel never ends in success.

use std::time::Duration;

use durable::{CancelReply, Clock, Driven, Outcome, Phase, Setback};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Walk, flow, run_1};

fn waits() -> Walk {
    flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", world.call("app")).await?;
        run.step("await_healthy", world.call("healthy")).await?;
        run.commit("in_service").await?;
        run.step("announce", world.call("announce")).await?;
        Ok(json!("done"))
    })
}

fn waiting() -> Fixture {
    let fixture = Fixture::new(waits());
    fixture.answers("healthy", [Err(Setback::not_yet(600, "booting"))]);
    fixture.drive();
    fixture
}

fn cancel(fixture: &Fixture) -> CancelReply {
    fixture.clock.block_on(fixture.engine.cancel(&run_1())).expect("a journal in memory never fails")
}

const CANCELLED: Driven = Driven::Ended { outcome: Outcome::Cancelled, follow_up: None };

#[test]
fn a_cancel_during_a_wait_unwinds_at_once() {
    let fixture = waiting();
    fixture.clock.advance(Duration::from_secs(10));
    assert_eq!(cancel(&fixture), CancelReply::Accepted { send: true });
    assert_eq!(fixture.delays(), [600, 0]);
    assert_eq!(fixture.drive(), CANCELLED);
    assert_eq!(fixture.calls(), ["app", "healthy", "delete_app"]);
}

#[test]
fn a_cancel_whose_message_is_lost_is_found_by_the_sweep() {
    let fixture = waiting();
    fixture.queue.lose_next(1);
    cancel(&fixture);
    assert_eq!(fixture.clock.block_on(fixture.engine.sweep(10)).expect("it sweeps").sent, 1);
    assert_eq!(fixture.drive(), CANCELLED);
}

#[test]
fn a_cancel_during_a_step_is_seen_with_its_write() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", async {
            world.cancel();
            world.call("app").await
        })
        .await?;
        run.step("create_volume", world.call("volume")).await?;
        Ok(Value::Null)
    }));
    assert_eq!(fixture.drive(), CANCELLED);
    assert_eq!(fixture.calls(), ["app", "delete_app"]);
    assert_eq!(fixture.timeline(), ["create_app"], "what was done is recorded all the same");
}

#[test]
fn a_commit_is_refused_by_a_cancel_that_nobody_has_seen_yet() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", world.call("app")).await?;
        world.cancel();
        run.commit("in_service").await?;
        run.step("announce", world.call("announce")).await?;
        Ok(Value::Null)
    }));
    assert_eq!(fixture.drive(), CANCELLED);
    assert_eq!(fixture.calls(), ["app", "delete_app"]);
    assert!(!fixture.record().committed);
}

#[test]
fn the_end_of_a_run_that_never_committed_is_refused_by_a_cancel() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", world.call("app")).await?;
        world.cancel();
        Ok(json!("done"))
    }));
    assert_eq!(fixture.drive(), CANCELLED);
    assert_eq!(fixture.calls(), ["app", "delete_app"]);
    assert_eq!(fixture.journal.endings()[0].1.value, Value::Null);
}

#[test]
fn a_cancel_after_the_commit_is_too_late_and_the_run_succeeds() {
    let fixture = Fixture::new(waits());
    fixture.answers("announce", [Err(Setback::not_yet(60, "busy"))]);
    fixture.drive();
    assert_eq!(cancel(&fixture), CancelReply::TooLate);
    assert_eq!(fixture.drive_on(), Driven::Ended { outcome: Outcome::Succeeded, follow_up: None });
}

#[test]
fn a_cancel_does_not_supersede_the_worker() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        world.cancel();
        run.step("create_app", world.call("app")).await?;
        Ok(Value::Null)
    }));
    // The engine does not look before the step; the step's write tells it.
    assert_eq!(fixture.drive(), CANCELLED);
    assert_eq!(fixture.record().undone.len(), 1);
}

#[test]
fn a_cancelled_retry_waits_two_seconds_before_it_undoes() {
    let fixture = Fixture::new(waits());
    fixture.answers("healthy", [Err(Setback::Retry { after: Some(Duration::from_secs(300)), why: "timed out".to_owned() })]);
    fixture.drive();
    cancel(&fixture);
    let until = fixture.clock.now() + Duration::from_secs(2);
    assert_eq!(fixture.drive(), Driven::Paused { until });
    assert!(matches!(fixture.record().phase, Phase::Unwinding { .. }));
    assert_eq!(fixture.calls(), ["app", "healthy"]);
    fixture.clock.advance_to(until);
    assert_eq!(fixture.drive(), CANCELLED);
}

#[test]
fn a_cancel_of_a_run_that_nobody_touched_yet_does_nothing_but_end_it() {
    let fixture = Fixture::new(waits());
    cancel(&fixture);
    assert_eq!(fixture.drive(), CANCELLED);
    assert_eq!(fixture.calls(), ["delete_app"], "an undo may run without its step; it removes what is there");
}

#[test]
fn an_unknown_run_cannot_be_cancelled() {
    let fixture = waiting();
    let reply = fixture.clock.block_on(fixture.engine.cancel(&durable::RunId("run_2".to_owned())));
    assert_eq!(reply, Ok(CancelReply::Unknown));
    assert_eq!(fixture.delays(), [600]);
}
