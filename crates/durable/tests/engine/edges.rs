//! Where two rules meet, and where a limit is met exactly.

use std::time::Duration;

use durable::{Clock, Driven, Outcome, Setback};
use serde_json::{Value, json};

use crate::fixture::{Fixture, flow};

const CANCELLED: Driven = Driven::Ended { outcome: Outcome::Cancelled, follow_up: None };

/// The walk has come to the flow's end, and every step is recorded: only the phase tells that the run must not succeed.
#[test]
fn a_run_that_turned_back_at_its_very_end_never_succeeds() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", world.call("app")).await?;
        world.cancel();
        Ok(json!("done"))
    }));
    fixture.answers("delete_app", [Err(Setback::not_yet(5, "its machines are being destroyed"))]);
    assert_eq!(fixture.drive_on(), CANCELLED);
    assert_eq!(fixture.calls(), ["app", "delete_app", "delete_app"]);
}

/// What failed may still have an effect, and the cancel does not make it known any sooner.
#[test]
fn a_cancel_that_meets_a_failed_try_waits_two_seconds_before_it_undoes() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", async {
            world.cancel();
            world.call("app").await
        })
        .await?;
        Ok(Value::Null)
    }));
    fixture.answers("app", [Err(Setback::retry("timed out"))]);
    let until = fixture.clock.now() + Duration::from_secs(2);
    assert_eq!(fixture.drive(), Driven::Paused { until });
    assert_eq!(fixture.calls(), ["app"]);
    fixture.clock.advance_to(until);
    assert_eq!(fixture.drive(), CANCELLED);
}

#[test]
fn what_is_exactly_as_long_as_it_may_be_is_kept_whole() {
    // Two quotation marks around it.
    let fixture = Fixture::new(flow!(|_run, _world| { Ok(json!("x".repeat(4094))) }));
    assert_eq!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, follow_up: None });

    let fixture = Fixture::new(flow!(|run, world| { Ok(json!(run.step("create_app", world.call("app")).await?)) }));
    fixture.answers("app", [Err(Setback::fatal("x".repeat(600)))]);
    let Driven::Ended { outcome: Outcome::Failed { message, .. }, .. } = fixture.drive() else { panic!("it fails") };
    assert_eq!(message, "x".repeat(600));
}
