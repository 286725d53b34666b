//! Rule 12: the end is one write, with everything that it means.

use durable::testing::MemoryJournal;
use durable::{Clock, Driven, NewRun, Outcome, Phase, RunId, Setback};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Walk, flow, new_run, run_1};

fn tells() -> Walk {
    flow!(|run, world| {
        run.undo("delete_app", world.undo("delete_app"));
        run.notify(json!({ "event": "begun" }));
        run.step("create_app", world.call("app")).await?;
        run.commit("in_service").await?;
        run.step("announce", world.call("announce")).await?;
        run.notify(json!({ "event": "ready" }));
        Ok(json!("done"))
    })
}

#[test]
fn notices_are_written_once_with_the_end_however_often_the_flow_is_walked() {
    let fixture = Fixture::new(tells());
    fixture.answers("app", [Err(Setback::not_yet(1, "soon"))]).answers("announce", [Err(Setback::not_yet(1, "soon"))]);
    fixture.drive_on();
    let endings = fixture.journal.endings();
    assert_eq!(endings.len(), 1);
    assert_eq!(endings[0].1.notices, [json!({ "event": "begun" }), json!({ "event": "ready" })]);
    assert_eq!(endings[0].1.value, json!("done"));
}

#[test]
fn a_run_that_turned_back_tells_nothing_of_its_way_forward() {
    let fixture = Fixture::new(tells());
    fixture.answers("app", [Err(Setback::fatal("refused"))]);
    fixture.drive_on();
    let (_, ending) = fixture.journal.endings().remove(0);
    assert_eq!((ending.notices.len(), ending.value), (0, Value::Null));
}

#[test]
fn an_ended_run_is_held_by_nobody_and_never_overdue() {
    let fixture = Fixture::new(tells());
    fixture.drive_on();
    let record = fixture.record();
    assert_eq!(record.phase, Phase::Done { outcome: Outcome::Succeeded });
    assert_eq!((record.lease_until, record.not_before, record.overdue_at, record.trying), (None, None, None, None));
    assert_eq!(record.ended_at, Some(fixture.clock.now()));
    assert!(record.committed && record.undone.is_empty());
}

#[test]
fn a_commit_drops_the_undos_that_were_armed() {
    let fixture = Fixture::new(tells());
    fixture.answers("announce", [Err(Setback::fatal("refused"))]);
    assert!(matches!(fixture.drive_on(), Driven::Parked { .. }));
    assert!(!fixture.calls().contains(&"delete_app"));
}

#[test]
fn the_run_that_follows_is_woken() {
    let follower = || NewRun { id: RunId("run_1b".to_owned()), ..new_run() };
    let settle = Box::new(move |record: &durable::Record, _: &_| (record.id == run_1()).then(follower));
    let fixture = Fixture::on(tells(), MemoryJournal::with_settle(settle));
    let follow_up = Some(follower().id);
    assert_eq!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, follow_up });
    assert_eq!(fixture.queue.take_due(), [follower().id]);
}

#[test]
fn a_notice_or_value_beyond_four_kilobytes_parks_the_run() {
    let fixture = Fixture::new(flow!(|run, _world| {
        run.notify("x".repeat(5000));
        Ok(Value::Null)
    }));
    assert!(matches!(fixture.drive(), Driven::Parked { why } if why.contains("notice")));
    let fixture = Fixture::new(flow!(|_run, _world| { Ok(json!("x".repeat(5000))) }));
    assert!(matches!(fixture.drive(), Driven::Parked { why } if why.contains("5002 bytes")));
}
