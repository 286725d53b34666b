//! Rules 4 and 5: the journal is walked from the top, by place and name; a fresh step asks before it runs.

use std::time::Duration;

use durable::{Act, Clock, Driven, Flow, Outcome, Phase, Run, Setback, Unknown};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Walk, World, flow, new_run};

fn parked(driven: &Driven) -> &str {
    let Driven::Parked { why } = driven else { panic!("{driven:?}") };
    why
}

fn two_steps() -> Walk {
    flow!(|run, world| {
        let one = run.step("create_app", world.call("app")).await?;
        let two = run.step("create_volume", world.call("volume")).await?;
        Ok(json!([one, two]))
    })
}

/// A run that has done `create_app` and waits in `create_volume`.
fn half_way() -> Fixture {
    let fixture = Fixture::new(two_steps());
    fixture.answers("volume", [Err(Setback::not_yet(5, "soon"))]);
    assert!(matches!(fixture.drive(), Driven::Paused { .. }));
    fixture.clock.advance(Duration::from_secs(5));
    fixture
}

#[test]
fn a_recorded_step_is_not_done_again_and_gives_its_recorded_value() {
    let fixture = half_way();
    fixture.edit(|record| record.journal[0].result = json!(41));
    assert!(matches!(fixture.drive(), Driven::Ended { .. }));
    assert_eq!(fixture.calls(), ["app", "volume", "volume"]);
    assert_eq!(fixture.journal.endings()[0].1.value, json!([41, 1]));
}

#[test]
fn steps_of_one_name_keep_their_own_values() {
    let fixture = Fixture::new(flow!(|run, world| {
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(run.step("look", world.call("look")).await?);
        }
        run.step("wait", world.call("wait")).await?;
        Ok(json!(all))
    }));
    fixture.answers("wait", [Err(Setback::not_yet(1, "soon"))]);
    fixture.drive_on();
    assert_eq!(fixture.journal.endings()[0].1.value, json!([0, 1, 2]));
}

#[test]
fn a_step_under_another_name_parks_the_run_and_touches_nothing() {
    let fixture = half_way();
    let other = fixture.met_by(flow!(|run, world| {
        run.undo("delete_network", world.undo("delete_network"));
        run.step("create_network", world.call("network")).await?;
        Ok(Value::Null)
    }));
    let driven = fixture.drive_with(&other, Duration::from_secs(120));
    assert!(parked(&driven).contains("create_network") && parked(&driven).contains("create_app"), "{driven:?}");
    assert_eq!(fixture.calls(), ["app", "volume"]);
    assert_eq!(fixture.record().overdue_at, None);
}

#[test]
fn the_same_steps_in_another_order_park_the_run() {
    let fixture = half_way();
    let other = fixture.met_by(flow!(|run, world| {
        run.step("create_volume", world.call("volume")).await?;
        run.step("create_app", world.call("app")).await?;
        Ok(Value::Null)
    }));
    parked(&fixture.drive_with(&other, Duration::from_secs(120)));
    assert_eq!(fixture.calls(), ["app", "volume"]);
}

#[test]
fn a_commit_is_not_mistaken_for_a_step_of_its_name() {
    let fixture = half_way();
    fixture.edit(|record| record.journal[0].act = Act::Commit);
    parked(&fixture.drive());
    assert_eq!(fixture.calls(), ["app", "volume"]);
}

#[test]
fn another_step_than_the_one_being_tried_parks_the_run() {
    let fixture = half_way();
    let other = fixture.met_by(flow!(|run, world| {
        run.step("create_app", world.call("app")).await?;
        run.step("create_machine", world.call("machine")).await?;
        Ok(Value::Null)
    }));
    let driven = fixture.drive_with(&other, Duration::from_secs(120));
    assert!(parked(&driven).contains("create_machine") && parked(&driven).contains("create_volume"), "{driven:?}");
    assert_eq!(fixture.calls(), ["app", "volume"]);
}

#[test]
fn a_flow_that_ends_before_its_recorded_steps_parks() {
    let fixture = half_way();
    let shorter = fixture.met_by(flow!(|_run, _world| { Ok(Value::Null) }));
    let driven = fixture.drive_with(&shorter, Duration::from_secs(120));
    assert!(parked(&driven).contains("create_app"), "{driven:?}");
    assert!(fixture.journal.endings().is_empty());
}

#[test]
fn a_recorded_value_of_another_form_parks_the_run() {
    let fixture = half_way();
    fixture.edit(|record| record.journal[0].result = json!({ "app": "rp-1" }));
    let driven = fixture.drive();
    assert!(parked(&driven).contains("create_app") && parked(&driven).contains("cannot be read"), "{driven:?}");
}

