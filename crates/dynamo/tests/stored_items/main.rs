//! Items as they lie in the table, as they were recorded. They outlive every deployment: today's code must make of each of them what the
//! code that wrote it meant, and must be able to go on with it.
//!
//! A file is recorded once and never changes afterwards. When the form of an item changes, add another file for its scene below those that
//! are in `scenes.rs`, run `ROCKPOOL_RECORD_ITEMS=1 cargo test -p dynamo --test stored_items`, and have `sha256sum *.json > SHA256SUMS`
//! done in their folder. The older files stay until no such item can be in any table.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod attributes;
mod fixtures;
mod scenes;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use domain::{State, Verb};
use durable::{Act, Claim, Ended, Ending, Entry, Guard, Journal, Outcome, OwnerId, Phase, Record, Written};
use dynamo::{CreateError, Created, NewInstance, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::scenes::{FILES, Meaning, Scene};
use crate::support::{Bench, done, held, next};

#[tokio::test]
async fn what_was_recorded_has_not_changed() {
    for (name, scene) in FILES {
        fixtures::recorded(name, scene).await;
    }
    let sums: BTreeSet<String> = FILES.iter().map(|(name, _)| fixtures::sum(name)).collect();
    assert_eq!(fixtures::sums(), sums, "a recorded item is for ever");
    let known = FILES.iter().map(|(name, _)| format!("{name}.json")).chain([fixtures::SUMS.to_owned()]);
    let files = fs::read_dir(fixtures::folder()).expect("the folder of fixtures");
    let found = files.map(|file| file.expect("a file").file_name().into_string().expect("a name in UTF-8"));
    assert_eq!(known.collect::<BTreeSet<_>>(), found.collect(), "every file belongs to a scene");
}

#[tokio::test]
async fn todays_code_makes_of_every_recorded_item_what_was_meant() {
    for (name, scene) in FILES {
        let (bench, meant) = table_of(name, scene).await;
        assert_eq!(scene.read(&bench).await, meant, "{name} means something else to today's code");
    }
}

/// A name that is new is missing from the items that are stored, and one that is gone is missing for code that still runs.
#[tokio::test]
async fn todays_code_writes_the_recorded_names() {
    for (place, (name, scene)) in FILES.into_iter().enumerate() {
        if FILES[place + 1..].iter().any(|(_, later)| *later == scene) {
            continue;
        }
        let recorded = attributes::names(&fixtures::recorded(name, scene).await.0);
        let today = attributes::names(&fixtures::written_today(scene).await);
        let new: Vec<_> = today.difference(&recorded).collect();
        assert!(
            new.is_empty(),
            "{name}.json has none of {new:?}, which today's code writes: older items come without, so each needs a default where it is \
             read. Then add another file for {scene:?} to `FILES` and have it recorded"
        );
        let gone: Vec<_> = recorded.difference(&today).collect();
        assert!(
            gone.is_empty(),
            "today's code no longer writes {gone:?} of {name}.json: during a deployment older code reads what it writes. See `schema.rs` \
             for how a form is changed; then add another file for {scene:?} to `FILES` and have it recorded"
        );
    }
}

#[tokio::test]
async fn every_recorded_run_goes_on_to_its_end() {
    for (name, scene) in FILES {
        let (bench, Meaning { run: Some(mut run), .. }) = table_of(name, scene).await else {
            continue;
        };
        let store = &bench.store;
        if matches!(run.phase, Phase::Done { .. }) {
            assert_eq!(store.claim(&run.id, &claim_at(far(&run))).await.unwrap(), None, "{name}");
            bench.clock.advance(Duration::from_secs(91 * 24 * 3600));
            assert_eq!(Journal::read(store, &run.id).await.unwrap(), None, "{name} is kept for 90 days");
            continue;
        }
        if let Phase::Parked { was, .. } = run.phase.clone() {
            assert_eq!(store.parked(10).await.unwrap(), std::slice::from_ref(&run), "{name}");
            assert_eq!(store.claim(&run.id, &claim_at(far(&run))).await.unwrap(), None, "{name}");
            assert!(store.resume(&run.id, bench.now()).await.unwrap(), "{name}");
            run = Journal::read(store, &run.id).await.unwrap().unwrap();
            assert_eq!((&run.phase, run.claims, &run.trying), (&*was, 0, &None), "{name}");
        }
        let overdue = store.overdue(far(&run), 10).await.unwrap();
        assert_eq!(overdue.iter().map(|seen| (&seen.id, seen.wakes)).collect::<Vec<_>>(), [(&run.id, run.wakes)], "{name}");
        if let Some(until) = run.lease_until.max(run.not_before) {
            let early = claim_at(until - SignedDuration::from_nanos(1));
            assert_eq!(store.claim(&run.id, &early).await.unwrap(), None, "{name} is somebody's, or paused");
        }
        let claim = claim_at(far(&run));
        let claimed = store.claim(&run.id, &claim).await.unwrap().unwrap_or_else(|| panic!("{name} is not to be had"));
        let expected = Record {
            rev: run.rev + 1,
            owner: Some(claim.owner.clone()),
            lease_until: Some(claim.lease_until),
            overdue_at: Some(claim.lease_until),
            not_before: None,
            claims: run.claims + 1,
            wakes: 0,
            updated_at: claim.now,
            ..run.clone()
        };
        assert_eq!(claimed, expected, "{name}");
        goes_on(store, name, claimed, claim.now).await;
    }
}

/// One more entry and the end.
async fn goes_on(store: &Store, name: &str, claimed: Record, now: Timestamp) {
    let mut further = next(&claimed);
    further.trying = None;
    further.journal.push(Entry {
        name: "create_machine".to_owned(),
        act: Act::Step,
        result: json!({ "Ok": null }),
        started_at: now,
        finished_at: now,
        attempts: 1,
    });
    let cancel_requested_at = claimed.cancel_requested_at;
    let guarded = store.checkpoint(&held(&claimed), &further, Guard::NotCancelled).await.unwrap();
    let refused = cancel_requested_at.is_some();
    assert_eq!(guarded, if refused { Written::Cancelled } else { Written::Yes { cancel_requested_at } }, "{name}");
    if refused {
        let written = store.checkpoint(&held(&claimed), &further, Guard::None).await.unwrap();
        assert_eq!(written, Written::Yes { cancel_requested_at }, "{name}");
    }
    assert_eq!(Journal::read(store, &further.id).await.unwrap().as_ref(), Some(&further), "{name}");
    if flows::parse_subject(&further.subject).is_ok() {
        // What its end means to its instance is another test's.
        return;
    }
    let ended = done(&further, Outcome::Succeeded, now);
    let ending = Ending { outcome: Outcome::Succeeded, value: json!(null), notices: vec![] };
    let answer = store.end(&held(&further), &ended, &ending, Guard::None).await.unwrap();
    assert_eq!(answer, Ended::Yes { follow_up: None }, "{name}");
    assert_eq!(Journal::read(store, &ended.id).await.unwrap(), Some(ended), "{name}");
}

#[tokio::test]
async fn a_recorded_creation_is_answered_again_and_comes_to_its_end() {
    for (name, scene) in FILES.into_iter().filter(|(_, scene)| *scene == Scene::InstanceMade) {
        let (bench, meant) = table_of(name, scene).await;
        let (instance, run) = (meant.instance.unwrap(), meant.run.unwrap());
        let again = bench.store.create(scenes::new_instance(&bench)).await.unwrap();
        assert_eq!(again, Created::Replayed { instance: instance.clone(), record: run.clone() }, "{name}");

        let another = |name: &str, quota| NewInstance { quota, ..bench.new_instance(instance.organisation, name) };
        let full = bench.store.create(another("another", 1)).await;
        assert_eq!(full, Err(CreateError::QuotaExceeded { limit: 1 }), "{name}");
        let taken = bench.store.create(another("aria", 2)).await;
        assert_eq!(taken, Err(CreateError::NameTaken { name: instance.name.clone() }), "{name}");
        let listed = bench.store.operations(&instance.organisation, &instance.id, None, 10).await.unwrap();
        assert_eq!(listed.items, std::slice::from_ref(&run), "{name}");

        let placement = bench.placement(&instance);
        bench.finish(&run.id, Outcome::Succeeded, serde_json::to_value(&placement).unwrap()).await;
        let instance = bench.instance(&instance).await;
        assert_eq!((instance.state, instance.placement.as_ref(), instance.operation), (State::Running, Some(&placement), None), "{name}");
        let delete = bench.ask(&instance, Verb::Delete, None).await.unwrap().record.unwrap();
        bench.finish(&delete.id, Outcome::Succeeded, json!(null)).await;
        let room = bench.store.create(another("aria", 1)).await;
        assert!(matches!(room, Ok(Created::New { .. })), "{name} left its name or its quota behind: {room:?}");
    }
}

#[tokio::test]
async fn a_recorded_suspect_is_looked_at_and_repaired() {
    for (name, scene) in FILES.into_iter().filter(|(_, scene)| *scene == Scene::InstanceSuspected) {
        let (bench, Meaning { instance: Some(instance), .. }) = table_of(name, scene).await else { panic!("{name} is no instance") };
        let placement = instance.placement.clone().unwrap();
        let mut fleet = Vec::new();
        for shard in 0..Store::FLEET_SHARDS {
            fleet.extend(bench.store.fleet(shard).await.unwrap());
        }
        let [target] = fleet.as_slice() else { panic!("{name}: {fleet:?}") };
        let seen = (target.instance, &target.address, target.region, target.misses, target.state);
        assert_eq!(seen, (instance.id, &placement.address, placement.region, instance.health.misses, instance.state), "{name}");
        let suspects = bench.store.suspects().await.unwrap();
        assert_eq!(suspects.iter().map(|it| (it.instance, it.region)).collect::<Vec<_>>(), [(instance.id, placement.region)], "{name}");
        bench.store.record_well(target).await.unwrap();
        let well = bench.instance(&instance).await;
        assert_eq!((well.health.misses, well.health.last_miss_minute, &well.health.climbed), (0, None, &instance.health.climbed), "{name}");

        let (bench, _) = table_of(name, scene).await;
        let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap();
        assert!(stop.started && stop.instance.wanted_rev == instance.wanted_rev + 1, "{name}: {stop:?}");
    }
}

#[tokio::test]
async fn a_recorded_notice_is_delivered_once() {
    for (name, scene) in FILES {
        let (bench, Meaning { notice: Some(notice), delivered, .. }) = table_of(name, scene).await else {
            continue;
        };
        let (store, later) = (&bench.store, bench.now() + SignedDuration::from_hours(1));
        let due = store.due_notices(later, 10).await.unwrap();
        assert_eq!(due.iter().map(|due| due.wakes).collect::<Vec<_>>(), if delivered { vec![] } else { vec![1] }, "{name}");
        let undelivered = store.undelivered(later, 10).await.unwrap();
        assert_eq!(undelivered, if delivered { vec![] } else { vec![notice.clone()] }, "{name}");
        assert_eq!(store.delivered(&notice.id).await.unwrap(), !delivered, "{name}");
        assert_eq!(store.notice(&notice.id).await.unwrap(), Some(notice.clone()), "{name}");
        bench.clock.advance(Duration::from_secs(31 * 24 * 3600));
        assert_eq!(store.notice(&notice.id).await.unwrap(), None, "{name} is kept for 30 days");
    }
}

#[tokio::test]
async fn a_recorded_incident_is_closed_and_its_repairs_stay_taken() {
    for (name, scene) in FILES {
        let (bench, Meaning { incident: Some(incident), .. }) = table_of(name, scene).await else {
            continue;
        };
        let minute = scenes::minute(&bench);
        assert!(!bench.store.take_repairs(minute).await.unwrap(), "{name}");
        assert!(bench.store.take_repairs(minute + 1).await.unwrap(), "{name}");
        assert!(bench.store.set_incident(Some(&incident), None).await.unwrap(), "{name}");
        assert_eq!(bench.store.incident().await.unwrap(), None, "{name}");
    }
}

/// A table in which nothing is but the recorded items, and what they mean.
async fn table_of(name: &str, scene: Scene) -> (Bench, Meaning) {
    let (items, meaning) = fixtures::recorded(name, scene).await;
    let bench = Bench::new().await;
    fixtures::put(&bench, &items).await;
    (bench, meaning)
}

/// When nobody's claim or pause holds any more.
fn far(run: &Record) -> Timestamp {
    run.updated_at + SignedDuration::from_hours(1)
}

fn claim_at(now: Timestamp) -> Claim {
    Claim { owner: OwnerId("another".to_owned()), now, lease_until: now + SignedDuration::from_secs(150) }
}
