//! Suspects, repairs and the brake, minute by minute.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sim::{Refusal, Verdict};
use domain::{Instance, State};
use jiff::SignedDuration;
use sweep::Minute;

use crate::support::{Bench, Fleet, Mood};

/// How many of these are being repaired.
async fn repairing(fleet: &Fleet, instances: &[Instance]) -> usize {
    let mut count = 0;
    for instance in instances {
        count += usize::from(fleet.bench.again(instance).await.state == State::Repairing);
    }
    count
}

#[tokio::test]
async fn three_misses_in_three_minutes_are_repaired_by_the_next_sweep_and_not_before() {
    let fleet = Fleet::new().await;
    let all = fleet.of("fra", 10).await;
    fleet.set(&all[..1], Mood::Phase("not_ready"));
    for minute in 1..=3 {
        let round = fleet.round().await;
        assert_eq!((round.minute.repairs, round.checked.missed), (0, 1), "minute {minute}");
        assert_eq!(fleet.misses(&all[0]).await, minute);
    }
    assert!(fleet.bench.take(Bench::FLOWS).await.is_empty());
    assert_eq!(fleet.round().await.minute, Minute { shards: 16, repairs: 1, ..Minute::default() });
    let repaired = fleet.bench.again(&all[0]).await;
    let run = flows::run_id(&repaired.organisation, &repaired.operation.expect("a run owns it"));
    assert_eq!(repaired.state, State::Repairing);
    assert_eq!(fleet.bench.take(Bench::FLOWS).await, [run.0], "its message was sent");
    let round = fleet.round().await;
    assert_eq!((round.checked.missed, round.checked.well), (0, 9), "whom a run owns nobody asks");
    assert_eq!(repairing(&fleet, &all).await, 1);
    assert!(fleet.bench.alarms().is_empty());
}

#[tokio::test]
async fn a_suspect_that_answers_before_the_sweep_is_left_alone() {
    let fleet = Fleet::new().await;
    let all = fleet.of("fra", 10).await;
    fleet.set(&all[..1], Mood::Page(502));
    fleet.rounds(3).await;
    fleet.set(&all[..1], Mood::Well);
    fleet.check(fleet.bench.minute()).await;
    assert_eq!(fleet.round().await.minute.repairs, 0);
    assert_eq!(fleet.bench.again(&all[0]).await.state, State::Running);
}

#[tokio::test]
async fn at_most_one_in_a_hundred_is_repaired_in_a_minute_and_at_least_one() {
    let fleet = Fleet::new().await;
    let (small, large) = (fleet.of("fra", 30).await, fleet.of("ams", 177).await);
    fleet.suspect(small[..3].iter().chain(&large[..4])).await;
    let mut repairs = Vec::new();
    for _ in 0..5 {
        repairs.push(fleet.sweep().await.repairs);
    }
    // Whom a run owns is not of the fleet for that time.
    assert_eq!(repairs, [2, 2, 2, 1, 0], "two of more than 200 a minute");
    let sent: BTreeSet<_> = fleet.bench.take(Bench::FLOWS).await.into_iter().collect();
    assert_eq!(sent.len(), 7, "each with a run of its own; one that nobody works on is sent again");
    assert!(fleet.bench.store.incident().await.unwrap().is_none(), "three of thirty are no incident");
}

/// EventBridge delivers an event at least once.
#[tokio::test]
async fn an_event_that_comes_again_starts_no_second_batch() {
    let fleet = Fleet::new().await;
    let all = fleet.of("fra", 120).await;
    fleet.suspect(&all[..6]).await;
    let scheduled = fleet.bench.now();
    let (one, other) = tokio::join!(fleet.sweep.minute(scheduled), fleet.sweep.minute(scheduled));
    assert_eq!(one.unwrap().repairs + other.unwrap().repairs, 1, "at the same time");
    fleet.bench.advance(5);
    assert_eq!(fleet.sweep.minute(scheduled).await.unwrap().repairs, 0, "a little later");
    fleet.bench.advance(55);
    let minutes = [fleet.bench.now(), scheduled, fleet.bench.now()];
    let mut repairs = Vec::new();
    for minute in minutes {
        repairs.push(fleet.sweep.minute(minute).await.unwrap().repairs);
    }
    assert_eq!(repairs, [1, 0, 0], "late, in the next minute: one batch for both");
    fleet.bench.advance(60);
    let early = fleet.bench.now() + SignedDuration::from_secs(61);
    assert_eq!(fleet.sweep.minute(fleet.bench.now()).await.unwrap().repairs, 1);
    fleet.bench.advance(59);
    assert_eq!(fleet.sweep.minute(early).await.unwrap().repairs, 1, "a clock that is behind the schedule's loses no minute");
    assert_eq!(repairing(&fleet, &all).await, 4);
}

