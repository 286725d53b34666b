//! Rule 7: what is tried again, how often and how soon; and the time that a step has.

use std::time::Duration;

use durable::{Clock, Driven, Limits, Outcome, Phase, Setback, Why};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Walk, flow};

fn create() -> Walk {
    flow!(|run, world| {
        run.undo("delete_app", world.undo("delete"));
        Ok(json!(run.step("create_app", world.call("create")).await?))
    })
}

fn failing(times: usize) -> Fixture {
    let fixture = Fixture::new(create());
    fixture.answers("create", (0..times).map(|_| Err(Setback::retry("503"))));
    fixture
}

#[test]
fn a_retry_waits_at_least_two_seconds_and_ever_longer_up_to_a_minute() {
    let fixture = failing(12);
    fixture.drive_on();
    let delays = fixture.delays();
    assert_eq!(delays.len(), 12);
    for (attempt, delay) in (1_u32..).zip(delays) {
        let longest = 2_u64.saturating_pow(attempt + 1).min(60);
        assert!((longest / 2..=longest).contains(&delay), "attempt {attempt} waits {delay} s");
    }
}

#[test]
fn delays_are_spread_over_runs_and_the_same_for_one() {
    let delay = |run: &str| {
        let fixture = failing(6);
        fixture.edit(|record| {
            record.trying = Some(durable::Trying {
                name: "create_app".to_owned(),
                place: 0,
                since: record.created_at,
                attempts: 6,
                said: String::new(),
            })
        });
        let mut record = fixture.record();
        record.id = durable::RunId(run.to_owned());
        fixture.journal.put(record);
        let until = fixture.clock.now() + Duration::from_secs(120);
        let driven = fixture.clock.block_on(fixture.engine.drive(&durable::RunId(run.to_owned()), until));
        let Ok(Driven::Paused { until }) = driven else { panic!("{driven:?}") };
        until.duration_since(fixture.clock.now()).as_millis()
    };
    let mut delays: Vec<_> = (0..20).map(|run| delay(&format!("run_{run}x"))).collect();
    assert_eq!(delay("run_3x"), delays[3]);
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 15, "{delays:?}");
}

#[test]
fn what_the_remote_side_asks_for_is_honoured_but_never_below_two_seconds() {
    let fixture = Fixture::new(create());
    let after = |seconds| Err(Setback::Retry { after: Some(Duration::from_secs(seconds)), why: "busy".to_owned() });
    fixture.answers("create", [after(77), after(0)]);
    fixture.drive_on();
    assert_eq!(fixture.delays(), [77, 2]);
}

#[test]
fn a_step_is_given_up_after_its_attempts() {
    let fixture = failing(1000);
    let Driven::Ended { outcome: Outcome::Failed { step, message }, .. } = fixture.drive_on() else { panic!("it fails") };
    assert_eq!((step.as_str(), message.as_str()), ("create_app", "given up after 20 attempts: 503"));
    assert_eq!(fixture.calls().iter().filter(|call| **call == "create").count(), 20);
}

#[test]
fn a_fatal_answer_ends_the_way_forward_at_once() {
    let fixture = Fixture::new(create());
    fixture.answers("create", [Err(Setback::fatal("no such size"))]);
    let failed = Outcome::Failed { step: "create_app".to_owned(), message: "no such size".to_owned() };
    assert_eq!(fixture.drive(), Driven::Ended { outcome: failed, follow_up: None });
    assert_eq!(fixture.calls(), ["create", "delete"]);
}

#[test]
fn after_an_ambiguous_last_answer_nobody_looks_for_two_seconds() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.undo("delete_app", world.undo("delete"));
        let once = Limits { deadline: Duration::from_secs(60), attempts: 1 };
        Ok(json!(run.step_within("create_app", once, world.call("create")).await?))
    }));
    fixture.answers("create", [Err(Setback::retry("timed out"))]);
    let until = fixture.clock.now() + Duration::from_secs(2);
    assert_eq!(fixture.drive(), Driven::Paused { until });
    let why = Why::Failed { step: "create_app".to_owned(), message: "given up after 1 attempts: timed out".to_owned() };
    assert_eq!(fixture.record().phase, Phase::Unwinding { why });
    assert_eq!(fixture.calls(), ["create"]);
    fixture.clock.advance_to(until);
    assert!(matches!(fixture.drive(), Driven::Ended { .. }));
    assert_eq!(fixture.calls(), ["create", "delete"]);
}

#[test]
fn a_step_that_does_not_answer_is_cut_off_in_time_to_write_that_down() {
    let fixture = Fixture::new(create());
    fixture.hangs("create");
    let began = fixture.clock.now();
    let Driven::Paused { until } = fixture.drive_for(Duration::from_secs(60)) else { panic!("it is tried again") };
    assert_eq!(fixture.clock.now().duration_since(began).as_secs(), 55);
    assert!(until >= fixture.clock.now() + Duration::from_secs(2), "what it did may show late");
    let trying = fixture.record().trying.expect("it is being tried");
    assert_eq!((trying.attempts, trying.said.as_str()), (1, "it had not answered when the worker's time was over"));
}

#[test]
fn no_step_runs_longer_than_the_lease_whatever_time_the_worker_thinks_it_has() {
    let fixture = Fixture::new(create());
    fixture.hangs("create");
    let lease_until = fixture.clock.now() + Duration::from_secs(150);
    fixture.drive_for(Duration::from_secs(900));
    assert!(fixture.clock.now() < lease_until, "{}", fixture.clock.now());
}

#[test]
fn steps_share_the_time_of_one_invocation() {
    let fixture = Fixture::new(flow!(|run, world| {
        for _ in 0..10 {
            run.step("wait", world.slow("wait", Duration::from_secs(19))).await?;
        }
        Ok(Value::Null)
    }));
    assert!(matches!(fixture.drive(), Driven::Paused { .. }));
    assert_eq!(fixture.calls().len(), 5, "a sixth would have begun with less than 30 s left");
    assert_eq!(fixture.record().claims, 0);
    assert!(matches!(fixture.drive_on(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
    assert_eq!(fixture.calls().len(), 10);
}

#[test]
fn a_message_as_long_as_a_page_is_shortened() {
    let fixture = Fixture::new(create());
    fixture.answers("create", [Err(Setback::fatal("ü".repeat(100_000)))]);
    let Driven::Ended { outcome: Outcome::Failed { message, .. }, .. } = fixture.drive() else { panic!("it fails") };
    assert!(message.len() < 700 && message.ends_with('…'), "{}", message.len());
}
