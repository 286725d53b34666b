//! One shard at a time: what a check writes, and when.

use std::time::Duration;

use aws_sim::{Refusal, Verdict};
use domain::{Placement, State, Verb};
use durable::Outcome;
use flows::Ask;
use health_checker::{Checked, HealthCheckerError, Probe};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Bench, Fleet, Mood, checks};

#[tokio::test]
async fn a_healthy_fleet_is_asked_once_a_minute_each_and_nothing_is_written() {
    let fleet = Fleet::new().await;
    fleet.of("fra", 12).await;
    fleet.bench.spent();
    for _ in 0..3 {
        assert_eq!(fleet.check(fleet.bench.minute()).await, Checked { well: 12, missed: 0, written: 0, ..Checked::default() });
        let spent = fleet.bench.spent();
        assert_eq!((spent.write_units(), spent.total_calls()), (0.0, 16), "one query for each shard\n{spent}");
        assert_eq!(spent.calls("dynamodb.Query"), 16, "{spent}");
        let checks = fleet.supervisors.checks();
        assert!(checks.len() == 12 && checks.values().all(|times| *times == 1), "{checks:?}");
        fleet.bench.advance(60);
    }
}

#[tokio::test]
async fn everything_but_a_supervisor_that_says_ready_is_a_miss() {
    let fleet = Fleet::new().await;
    let moods = [
        Mood::Phase("starting"),
        Mood::Phase("not_ready"),
        Mood::Phase("backing_off"),
        Mood::Phase("refused"),
        Mood::Page(200),
        Mood::Page(302),
        Mood::Page(404),
        Mood::Page(502),
    ];
    let sick = fleet.of("fra", moods.len()).await;
    for (instance, mood) in sick.iter().zip(moods) {
        fleet.set([instance], mood);
    }
    assert_eq!(fleet.check(fleet.bench.minute()).await, Checked { well: 0, missed: 8, written: 8, ..Checked::default() });
    for instance in &sick {
        assert_eq!(fleet.misses(instance).await, 1);
    }
}

#[tokio::test]
async fn a_miss_counts_once_a_minute_however_often_late_or_out_of_order_it_is_checked() {
    let fleet = Fleet::new().await;
    let sick = fleet.of("fra", 1).await.remove(0);
    fleet.set([&sick], Mood::Page(502));
    let now = fleet.bench.minute();
    for _ in 0..3 {
        fleet.check(now).await;
        assert_eq!(fleet.misses(&sick).await, 1, "duplicates");
    }
    fleet.bench.advance(60);
    fleet.check(now + 1).await;
    fleet.check(now).await;
    fleet.check(now + 1).await;
    assert_eq!(fleet.misses(&sick).await, 2, "the earlier minute's came late, and again");
    let copies = tokio::join!(fleet.check(now + 1), fleet.check(now + 1));
    assert_eq!((copies.0.missed, copies.1.missed), (1, 1));
    assert_eq!(fleet.misses(&sick).await, 2, "two copies at the same time");

    fleet.bench.advance(60);
    fleet.check(now + 2).await;
    assert_eq!(fleet.misses(&sick).await, 3);
    fleet.bench.advance(60);
    fleet.bench.spent();
    assert_eq!(fleet.check(now + 3).await, Checked { well: 0, missed: 1, written: 0, ..Checked::default() }, "three are as many as count");
    assert_eq!(fleet.bench.spent().write_units(), 0.0);
    let suspects = fleet.bench.store.suspects().await.unwrap();
    assert_eq!(suspects.iter().map(|suspect| suspect.instance).collect::<Vec<_>>(), [sick.id]);
}

#[tokio::test]
async fn two_misses_are_no_suspect_and_an_answer_takes_them_back() {
    let fleet = Fleet::new().await;
    let instance = fleet.of("fra", 1).await.remove(0);
    for mood in [Mood::Page(502), Mood::Page(502), Mood::Well] {
        fleet.set([&instance], mood);
        fleet.check(fleet.bench.minute()).await;
        fleet.bench.advance(60);
    }
    assert_eq!(fleet.misses(&instance).await, 0);
    fleet.set([&instance], Mood::Page(502));
    for _ in 0..2 {
        fleet.check(fleet.bench.minute()).await;
        fleet.bench.advance(60);
    }
    assert!(fleet.bench.store.suspects().await.unwrap().is_empty(), "it is three in a row, not three in all");
    assert_eq!(fleet.misses(&instance).await, 2);
}