/// The answer is lost, the SDK asks again, and the second try meets what the first one wrote.
#[tokio::test]
async fn a_batch_whose_taking_was_not_answered_is_started() {
    let fleet = Fleet::new().await;
    let all = fleet.of("fra", 10).await;
    fleet.suspect(&all[..1]).await;
    let lost = AtomicBool::new(false);
    fleet.bench.sim.set_fault(move |call| match call.operation {
        "UpdateItem" if call.body.to_string().contains("REPAIRS") && !lost.swap(true, Ordering::SeqCst) => Verdict::LoseAnswer,
        _ => Verdict::Pass,
    });
    assert_eq!(fleet.sweep().await.repairs, 1);
}

/// The trouble began between the checks of two shards: one shard's instances have three misses a minute before the others.
#[tokio::test]
async fn the_first_suspects_of_a_region_that_goes_down_are_not_restarted() {
    let fleet = Fleet::new().await;
    let (down, _up) = (fleet.of("fra", 10).await, [fleet.of("ams", 10).await, fleet.of("iad", 10).await]);
    fleet.set(&down[..1], Mood::Page(502));
    fleet.round().await;
    fleet.set(&down[..4], Mood::Page(502));
    fleet.rounds(2).await;
    let round = fleet.round().await;
    assert_eq!((round.minute.repairs, fleet.bench.alarms()), (0, Vec::new()), "one suspect, and three that miss with it");
    assert_eq!((fleet.round().await.minute.repairs, fleet.bench.alarms()), (0, vec!["provider_incident".to_owned()]));
    assert_eq!(repairing(&fleet, &down).await, 0);
}

#[tokio::test]
async fn a_fleet_of_a_few_is_repaired_one_a_minute() {
    let fleet = Fleet::new().await;
    let all = fleet.of("fra", 2).await;
    fleet.set(&all, Mood::Page(502));
    fleet.rounds(3).await;
    assert_eq!(fleet.round().await.minute.repairs, 1, "two of two are no incident: it takes three");
    assert_eq!(fleet.round().await.minute.repairs, 1);
}

#[tokio::test]
async fn a_region_that_is_down_is_not_restarted_and_those_concerned_are_told_once() {
    let fleet = Fleet::new().await;
    let (down, up) = (fleet.of("fra", 10).await, [fleet.of("ams", 10).await, fleet.of("iad", 10).await].concat());
    // Three of ten in one region, and one of ten in another.
    fleet.set(down[..3].iter().chain(&up[..1]), Mood::Page(502));
    fleet.rounds(3).await;
    fleet.bench.alarms();

    let round = fleet.round().await;
    assert_eq!(round.minute.repairs, 1, "the other region's own trouble is repaired");
    assert_eq!(fleet.bench.again(&up[0]).await.state, State::Repairing);
    assert_eq!(fleet.bench.alarms(), ["provider_incident"]);
    let incident = fleet.bench.store.incident().await.unwrap().expect("it is open");
    assert_eq!((incident.regions.iter().map(|region| region.code()).collect::<Vec<_>>(), incident.ours), (vec!["fra"], false));

    for _ in 0..6 {
        assert_eq!(fleet.round().await.minute.repairs, 0);
    }
    assert_eq!(repairing(&fleet, &down).await, 0, "nothing in it is restarted, however long it lasts");
    assert!(fleet.bench.alarms().is_empty(), "one alarm");

    let notices = fleet.bench.store.undelivered(fleet.bench.now() + SignedDuration::from_hours(1), 100).await.unwrap();
    assert_eq!(notices.len(), 3, "{notices:?}");
    for instance in &down[..3] {
        let told: Vec<_> = notices.iter().filter(|notice| notice.instance == instance.id).collect();
        assert_eq!(told.len(), 1, "one each");
        assert_eq!((told[0].organisation, &*told[0].event), (instance.organisation, "provider_incident"));
    }
    let sent = fleet.bench.take(Bench::NOTICES).await;
    assert!(notices.iter().all(|notice| sent.iter().any(|cause| notice.id == format!("{cause}-0"))), "{sent:?}");
}

