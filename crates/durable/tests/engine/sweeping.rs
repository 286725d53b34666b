//! Rules 2 and 11: a run can lose its worker or its message, never its place.

use std::time::Duration;

use durable::{Clock, Driven, Outcome, SweepReport};
use serde_json::json;

use crate::fixture::{Fixture, Walk, flow, run_1};

fn one_step() -> Walk {
    flow!(|run, world| { Ok(json!(run.step("create_app", world.call("app")).await?)) })
}

fn sweep(fixture: &Fixture) -> SweepReport {
    fixture.clock.block_on(fixture.engine.sweep(10)).expect("a journal in memory never fails")
}

const WOKEN: SweepReport = SweepReport { overdue: 1, sent: 1, overtaken: 0, failed: 0 };

#[test]
fn a_run_whose_first_message_is_lost_is_found_after_fifteen_seconds() {
    let fixture = Fixture::new(one_step());
    fixture.queue.lose_next(1);
    fixture.clock.block_on(fixture.engine.start_sent(&run_1()));
    fixture.clock.advance(Duration::from_secs(14));
    assert_eq!(sweep(&fixture), SweepReport::default());
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(sweep(&fixture), WOKEN);
    assert_eq!(fixture.queue.take_due(), [run_1()]);
    assert!(matches!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
}

#[test]
fn a_run_whose_worker_died_is_found_when_its_lease_ends() {
    let fixture = Fixture::new(one_step());
    fixture.hangs("app");
    let until = fixture.clock.now() + Duration::from_secs(120);
    let id = run_1();
    let mut drive = Box::pin(fixture.engine.drive(&id, until));
    assert!(futures::FutureExt::now_or_never(&mut drive).is_none(), "it hangs in its step");
    drop(drive);
    fixture.works_again("app");
    fixture.clock.advance(Duration::from_secs(149));
    assert_eq!((sweep(&fixture), fixture.drive()), (SweepReport::default(), Driven::NotMine));
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(sweep(&fixture), WOKEN);
    assert!(matches!(fixture.drive(), Driven::Ended { outcome: Outcome::Succeeded, .. }));
}

#[test]
fn a_run_that_nobody_claims_is_woken_ever_more_seldom() {
    let fixture = Fixture::new(one_step());
    let began = fixture.clock.now();
    let mut woken = Vec::new();
    for _ in 0..8 * 60 {
        fixture.clock.advance(Duration::from_secs(60));
        if sweep(&fixture).sent == 1 {
            woken.push(fixture.clock.now().duration_since(began).as_secs() / 60);
        }
    }
    // After 1 minute, then 1, 2, 4, 8, 16, 32 minutes later, and every hour from there on.
    assert_eq!(woken, [1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304, 364, 424]);
}

#[test]
fn a_claim_brings_the_wake_ups_close_together_again() {
    let fixture = Fixture::new(one_step());
    for _ in 0..70 {
        fixture.clock.advance(Duration::from_secs(60));
        sweep(&fixture);
    }
    assert!(fixture.record().wakes > 5);
    fixture.answers("app", [Err(durable::Setback::not_yet(5, "soon"))]);
    fixture.drive();
    assert_eq!(fixture.record().wakes, 0);
}

#[test]
fn the_move_is_written_before_the_message_is_sent() {
    let fixture = Fixture::new(one_step());
    fixture.clock.advance(Duration::from_secs(15));
    fixture.queue.fail_next(1);
    assert_eq!(sweep(&fixture), SweepReport { overdue: 1, sent: 0, overtaken: 0, failed: 1 });
    let record = fixture.record();
    assert_eq!((record.overdue_at, record.wakes), (Some(fixture.clock.now() + Duration::from_secs(60)), 1));
}

#[test]
fn two_sweeps_at_once_send_one_message() {
    let fixture = Fixture::new(one_step());
    fixture.clock.advance(Duration::from_secs(15));
    sweep(&fixture);
    sweep(&fixture);
    assert_eq!(fixture.delays(), [0]);
}

#[test]
fn a_sweep_wakes_at_most_so_many() {
    let fixture = Fixture::new(one_step());
    for run in 0..5 {
        let id = durable::RunId(format!("run_more_{run}"));
        fixture.journal.start(durable::NewRun { id, ..crate::fixture::new_run() }, fixture.clock.now());
    }
    fixture.clock.advance(Duration::from_secs(15));
    let report = fixture.clock.block_on(fixture.engine.sweep(4)).expect("a journal in memory never fails");
    assert_eq!((report.overdue, report.sent), (4, 4));
    assert_eq!(sweep(&fixture).sent, 2, "the next sweep finds the rest");
}