#[test]
fn a_flow_that_swallows_an_interruption_does_nothing_more() {
    async fn stubborn<'a>(run: &mut Run<'a>, world: &'a World) -> Flow<Value> {
        let first = run.step("create_app", world.call("app")).await;
        run.undo("delete_volume", world.undo("delete_volume"));
        let second = run.step("create_volume", world.call("volume")).await;
        run.notify("ready");
        let third = run.commit("in_service").await;
        Ok(json!([first.is_ok(), second.is_ok(), third.is_ok()]))
    }
    let fixture = Fixture::new(flow!(|run, world| { stubborn(run, world).await }));
    fixture.answers("app", [Err(Setback::not_yet(5, "soon"))]);
    assert!(matches!(fixture.drive(), Driven::Paused { .. }));
    assert_eq!(fixture.calls(), ["app"]);
    assert!(!fixture.record().committed && fixture.record().journal.is_empty());
}

#[test]
fn a_fresh_step_is_not_begun_with_too_little_time_left() {
    let fixture = Fixture::new(two_steps());
    assert_eq!(fixture.drive_for(Duration::from_secs(29)), Driven::Paused { until: fixture.clock.now() });
    assert!(fixture.calls().is_empty());
    assert_eq!(fixture.delays(), [0], "it goes on at once, in another invocation");
    assert!(matches!(fixture.drive_for(Duration::from_secs(30)), Driven::Ended { .. }));
}

#[test]
fn a_result_beyond_four_kilobytes_parks_the_run() {
    let fixture = Fixture::new(flow!(|run, world| {
        run.step("create_app", async { world.call("app").await.map(|_| "x".repeat(5000)) }).await?;
        Ok(Value::Null)
    }));
    let driven = fixture.drive();
    assert!(parked(&driven).contains("create_app") && parked(&driven).contains("5002 bytes"), "{driven:?}");
    assert!(fixture.record().journal.is_empty());
}

#[test]
fn a_run_beyond_128_kilobytes_parks_before_the_effect() {
    let fixture = Fixture::new(flow!(|run, world| {
        for _ in 0..1000 {
            run.step("collect", async { world.call("collect").await.map(|_| "x".repeat(4000)) }).await?;
        }
        Ok(Value::Null)
    }));
    let driven = fixture.drive();
    assert!(parked(&driven).contains("too large"), "{driven:?}");
    assert_eq!(fixture.calls().len(), fixture.record().journal.len(), "every effect that happened is recorded");
    let stored = serde_json::to_vec(&fixture.record()).expect("a record is JSON").len();
    assert!((120_000..=131_072).contains(&stored), "{stored}");
}

#[test]
fn a_resumed_large_run_counts_what_it_already_holds() {
    let fixture = half_way();
    fixture.edit(|record| record.plan = Value::Null);
    fixture.edit(|record| record.subject = "x".repeat(128 * 1024));
    assert!(parked(&fixture.drive()).contains("too large"));
    assert_eq!(fixture.calls(), ["app", "volume"]);
}

#[test]
fn a_run_of_an_unknown_version_is_left_for_newer_code() {
    let fixture = Fixture::new(two_steps());
    fixture.edit(|record| record.version = 2);
    for _ in 0..20 {
        assert_eq!(fixture.drive(), Driven::UnknownVersion);
    }
    let record = fixture.record();
    assert_eq!((record.phase, record.lease_until, record.not_before), (Phase::Running, None, None), "newer code may claim it at once");
    assert_eq!(record.overdue_at, Some(fixture.clock.now() + Duration::from_secs(45)));
    assert!(fixture.delays().is_empty() && fixture.calls().is_empty());
    fixture.edit(|record| record.version = 1);
    assert!(matches!(fixture.drive(), Driven::Ended { .. }));
}

#[test]
fn a_plan_that_cannot_be_read_parks_the_run() {
    let fixture = Fixture::new(two_steps());
    fixture.edit(|record| record.plan = json!({ "size": "huge" }));
    let driven = fixture.drive();
    assert_eq!(parked(&driven), Unknown::Plan("it is not null".to_owned()).to_string());
}

#[test]
fn a_flow_knows_its_run() {
    let fixture = Fixture::new(flow!(|run, _world| { Ok(json!([run.id(), run.subject(), run.created_at()])) }));
    let began = fixture.clock.now();
    assert_eq!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, follow_up: None });
    assert_eq!(fixture.journal.endings()[0].1.value, json!([new_run().id, "ins_1", began]));
}