/// Whoever was not looked at in between may have been well all the time.
#[tokio::test]
async fn misses_between_which_checks_were_lost_are_not_in_a_row() {
    let fleet = Fleet::new().await;
    let instance = fleet.of("fra", 1).await.remove(0);
    fleet.set([&instance], Mood::Page(502));
    for (minutes, misses) in [(0, 1), (1, 2), (60, 1), (2, 2), (3, 1), (1, 2), (2, 3)] {
        fleet.bench.advance(minutes * 60);
        fleet.check(fleet.bench.minute()).await;
        assert_eq!(fleet.misses(&instance).await, misses, "after {minutes} minutes");
        assert_eq!(fleet.bench.store.suspects().await.unwrap().len(), usize::from(misses == 3));
    }
}

#[tokio::test]
async fn a_check_that_is_not_of_this_minute_is_dropped_without_a_look() {
    let fleet = Fleet::new().await;
    let sick = fleet.of("fra", 1).await.remove(0);
    fleet.set([&sick], Mood::Page(502));
    let minute = fleet.bench.minute();
    fleet.bench.advance(61);
    fleet.bench.spent();
    for stale in [minute, minute - 1, 0, i64::MIN, i64::MAX, minute + 2, minute + 3] {
        assert_eq!(fleet.check(stale).await, Checked::default(), "{stale}");
    }
    assert_eq!(fleet.bench.spent().total_calls(), 0);
    assert!(fleet.supervisors.checks().is_empty());
    assert_eq!(fleet.misses(&sick).await, 0);
    assert_eq!(fleet.check(minute + 1).await.missed, 1, "one that is 1 s old is of use");
    fleet.bench.advance(59);
    assert_eq!(fleet.check(minute + 1).await.missed, 1, "and one of 60 s still is");
}

#[tokio::test]
async fn a_message_that_is_no_check_fails() {
    let fleet = Fleet::new().await;
    for body in ["", "{}", "org_1.op_1", r#"{"shard":"1","minute":2}"#, r#"{"shard":-1,"minute":2}"#] {
        let refused = fleet.checker.handle(body).await;
        assert!(matches!(refused, Err(HealthCheckerError::NotACheck(_))), "{body}: {refused:?}");
    }
}

#[tokio::test]
async fn instances_that_are_stopped_or_that_a_run_owns_are_not_asked() {
    let fleet = Fleet::new().await;
    let all = fleet.of("fra", 3).await;
    let ask = async |place: usize, verb| {
        let instance: &domain::Instance = &all[place];
        let asked = fleet.bench.store.ask(&instance.organisation, &instance.id, Ask::new(verb), None).await.unwrap();
        asked.record.unwrap().id
    };
    let stop = ask(0, Verb::Stop).await;
    fleet.bench.end(&stop, Outcome::Succeeded, json!({ "state": "stopped", "trouble": null }), Vec::new()).await;
    ask(1, Verb::Restart).await;
    fleet.bench.provisioning("fra").await;
    fleet.set(&all, Mood::Page(502));
    assert_eq!(fleet.check(fleet.bench.minute()).await, Checked { well: 0, missed: 1, written: 1, ..Checked::default() });
    let checked: Vec<_> = fleet.supervisors.checks().into_keys().collect();
    assert_eq!(checked, [fleet.bench.deployment.app(&all[2].id)]);
}

#[tokio::test]
async fn a_degraded_instance_is_running_again_as_soon_as_it_answers() {
    let fleet = Fleet::new().await;
    let instance = fleet.of("fra", 1).await.remove(0);
    let ask = Ask::new(Verb::Restart);
    let restart = fleet.bench.store.ask(&instance.organisation, &instance.id, ask, None).await.unwrap().record.unwrap();
    let degraded = json!({ "state": "degraded", "trouble": "it does not answer" });
    fleet.bench.end(&restart.id, Outcome::Succeeded, degraded, Vec::new()).await;

    fleet.set([&instance], Mood::Page(502));
    fleet.bench.spent();
    for _ in 0..4 {
        assert_eq!(fleet.check(fleet.bench.minute()).await, Checked { missed: 1, degraded: 1, ..Checked::default() });
        fleet.bench.advance(60);
    }
    assert_eq!(fleet.bench.spent().write_units(), 0.0, "it is in a person's hands already");
    assert!(fleet.bench.store.suspects().await.unwrap().is_empty());

    fleet.set([&instance], Mood::Well);
    assert_eq!(fleet.check(fleet.bench.minute()).await, Checked { well: 1, missed: 0, written: 1, ..Checked::default() });
    let well = fleet.bench.again(&instance).await;
    assert_eq!((well.state, well.trouble), (State::Running, None));
}

