//! The sweep's other parts: overdue runs, notices, and what one failing part leaves to the others.

use aws_sim::{Refusal, Verdict};
use durable::Outcome;
use flows::Announcement;
use flows::health::ShardCheck;
use jiff::SignedDuration;
use sweep::Minute;

use crate::support::{Bench, Fleet};

#[tokio::test]
async fn a_quiet_minute_sends_every_shard_and_writes_nothing() {
    let fleet = Fleet::new().await;
    fleet.of("fra", 3).await;
    fleet.bench.spent();
    let minute = fleet.sweep.minute(fleet.bench.now()).await.unwrap();
    assert_eq!(minute, Minute { shards: 16, ..Minute::default() });
    let spent = fleet.bench.spent();
    assert_eq!((spent.write_units(), spent.calls("sqs.SendMessage")), (0.0, 16), "{spent}");
    let mut checks: Vec<ShardCheck> =
        fleet.bench.take(Bench::HEALTH).await.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    checks.sort_by_key(|check| check.shard);
    let expected: Vec<_> = (0..16).map(|shard| ShardCheck { shard, minute: fleet.bench.minute() }).collect();
    assert_eq!(checks, expected);
}

#[tokio::test]
async fn a_late_or_repeated_event_counts_for_the_minute_it_was_for() {
    let fleet = Fleet::new().await;
    let scheduled = fleet.bench.now();
    fleet.bench.advance(45);
    fleet.sweep.minute(scheduled).await.unwrap();
    let body = fleet.bench.take(Bench::HEALTH).await.remove(0);
    let check: ShardCheck = serde_json::from_str(&body).unwrap();
    assert_eq!(check.minute, scheduled.as_second() / 60);
}

#[tokio::test]
async fn runs_that_lost_their_message_are_woken_less_and_less_often() {
    let fleet = Fleet::new().await;
    let (_, run) = fleet.bench.provisioning("fra").await;
    assert_eq!(fleet.round().await.minute.runs.overdue, 0, "its own message has 15 s to arrive");
    let mut woken = Vec::new();
    for minute in 1..=8 {
        if fleet.round().await.minute.runs.sent == 1 {
            woken.push(minute);
        }
    }
    assert_eq!(woken, [1, 2, 4, 8], "60, 120 and 240 s between them");
    assert_eq!(fleet.bench.take(Bench::FLOWS).await, vec![run.0; 4]);
}

#[tokio::test]
async fn undelivered_notices_are_sent_again_after_a_minute_one_message_for_each_cause() {
    let fleet = Fleet::new().await;
    let (instance, run) = fleet.bench.provisioning("fra").await;
    let said = |event: &str| serde_json::to_value(Announcement::new(instance.id, event, "is so.")).unwrap();
    let failed = Outcome::Failed { step: "create_app".to_owned(), message: "no".to_owned() };
    fleet.bench.end(&run, failed, serde_json::Value::Null, vec![said("instance_ready"), said("instance_degraded")]).await;
    let recorded = fleet.bench.store.notices_of(&run.0).await.unwrap();
    assert!(recorded.len() >= 2, "{recorded:?}");

    fleet.bench.advance(59);
    assert_eq!(fleet.sweep.minute(fleet.bench.now()).await.unwrap().notices, 0, "the runner's own message is on its way");
    fleet.bench.advance(1);
    assert_eq!(fleet.sweep.minute(fleet.bench.now()).await.unwrap().notices, recorded.len());
    assert_eq!(fleet.bench.take(Bench::NOTICES).await, [run.0.as_str()]);
    for (notice, _) in &recorded {
        assert!(fleet.bench.store.delivered(&notice.id).await.unwrap());
    }
    fleet.bench.advance(60);
    assert_eq!(fleet.sweep.minute(fleet.bench.now()).await.unwrap().notices, 0);
}

#[tokio::test]
async fn a_notice_that_nobody_takes_is_sent_less_and_less_often() {
    let fleet = Fleet::new().await;
    let cause = fleet.bench.noted(1).await.remove(0);
    let mut sent = Vec::new();
    for minute in 0..10 {
        if fleet.sweep().await.notices == 1 {
            sent.push(minute);
        }
    }
    assert_eq!(sent, [1, 2, 4, 8], "60, 120 and 240 s between them");
    assert_eq!(fleet.bench.take(Bench::NOTICES).await, vec![cause; 4]);
}

/// As many as one minute sends, and a sink that takes none of them.
#[tokio::test]
async fn notices_that_nobody_takes_do_not_stand_before_those_that_somebody_would() {
    let fleet = Fleet::new().await;
    let stuck = fleet.bench.noted(120).await;
    fleet.bench.advance(60);
    for _ in 0..3 {
        assert!(fleet.sweep().await.notices > 0);
    }
    fleet.bench.take(Bench::NOTICES).await;
    let young = fleet.bench.noted(1).await.remove(0);
    let mut minutes = 0;
    while !fleet.bench.take(Bench::NOTICES).await.contains(&young) {
        assert!(minutes < 3, "it waits behind {} others", stuck.len());
        fleet.sweep().await;
        minutes += 1;
    }
    assert_eq!(fleet.bench.store.undelivered(fleet.bench.now() + SignedDuration::from_hours(2), 1000).await.unwrap().len(), 121);
}

