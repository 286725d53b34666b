//! Rule 9: the way back.

use std::time::Duration;

use durable::{Clock, Driven, Outcome, Phase, Setback, Why};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Walk, flow};

fn three_things() -> Walk {
    flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", world.call("app")).await?;
        run.undo("delete_volume", world.undo("delete_volume"));
        run.step("create_volume", world.call("volume")).await?;
        run.undo("delete_machine", world.undo("delete_machine"));
        run.step("create_machine", world.call("machine")).await?;
        run.undo("never_armed", world.undo("never_armed"));
        Ok(Value::Null)
    })
}

fn failing() -> Fixture {
    let fixture = Fixture::new(three_things());
    fixture.answers("machine", [Err(Setback::fatal("refused"))]);
    fixture
}

fn failed() -> Outcome {
    Outcome::Failed { step: "create_machine".to_owned(), message: "refused".to_owned() }
}

fn undone(fixture: &Fixture) -> Vec<(u32, String, bool)> {
    fixture.record().undone.into_iter().map(|undone| (undone.place, undone.name, undone.left.is_none())).collect()
}

#[test]
fn undos_run_newest_first_and_include_that_of_the_step_that_failed() {
    let fixture = failing();
    assert_eq!(fixture.drive(), Driven::Ended { outcome: failed(), follow_up: None });
    assert_eq!(fixture.calls(), ["app", "volume", "machine", "delete_machine", "delete_volume", "delete_app"]);
    let names = undone(&fixture).into_iter().map(|(place, name, _)| (place, name)).collect::<Vec<_>>();
    assert_eq!(names, [(2, "delete_machine".to_owned()), (1, "delete_volume".to_owned()), (0, "delete_app".to_owned())]);
}

#[test]
fn the_turn_is_written_before_the_first_undo() {
    let fixture = failing();
    fixture.answers("delete_machine", [Err(Setback::not_yet(5, "stopping"))]);
    fixture.drive();
    let why = Why::Failed { step: "create_machine".to_owned(), message: "refused".to_owned() };
    assert_eq!(fixture.record().phase, Phase::Unwinding { why });
    // Claim, two steps, the turn, the pause of the first undo.
    assert_eq!(fixture.record().rev, 5);
}

#[test]
fn a_run_that_turned_back_never_goes_forward_again() {
    let fixture = failing();
    fixture.answers("delete_machine", [Err(Setback::not_yet(5, "stopping"))]);
    assert_eq!(fixture.drive_on(), Driven::Ended { outcome: failed(), follow_up: None });
    assert_eq!(fixture.calls().iter().filter(|call| **call == "machine").count(), 1);
}

#[test]
fn a_recorded_undo_is_not_run_again() {
    let fixture = failing();
    fixture.answers("delete_volume", [Err(Setback::retry("503"))]);
    fixture.drive_on();
    assert_eq!(fixture.calls()[3..], ["delete_machine", "delete_volume", "delete_volume", "delete_app"]);
}

#[test]
fn an_undo_that_never_succeeds_is_left_and_the_others_still_run() {
    let fixture = failing();
    fixture.answers("delete_volume", (0..10_000).map(|_| Err(Setback::not_yet(60, "in use"))));
    let began = fixture.clock.now();
    let Driven::Parked { why } = fixture.drive_on() else { panic!("it parks") };
    assert_eq!(why, "could not be undone: delete_volume (given up after 60 minutes: in use)");
    assert_eq!(fixture.clock.now().duration_since(began).as_secs(), 3600);
    assert_eq!(fixture.calls().last(), Some(&"delete_app"));
    assert!(fixture.journal.endings().is_empty());
    let record = fixture.record();
    assert!(matches!(record.phase, Phase::Parked { was, .. } if matches!(*was, Phase::Unwinding { .. })));
    assert_eq!((record.overdue_at, record.lease_until), (None, None));
}

#[test]
fn a_fatal_undo_is_left_at_once_and_named_with_all_others_that_are() {
    let fixture = failing();
    fixture.answers("delete_machine", [Err(Setback::fatal("not ours"))]).answers("delete_app", [Err(Setback::fatal("locked"))]);
    let Driven::Parked { why } = fixture.drive() else { panic!("it parks") };
    assert_eq!(why, "could not be undone: delete_machine (not ours); delete_app (locked)");
    assert_eq!(undone(&fixture).len(), 3);
}

#[test]
fn a_resumed_run_tries_again_what_was_left_and_nothing_else() {
    let fixture = failing();
    fixture.answers("delete_machine", [Err(Setback::fatal("not ours"))]).answers("delete_app", [Err(Setback::fatal("locked"))]);
    assert!(matches!(fixture.drive(), Driven::Parked { .. }));
    assert_eq!(fixture.clock.block_on(fixture.engine.resume(&crate::fixture::run_1())), Ok(true));
    assert_eq!(fixture.drive(), Driven::Ended { outcome: failed(), follow_up: None });
    assert_eq!(fixture.calls()[6..], ["delete_machine", "delete_app"]);
    assert!(undone(&fixture).iter().all(|(_, _, done)| *done));
}

