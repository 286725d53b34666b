//! `attempt`: giving up is a recorded value, and the flow goes on.

use std::time::Duration;

use durable::{Driven, Limits, Outcome, Setback};
use serde_json::json;

use crate::fixture::{Fixture, Walk, flow};

const RUNG: Limits = Limits { deadline: Duration::from_secs(60), attempts: 2 };

fn ladder() -> Walk {
    flow!(|run, world| {
        run.undo("lower_flag", world.undo("lower"));
        let first = run.attempt("restart_process", RUNG, world.call("process")).await?;
        let second = run.attempt("restart_machine", RUNG, world.call("machine")).await?;
        run.commit("in_service").await?;
        Ok(json!([first, second]))
    })
}

fn value(fixture: &Fixture) -> serde_json::Value {
    assert_eq!(fixture.drive_on(), Driven::Ended { outcome: Outcome::Succeeded, follow_up: None });
    fixture.journal.endings()[0].1.value.clone()
}

#[test]
fn a_fatal_answer_is_a_value_and_nothing_is_undone() {
    let fixture = Fixture::new(ladder());
    fixture.answers("process", [Err(Setback::fatal("exit 78"))]);
    assert_eq!(value(&fixture), json!([{ "Err": "exit 78" }, { "Ok": 0 }]));
    assert_eq!(fixture.calls(), ["process", "machine"]);
}

#[test]
fn exhausted_attempts_are_a_value_and_the_next_step_waits_two_seconds() {
    let fixture = Fixture::new(ladder());
    fixture.answers("process", [Err(Setback::retry("reset")), Err(Setback::retry("reset"))]);
    let Driven::Paused { until } = fixture.drive() else { panic!("it tries again") };
    fixture.clock.advance_to(until);
    assert_eq!(fixture.drive(), Driven::Paused { until: until + Duration::from_secs(2) });
    assert_eq!(fixture.record().journal[0].result, json!({ "Err": "given up after 2 attempts: reset" }));
    assert_eq!(fixture.record().trying, None);
    assert_eq!(fixture.delays().last(), Some(&2));
    assert_eq!(fixture.calls(), ["process", "process"]);
    assert_eq!(value(&fixture)[1], json!({ "Ok": 0 }));
}

#[test]
fn a_passed_deadline_is_a_value() {
    let fixture = Fixture::new(ladder());
    fixture.answers("machine", (0..100).map(|_| Err(Setback::not_yet(7, "booting"))));
    assert_eq!(value(&fixture), json!([{ "Ok": 0 }, { "Err": "given up after 60 seconds: booting" }]));
}

#[test]
fn a_recorded_giving_up_is_not_tried_again() {
    let fixture = Fixture::new(ladder());
    fixture.answers("process", [Err(Setback::fatal("exit 78"))]).answers("machine", [Err(Setback::not_yet(5, "booting"))]);
    assert_eq!(value(&fixture), json!([{ "Err": "exit 78" }, { "Ok": 1 }]));
    assert_eq!(fixture.calls(), ["process", "machine", "machine"]);
}