#[tokio::test]
async fn a_notice_is_put_off_by_one_sweep_of_two_and_not_after_its_delivery() {
    let fleet = Fleet::new().await;
    fleet.bench.noted(2).await;
    fleet.bench.advance(60);
    let due = fleet.bench.store.due_notices(fleet.bench.now(), 10).await.unwrap();
    let later = fleet.bench.now() + SignedDuration::from_secs(60);
    assert!(fleet.bench.store.postpone_notice(&due[0], later).await.unwrap());
    assert!(!fleet.bench.store.postpone_notice(&due[0], later).await.unwrap());
    assert!(fleet.bench.store.delivered(&format!("{}-0", due[1].cause)).await.unwrap());
    assert!(!fleet.bench.store.postpone_notice(&due[1], later).await.unwrap(), "or it would be due for ever");
    assert_eq!(fleet.bench.store.due_notices(later, 10).await.unwrap().len(), 1);
}

/// After a restart of the platform on one computer every gateway is still booting: that is no miss.
#[tokio::test]
async fn a_beginning_wakes_runs_and_sends_notices_but_checks_and_repairs_nothing() {
    let fleet = Fleet::new().await;
    let sick = fleet.of("fra", 10).await.remove(0);
    fleet.suspect([&sick]).await;
    let (_, lost) = fleet.bench.provisioning("fra").await;
    let noted = fleet.bench.noted(1).await;
    fleet.bench.advance(60);
    fleet.bench.take(Bench::FLOWS).await;
    let begun = fleet.sweep.begin().await.unwrap();
    assert_eq!((begun.runs.sent, begun.notices, begun.shards, begun.repairs), (1, 1, 0, 0));
    assert_eq!(fleet.bench.take(Bench::FLOWS).await, [lost.0]);
    assert_eq!(fleet.bench.take(Bench::NOTICES).await, noted);
    assert!(fleet.bench.take(Bench::HEALTH).await.is_empty());
}

/// Something overdue, a suspect and an undelivered notice at once; then one part fails at a time.
#[tokio::test]
async fn a_part_that_fails_leaves_the_others_done() {
    let fleet = Fleet::new().await;
    let (told, ended) = fleet.bench.provisioning("fra").await;
    let said = serde_json::to_value(Announcement::new(told.id, "instance_ready", "is so.")).unwrap();
    let failed = Outcome::Failed { step: "create_app".to_owned(), message: "no".to_owned() };
    fleet.bench.end(&ended, failed, serde_json::Value::Null, vec![said]).await;
    let sick = fleet.of("fra", 10).await.remove(0);
    fleet.bench.advance(240);
    fleet.suspect([&sick]).await;
    let (_, lost) = fleet.bench.provisioning("fra").await;
    fleet.bench.advance(60);
    for queue in [Bench::FLOWS, Bench::NOTICES] {
        fleet.bench.take(queue).await;
    }

    // What the store refuses, and what the minute then says is missing.
    let parts = [("RUN#", "overdue runs"), ("NOTICE#", "notices"), ("INCIDENT", "suspects")];
    for (part, complaint) in parts {
        fleet.bench.sim.set_fault(move |call| {
            let concerned = ["Query", "GetItem"].contains(&call.operation) && call.body.to_string().contains(&format!("\"{part}"));
            if concerned { Verdict::Refuse(Refusal::InternalError) } else { Verdict::Pass }
        });
        let error = fleet.sweep.minute(fleet.bench.now()).await.expect_err(part);
        fleet.bench.sim.clear_fault();
        assert_eq!(error.0.len(), 1, "{part}: {error}");
        assert!(error.0[0].starts_with(complaint), "{error}");
        assert_eq!(fleet.bench.take(Bench::HEALTH).await.len(), 16, "{part}");
        let (flows, notices) = (fleet.bench.take(Bench::FLOWS).await, fleet.bench.take(Bench::NOTICES).await);
        if part != "RUN#" {
            assert!(flows.contains(&lost.0), "{part}: {flows:?}");
        }
        if part != "NOTICE#" {
            assert!(notices.contains(&ended.0), "{part}: {notices:?}");
        }
        fleet.bench.advance(240);
    }

    let health = fleet.bench.take(Bench::HEALTH).await;
    assert!(health.is_empty());
    fleet.bench.sim.set_fault(|call| match (call.operation, call.body["QueueUrl"].as_str()) {
        ("SendMessage", Some(url)) if url.ends_with(Bench::HEALTH) => Verdict::Refuse(Refusal::InternalError),
        _ => Verdict::Pass,
    });
    fleet.bench.advance(3600);
    let error = fleet.sweep.minute(fleet.bench.now()).await.expect_err("no shard could be sent");
    fleet.bench.sim.clear_fault();
    assert_eq!(error.0.len(), 16, "{error}");
    assert!(fleet.bench.take(Bench::FLOWS).await.contains(&lost.0));
    assert!(fleet.bench.take(Bench::NOTICES).await.contains(&ended.0));
}

#[tokio::test]
async fn a_repair_that_cannot_be_started_holds_up_no_other() {
    let fleet = Fleet::new().await;
    let all = fleet.of("fra", 200).await;
    fleet.suspect(&all[..2]).await;
    let first = fleet.bench.store.suspects().await.unwrap().remove(0).instance.to_string();
    fleet.bench.sim.set_fault(move |call| {
        let its_own = call.operation == "TransactWriteItems" && call.body.to_string().contains(&first);
        if its_own { Verdict::Refuse(Refusal::InternalError) } else { Verdict::Pass }
    });
    let error = fleet.sweep.minute(fleet.bench.now()).await.expect_err("one repair was not started");
    assert_eq!(error.0.len(), 1, "{error}");
    assert_eq!(fleet.bench.take(Bench::FLOWS).await.len(), 1);
}