#[test]
fn an_undo_recorded_under_another_name_parks_the_run() {
    let fixture = failing();
    fixture.answers("delete_volume", [Err(Setback::not_yet(5, "in use"))]);
    fixture.drive();
    fixture.clock.advance(Duration::from_secs(5));
    fixture.edit(|record| record.undone[0].name = "delete_network".to_owned());
    let Driven::Parked { why } = fixture.drive() else { panic!("it parks") };
    assert!(why.contains("delete_network") && why.contains("delete_machine"), "{why}");
    assert_eq!(fixture.calls().last(), Some(&"delete_volume"), "nothing more was undone");
}

#[test]
fn an_undo_is_not_begun_with_too_little_time_left() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", async {
            world.slow("app", Duration::from_secs(100)).await?;
            Err::<(), _>(Setback::fatal("refused"))
        })
        .await?;
        Ok(Value::Null)
    }));
    assert!(matches!(fixture.drive(), Driven::Paused { .. }));
    assert_eq!(fixture.calls(), ["app"]);
    assert!(matches!(fixture.drive(), Driven::Ended { .. }));
    assert_eq!(fixture.calls(), ["app", "delete_app"]);
}

fn two_regions() -> Walk {
    flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.step("create_app", world.call("app")).await?;
        for _ in 0..2 {
            let mark = run.mark();
            run.undo("delete_volume", world.undo("delete_volume"));
            run.step("create_volume", world.call("volume")).await?;
            run.undo("delete_machine", world.undo("delete_machine"));
            if run.step("create_machine", world.call("machine")).await? == 1 {
                break;
            }
            run.release(mark).await?;
        }
        run.step("await_healthy", world.call("healthy")).await?;
        Ok(json!("placed"))
    })
}

#[test]
fn a_release_runs_and_records_the_undos_since_the_mark_newest_first() {
    let fixture = Fixture::new(two_regions());
    assert!(matches!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
    let calls = ["app", "volume", "machine", "delete_machine", "delete_volume", "volume", "machine", "healthy"];
    assert_eq!(fixture.calls(), calls);
    assert_eq!(fixture.timeline()[3..5], ["delete_machine", "delete_volume"]);
}

#[test]
fn a_release_that_waits_goes_on_where_it_was_and_is_not_repeated() {
    let fixture = Fixture::new(two_regions());
    fixture.answers("delete_volume", [Err(Setback::not_yet(5, "in use"))]).answers("healthy", [Err(Setback::not_yet(5, "booting"))]);
    fixture.drive_on();
    assert_eq!(fixture.calls()[3..7], ["delete_machine", "delete_volume", "delete_volume", "volume"]);
    assert_eq!(fixture.calls().iter().filter(|call| **call == "delete_machine").count(), 1);
}

#[test]
fn what_was_released_is_not_undone_again_on_the_way_back() {
    let fixture = Fixture::new(two_regions());
    fixture.answers("healthy", [Err(Setback::fatal("never"))]);
    fixture.drive_on();
    assert_eq!(fixture.calls()[8..], ["delete_machine", "delete_volume", "delete_app"]);
    assert_eq!(undone(&fixture).len(), 3);
}

#[test]
fn a_release_that_fails_turns_the_run_back_and_is_tried_anew_there() {
    let fixture = Fixture::new(two_regions());
    fixture.answers("delete_volume", [Err(Setback::fatal("in use"))]);
    let outcome = Outcome::Failed { step: "delete_volume".to_owned(), message: "in use".to_owned() };
    assert_eq!(fixture.drive_on(), Driven::Ended { outcome, follow_up: None });
    assert_eq!(fixture.calls()[3..], ["delete_machine", "delete_volume", "delete_volume", "delete_app"]);
}

#[test]
fn a_release_after_the_commit_reaches_no_undo_from_before_it() {
    let fixture = Fixture::new(flow!(|run, world| {
        let mark = run.mark();
        run.undo("delete_old", world.undo("delete_old"));
        run.step("create_old", world.call("old")).await?;
        run.commit("in_service").await?;
        let later = run.mark();
        run.undo("delete_new", world.undo("delete_new"));
        run.step("create_new", world.call("new")).await?;
        run.release(later).await?;
        run.release(mark).await?;
        Ok(Value::Null)
    }));
    assert!(matches!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
    assert_eq!(fixture.calls(), ["old", "new", "delete_new"]);
}

#[test]
fn an_undo_armed_by_a_flow_that_goes_on_after_it_was_interrupted_is_not_run() {
    let fixture = Fixture::new(flow!(|run, world| {
        let failed = run.step("create_app", world.call("app")).await;
        run.undo("delete_volume", world.undo("delete_volume"));
        failed?;
        Ok(Value::Null)
    }));
    fixture.answers("app", [Err(Setback::fatal("refused"))]);
    assert!(matches!(fixture.drive(), Driven::Ended { outcome: Outcome::Failed { .. }, .. }));
    assert_eq!(fixture.calls(), ["app"]);
}
