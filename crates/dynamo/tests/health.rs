//! The live fleet, misses, suspects, repairs and incidents.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod support;

use domain::{Instance, OrganisationId, State, Verb};
use durable::Outcome;
use dynamo::{Incident, Patch, Store, Target};
use serde_json::json;
use support::Bench;

async fn fleet(bench: &Bench) -> Vec<Target> {
    let mut targets = Vec::new();
    for shard in 0..Store::FLEET_SHARDS {
        targets.extend(bench.store.fleet(shard).await.unwrap());
    }
    targets
}

/// A suspect.
async fn silent(bench: &Bench) -> (Instance, Target) {
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let target = fleet(bench).await.into_iter().find(|target| target.instance == instance.id).unwrap();
    for minute in 1..=3 {
        bench.store.record_miss(&target, minute, "timed out").await.unwrap();
    }
    (instance, target)
}

#[tokio::test]
async fn the_fleet_is_what_is_placed_wanted_running_and_left_alone() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    bench.provisioning(organisation, "new").await;
    let (running, stopping) = (bench.running(organisation, "up").await, bench.running(organisation, "down").await);
    assert_eq!(fleet(&bench).await.len(), 2);
    bench.ask(&stopping, Verb::Stop, None).await.unwrap();
    let targets = fleet(&bench).await;
    assert_eq!(targets.iter().map(|target| target.instance).collect::<Vec<_>>(), [running.id]);
    let placement = running.placement.unwrap();
    assert_eq!((&targets[0].address, targets[0].region, targets[0].misses), (&placement.address, placement.region, 0));
    assert_eq!(targets[0].state, State::Running);
}

#[tokio::test]
async fn a_miss_counts_once_a_minute_and_the_third_makes_a_suspect() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let seen = fleet(&bench).await.remove(0);
    let miss = async |minute| bench.store.record_miss(&seen, minute, "timed out").await.unwrap();
    assert_eq!((miss(10).await, miss(10).await, miss(9).await), (1, 1, 1), "a repeated and an older message count nothing");
    assert_eq!(miss(11).await, 2, "what the index said then is old");
    let up_to_date = fleet(&bench).await.remove(0);
    assert_eq!(
        bench.store.record_miss(&up_to_date, 11, "timed out").await.unwrap(),
        2,
        "a repetition counts nothing, whatever the index says"
    );
    assert!(bench.store.suspects().await.unwrap().is_empty());
    assert_eq!((miss(12).await, miss(13).await), (3, 3));
    let suspects = bench.store.suspects().await.unwrap();
    assert_eq!(suspects.iter().map(|suspect| (suspect.instance, suspect.region.code())).collect::<Vec<_>>(), [(instance.id, "fra")]);
    assert_eq!(fleet(&bench).await[0].misses, 3);
}

#[tokio::test]
async fn one_that_answers_again_is_a_suspect_no_more() {
    let bench = Bench::new().await;
    let (instance, target) = silent(&bench).await;
    bench.store.record_well(&target).await.unwrap();
    assert!(bench.store.suspects().await.unwrap().is_empty());
    assert_eq!(bench.instance(&instance).await.health.misses, 0);
    assert_eq!(bench.store.start_repair(&instance.organisation, &instance.id).await.unwrap(), None, "who answers is left alone");
}

#[tokio::test]
async fn a_repair_is_started_once_and_what_it_could_not_mend_is_degraded_until_it_answers() {
    let bench = Bench::new().await;
    let (instance, target) = silent(&bench).await;
    let record = bench.store.start_repair(&instance.organisation, &instance.id).await.unwrap().unwrap();
    assert_eq!(record.kind, "repair");
    assert_eq!(bench.store.start_repair(&instance.organisation, &instance.id).await.unwrap(), None);
    assert!(bench.store.suspects().await.unwrap().is_empty());
    assert_eq!(bench.store.record_miss(&target, 9, "late").await.unwrap(), 3, "a run's instance is the run's to write");
    assert_eq!(bench.instance(&instance).await.state, State::Repairing);

    bench.finish(&record.id, Outcome::Succeeded, json!({ "state": "degraded", "trouble": "it does not answer" })).await;
    let target = fleet(&bench).await.remove(0);
    assert_eq!(target.state, State::Degraded);
    for minute in 10..20 {
        bench.store.record_miss(&target, minute, "timed out").await.unwrap();
    }
    assert!(bench.store.suspects().await.unwrap().is_empty(), "a person has been called");
    bench.store.record_well(&target).await.unwrap();
    let well = bench.instance(&instance).await;
    assert_eq!((well.state, well.trouble), (State::Running, None));
}

#[tokio::test]
async fn a_suspect_that_is_renamed_is_still_a_suspect() {
    let bench = Bench::new().await;
    let (instance, _) = silent(&bench).await;
    let before = bench.store.suspects().await.unwrap();
    let patch = Patch { name: Some("renamed".parse().unwrap()), ..Patch::default() };
    bench.store.update(&instance.organisation, &instance.id, patch).await.unwrap();
    assert_eq!((before.len(), bench.store.suspects().await.unwrap()), (1, before));
}

#[tokio::test]
async fn a_stop_of_a_suspect_takes_it_from_the_suspects() {
    let bench = Bench::new().await;
    let (instance, _) = silent(&bench).await;
    bench.ask(&instance, Verb::Stop, None).await.unwrap();
    assert!(bench.store.suspects().await.unwrap().is_empty());
    assert!(fleet(&bench).await.is_empty());
}

#[tokio::test]
async fn an_incident_is_changed_only_as_it_was_read() {
    let bench = Bench::new().await;
    let incident = |last_seen_minute| Incident { regions: vec!["fra".parse().unwrap()], ours: false, opened_minute: 7, last_seen_minute };
    assert_eq!(bench.store.incident().await.unwrap(), None);
    assert!(bench.store.set_incident(None, Some(&incident(7))).await.unwrap());
    assert!(!bench.store.set_incident(None, Some(&incident(8))).await.unwrap(), "another sweep was faster");
    assert!(bench.store.set_incident(Some(&incident(7)), Some(&incident(8))).await.unwrap());
    assert!(!bench.store.set_incident(Some(&incident(7)), None).await.unwrap());
    assert_eq!(bench.store.incident().await.unwrap(), Some(incident(8)));
    assert!(bench.store.set_incident(Some(&incident(8)), None).await.unwrap());
    assert_eq!(bench.store.incident().await.unwrap(), None);
    bench.store.reachable().await.unwrap();
}