#[tokio::test]
async fn an_incident_closes_after_five_quiet_minutes_and_repairs_resume_one_by_one() {
    let fleet = Fleet::new().await;
    let (down, _up) = (fleet.of("fra", 10).await, [fleet.of("ams", 5).await, fleet.of("iad", 5).await]);
    fleet.set(&down[..5], Mood::Page(502));
    fleet.rounds(4).await;
    assert!(fleet.bench.store.incident().await.unwrap().is_some());
    // Three of the five come back by themselves; two are too few to be the region's trouble.
    fleet.set(&down[..3], Mood::Well);
    fleet.round().await;
    for quiet in 1..5 {
        assert_eq!(fleet.round().await.minute.repairs, 0, "quiet minute {quiet}");
        assert!(fleet.bench.store.incident().await.unwrap().is_some(), "quiet minute {quiet}");
    }
    assert_eq!(fleet.round().await.minute.repairs, 1);
    assert!(fleet.bench.store.incident().await.unwrap().is_none());
    assert_eq!(fleet.round().await.minute.repairs, 1, "staggered");
    assert_eq!(repairing(&fleet, &down).await, 2);
    assert_eq!(fleet.bench.alarms(), ["provider_incident"]);
}

#[tokio::test]
async fn most_regions_at_once_are_our_own_fault_and_nothing_is_restarted_anywhere() {
    let fleet = Fleet::new().await;
    let (fra, ams, iad) = (fleet.of("fra", 4).await, fleet.of("ams", 4).await, fleet.of("iad", 4).await);
    fleet.set(fra.iter().chain(&ams).chain(&iad[..1]), Mood::Page(503));
    fleet.rounds(3).await;
    for _ in 0..3 {
        assert_eq!(fleet.round().await.minute.repairs, 0);
    }
    assert!(fleet.bench.store.incident().await.unwrap().is_some_and(|incident| incident.ours));
    assert_eq!(fleet.bench.alarms(), ["provider_incident"], "one alarm");
    assert_eq!(repairing(&fleet, &iad).await, 0, "not even where only one is concerned");
    fleet.set(fra.iter().chain(&ams).chain(&iad), Mood::Well);
    fleet.rounds(7).await;
    assert!(fleet.bench.store.incident().await.unwrap().is_none(), "and it is over by itself");
    assert_eq!(repairing(&fleet, &[fra, ams, iad].concat()).await, 0);
}

/// A minute in which the store fails half-way takes neither the alarm nor a notice with it.
#[tokio::test]
async fn what_one_minute_could_not_tell_the_next_one_tells() {
    let fleet = Fleet::new().await;
    let (down, _up) = (fleet.of("fra", 4).await, [fleet.of("ams", 4).await, fleet.of("iad", 4).await]);
    fleet.set(&down, Mood::Page(502));
    fleet.rounds(3).await;
    let unlucky = format!("{}.incident", down[0].organisation);
    fleet.bench.sim.set_fault(move |call| {
        let its_notice = call.operation == "PutItem" && call.body.to_string().contains(&unlucky);
        if its_notice { Verdict::Refuse(Refusal::Throttled) } else { Verdict::Pass }
    });
    let error = fleet.sweep.minute(fleet.bench.now()).await.expect_err("one notice was not recorded");
    assert_eq!(error.0.len(), 1, "{error}");
    assert_eq!(fleet.bench.alarms(), ["provider_incident"]);
    fleet.bench.sim.clear_fault();
    fleet.bench.advance(60);
    fleet.round().await;
    let told = fleet.bench.store.undelivered(fleet.bench.now(), 100).await.unwrap();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(fleet.bench.alarms().is_empty());
}

/// A sweep that is invoked twice for the same minute, one after the other or at the same time.
#[tokio::test]
async fn two_sweeps_of_one_minute_open_one_incident() {
    let fleet = Fleet::new().await;
    let (down, _up) = (fleet.of("fra", 4).await, [fleet.of("ams", 4).await, fleet.of("iad", 4).await]);
    fleet.set(&down, Mood::Page(502));
    fleet.rounds(3).await;
    let now = fleet.bench.now();
    let (one, other) = tokio::join!(fleet.sweep.minute(now), fleet.sweep.minute(now));
    assert_eq!((one.unwrap().repairs, other.unwrap().repairs), (0, 0));
    fleet.sweep.minute(now).await.unwrap();
    assert_eq!(fleet.bench.alarms(), ["provider_incident"]);
    fleet.bench.advance(60);
    assert_eq!(fleet.bench.store.undelivered(fleet.bench.now(), 100).await.unwrap().len(), 4);
}