/// Virtual time: whatever waits for an answer waits for its time-out alone.
#[tokio::test(start_paused = true)]
async fn black_holes_cost_one_time_out_together() {
    let fleet = Fleet::new().await;
    let holes = fleet.of("fra", 40).await;
    fleet.set(&holes, Mood::BlackHole);
    let began = Instant::now();
    assert_eq!(fleet.check(fleet.bench.minute()).await.missed, 40);
    let took = began.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_millis(5100)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_black_hole_holds_up_nobody_else() {
    let mut fleet = Fleet::new().await;
    fleet.checker.probe = Probe::new().unwrap().within(Duration::from_secs(2));
    let (holes, well) = (fleet.of("fra", 8).await, fleet.of("fra", 8).await);
    fleet.set(&holes, Mood::BlackHole);
    let checked = fleet.check(fleet.bench.minute()).await;
    assert_eq!((checked.well, checked.missed), (8, 8));
    for instance in &well {
        assert_eq!(fleet.misses(instance).await, 0);
    }
}

/// The shard's message comes again only when its minute is over, so one item that cannot be written must not cost the others theirs.
#[tokio::test]
async fn a_miss_that_cannot_be_written_fails_the_message_and_loses_no_other() {
    let fleet = Fleet::new().await;
    let sick = fleet.of("fra", 30).await;
    fleet.set(&sick, Mood::Page(502));
    let unlucky = sick[0].id.to_string();
    fleet.bench.sim.set_fault(move |call| {
        let its_own = call.operation == "UpdateItem" && call.body.to_string().contains(&unlucky);
        if its_own { Verdict::Refuse(Refusal::Throttled) } else { Verdict::Pass }
    });
    let minute = fleet.bench.minute();
    let mut failed = 0;
    for body in checks(minute) {
        failed += usize::from(fleet.checker.handle(&body).await.is_err());
    }
    assert_eq!(failed, 1);
    fleet.bench.sim.clear_fault();
    for (place, instance) in sick.iter().enumerate() {
        assert_eq!(fleet.misses(instance).await, u8::from(place > 0));
    }
    assert_eq!(fleet.check(minute).await.missed, 30, "delivered again within its minute");
    assert_eq!(fleet.misses(&sick[0]).await, 1);
}

/// Virtual time: an answer that waits unread for another's write would count as late.
#[tokio::test(start_paused = true)]
async fn misses_are_written_side_by_side() {
    let fleet = Fleet::new().await;
    let holes = fleet.of("fra", 40).await;
    fleet.set(&holes, Mood::BlackHole);
    fleet.bench.sim.set_fault(|call| match call.operation {
        "UpdateItem" => Verdict::Slow(Duration::from_secs(1)),
        _ => Verdict::Pass,
    });
    let began = Instant::now();
    assert_eq!(fleet.check(fleet.bench.minute()).await.missed, 40);
    let took = began.elapsed();
    assert!((Duration::from_secs(6)..Duration::from_millis(6500)).contains(&took), "one time-out and one slow write: {took:?}");
}

#[tokio::test]
async fn an_address_that_nobody_can_ask_is_a_miss() {
    let fleet = Fleet::new().await;
    for address in ["http://127.0.0.1:1", "http://", "not an address"] {
        let (instance, run) = fleet.bench.provisioning("fra").await;
        let placement = Placement {
            region: instance.preferred_region(),
            app: "app".to_owned(),
            machine: "m".to_owned(),
            volume: "v".to_owned(),
            generation: 1,
            address: address.to_owned(),
        };
        fleet.bench.end(&run, Outcome::Succeeded, serde_json::to_value(placement).unwrap(), Vec::new()).await;
        fleet.check(fleet.bench.minute()).await;
        assert_eq!(fleet.misses(&instance).await, 1, "{address}");
    }
    assert!(fleet.bench.take(Bench::FLOWS).await.is_empty(), "a checker starts nothing");
}
