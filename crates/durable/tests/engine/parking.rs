//! Rules 11 and 13: what a person has to look at.

use std::time::Duration;

use durable::{Clock, Driven, Outcome, Phase, Setback};
use serde_json::json;

use crate::fixture::{Fixture, Walk, flow, run_1};

fn commits() -> Walk {
    flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", world.call("app")).await?;
        run.commit("in_service").await?;
        run.step("announce", world.call("announce")).await?;
        Ok(json!("done"))
    })
}

/// Claims the run as a worker that then dies in this step, and waits until its lease is over.
fn die(fixture: &Fixture, step: &'static str) {
    fixture.hangs(step);
    let until = fixture.clock.now() + Duration::from_secs(120);
    let id = run_1();
    let mut drive = Box::pin(fixture.engine.drive(&id, until));
    assert!(futures::FutureExt::now_or_never(&mut drive).is_none(), "it hangs in its step");
    drop(drive);
    fixture.clock.advance(Duration::from_secs(150));
}

#[test]
fn twelve_claims_without_progress_park_the_run_before_a_thirteenth_works_on_it() {
    let fixture = Fixture::new(commits());
    for _ in 0..12 {
        die(&fixture, "app");
    }
    let Driven::Parked { why } = fixture.drive() else { panic!("it parks") };
    assert_eq!(why, "claimed 12 times without getting on");
    assert_eq!(fixture.calls().len(), 12);
    assert_eq!(fixture.record().claims, 0);
}

#[test]
fn eleven_claims_without_progress_leave_it_another() {
    let fixture = Fixture::new(commits());
    for _ in 0..11 {
        die(&fixture, "app");
    }
    fixture.works_again("app");
    assert!(matches!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
}

#[test]
fn progress_and_pauses_set_the_count_back() {
    let fixture = Fixture::new(commits());
    fixture.answers("app", [Err(Setback::not_yet(1, "soon"))]);
    fixture.drive();
    assert_eq!(fixture.record().claims, 0);
    fixture.clock.advance(Duration::from_secs(1));
    for _ in 0..11 {
        die(&fixture, "app");
    }
    assert_eq!(fixture.record().claims, 11);
    fixture.works_again("app");
    die(&fixture, "announce");
    assert_eq!((fixture.record().claims, fixture.timeline().len()), (0, 2), "it got on before it died");
}

#[test]
fn invocations_without_time_for_anything_count_and_park_the_run_in_the_end() {
    let fixture = Fixture::new(commits());
    for _ in 0..12 {
        assert!(matches!(fixture.drive_for(Duration::from_secs(1)), Driven::Paused { .. }));
    }
    assert!(matches!(fixture.drive_for(Duration::from_secs(1)), Driven::Parked { .. }));
}

#[test]
fn a_fatal_step_after_the_commit_parks_and_undoes_nothing() {
    let fixture = Fixture::new(commits());
    fixture.answers("announce", [Err(Setback::fatal("refused"))]);
    let Driven::Parked { why } = fixture.drive() else { panic!("it parks") };
    assert_eq!(why, "announce failed after the point of no return: refused");
    assert_eq!(fixture.calls(), ["app", "announce"]);
    assert!(matches!(fixture.record().phase, Phase::Parked { was, .. } if *was == Phase::Running));
}

#[test]
fn a_parked_run_is_left_alone_until_a_person_acts() {
    let fixture = Fixture::new(commits());
    fixture.answers("announce", [Err(Setback::fatal("refused"))]);
    fixture.drive();
    fixture.clock.advance(Duration::from_secs(86_400));
    assert_eq!(fixture.clock.block_on(fixture.engine.sweep(10)).expect("it sweeps").overdue, 0);
    assert_eq!(fixture.drive(), Driven::NotMine);
    assert!(fixture.delays().is_empty());
}

#[test]
fn a_resumed_run_goes_on_where_it_was_with_fresh_limits() {
    let fixture = Fixture::new(commits());
    fixture.answers("announce", (0..20).map(|_| Err(Setback::retry("503"))));
    assert!(matches!(fixture.drive_on(), Driven::Parked { .. }));
    let sent = fixture.delays().len();
    assert_eq!(fixture.clock.block_on(fixture.engine.resume(&run_1())), Ok(true));
    assert_eq!(fixture.delays()[sent..], [0]);
    fixture.answers("announce", [Err(Setback::retry("503"))]);
    assert!(matches!(fixture.drive(), Driven::Paused { .. }), "its attempts are counted anew");
    assert!(matches!(fixture.drive_on(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
    assert_eq!(fixture.calls().iter().filter(|call| **call == "app").count(), 1);
}

#[test]
fn a_run_that_is_not_parked_is_not_resumed() {
    let fixture = Fixture::new(commits());
    assert_eq!(fixture.clock.block_on(fixture.engine.resume(&run_1())), Ok(false));
    assert!(fixture.delays().is_empty());
}
