//! Items that no code of ours wrote so, by a hand, an older form, a broken tool: whoever reads one is refused or gets what is good of it,
//! nothing panics, and nobody else's work stops.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod items;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use domain::{Instance, InstanceId, Notice, OrganisationId, Verb};
use durable::{Journal, NewRun, Phase, Record, RunId};
use dynamo::{Incident, StoreError, Target};
use items::{Item, changed, value};
use jiff::SignedDuration;
use proptest::prelude::*;
use support::{Bench, held, key, next};
use tokio::runtime::Runtime;

/// What belongs to one organisation: an instance that is a suspect, one that is being made, a run that waits for a person.
struct Estate {
    organisation: OrganisationId,
    running: Instance,
    made: Instance,
    run: Record,
    parked: RunId,
    notice: Notice,
    /// All of its items as they were written.
    items: Vec<Item>,
}

struct World {
    bench: Bench,
    /// Its items are changed.
    victim: Estate,
    /// Its items are not, and it is in the same shards.
    other: Estate,
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());

static WORLD: LazyLock<World> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let bench = Bench::new().await;
        let opened = Incident { opened_minute: 7, last_seen_minute: 8, ours: false, regions: vec![] };
        assert!(bench.store.set_incident(None, Some(&opened)).await.unwrap());
        let victim = estate(&bench).await;
        let mut other = estate(&bench).await;
        // Into the victim's shards, so that it is in every page and list in which the victim is.
        for item in &mut other.items {
            for shard in ["fleet_shard", "overdue_shard"] {
                let same = victim.items.iter().find(|like| items::kind(like) == items::kind(item) && like.contains_key(shard));
                if let (true, Some(same)) = (item.contains_key(shard), same) {
                    item.insert(shard.to_owned(), same[shard].clone());
                }
            }
            items::put(&bench, item).await.unwrap();
        }
        World { bench, victim, other }
    })
});

async fn estate(bench: &Bench) -> Estate {
    let organisation = OrganisationId::generate();
    let running = bench.running(organisation, "mine").await;
    let target = target_of(bench, running.id).await.unwrap();
    let minute = bench.now().as_second() / 60;
    for minute in minute - 3..minute {
        bench.store.record_miss(&target_of(bench, running.id).await.unwrap_or(target.clone()), minute, "a test").await.unwrap();
    }
    let mut new = bench.new_instance(organisation, "new");
    new.key = key("the-key");
    let (made, run) = match bench.store.create(new).await.unwrap() {
        dynamo::Created::New { instance, record } => (instance, record),
        replayed @ dynamo::Created::Replayed { .. } => panic!("{replayed:?}"),
    };
    let parked = RunId(format!("{organisation}.{}", domain::OperationId::generate()));
    let plan = serde_json::json!({ "app": "rp" });
    let new = NewRun { id: parked.clone(), kind: "restart".to_owned(), version: 1, subject: running.id.to_string(), plan };
    bench.store.start(new).await.unwrap();
    let mut waiting = bench.claim(&parked).await.unwrap();
    let held = held(&waiting);
    waiting = next(&waiting);
    waiting.phase = Phase::Parked { why: "look".to_owned(), was: Box::new(Phase::Running) };
    (waiting.lease_until, waiting.overdue_at, waiting.owner) = (None, None, None);
    bench.store.checkpoint(&held, &waiting, durable::Guard::None).await.unwrap();
    let notice = Notice {
        id: format!("{}-1", run.id),
        organisation,
        instance: made.id,
        instance_name: made.name.clone(),
        event: "instance_ready".to_owned(),
        message: "It is ready.".to_owned(),
        recorded_at: bench.now(),
    };
    bench.store.record_notice(&notice).await.unwrap();
    let mut all = Vec::new();
    for pk in [organisation.to_string(), run.id.0.clone(), parked.0.clone()] {
        all.extend(items::of(bench, &pk).await);
    }
    assert!(all.len() > 9, "{all:?}");
    Estate { organisation, running, made, run, parked, notice, items: all }
}

async fn target_of(bench: &Bench, instance: InstanceId) -> Option<Target> {
    fleet(bench).await.unwrap().into_iter().find(|target| target.instance == instance)
}

async fn fleet(bench: &Bench) -> Result<Vec<Target>, StoreError> {
    let mut all = Vec::new();
    for shard in 0..dynamo::Store::FLEET_SHARDS {
        all.extend(bench.store.fleet(shard).await?);
    }
    Ok(all)
}

/// What is for everybody must be there for the others, whatever became of one.
async fn others_are_served(bench: &Bench, other: &Estate) {
    let store = &bench.store;
    let later = bench.now() + SignedDuration::from_hours(1);
    let fleet = fleet(bench).await.expect("the fleet");
    assert!(fleet.iter().any(|target| target.instance == other.running.id), "one item took another out of the fleet");
    let suspects = store.suspects().await.expect("the suspects");
    assert!(suspects.iter().any(|suspect| suspect.instance == other.running.id), "a suspect is no more");
    let overdue = store.overdue(later, 100).await.expect("what is overdue");
    assert!(overdue.iter().any(|run| run.id == other.run.id), "a run is overdue for nobody");
    let parked = store.parked(100).await.expect("what waits for a person");
    assert!(parked.iter().any(|run| run.id == other.parked), "nobody is called about a run");
    let due = store.due_notices(later, 100).await.expect("the notices");
    assert!(due.iter().any(|notice| notice.cause == other.run.id.0), "a notice is due for nobody");
}

/// Every way to read and to change what belongs to one organisation. Each may be refused; none may panic, and what a refusal says is a line
/// of bounded length.
async fn everything(bench: &Bench, of: &Estate) {
    let (store, now) = (&bench.store, bench.now());
    let (organisation, minute) = (&of.organisation, now.as_second() / 60);
    let mut said = BTreeSet::new();
    let mut tell = |error: Option<String>| said.extend(error);
    macro_rules! tried {
        ($call:expr) => {
            tell($call.await.err().map(|error| error.to_string()))
        };
    }
    for instance in [&of.running.id, &of.made.id] {
        tried!(store.instance(organisation, instance));
        tried!(store.operations(organisation, instance, None, 10));
        tried!(store.start_repair(organisation, instance));
        let patch = dynamo::Patch { name: Some("renamed".parse().unwrap()), ..dynamo::Patch::default() };
        tried!(store.update(organisation, instance, patch));
    }
    tried!(store.instances(organisation, None, 10));
    tried!(store.operation(organisation, &of.made.operation.unwrap()));
    for target in fleet(bench).await.into_iter().flatten().filter(|target| target.organisation == *organisation) {
        tried!(store.record_miss(&target, minute, "a test"));
        tried!(store.record_well(&target));
    }
    for cause in [&of.run.id, &of.parked] {
        tried!(store.notices_of(&cause.0));
        tried!(store.request_cancel(cause, now));
        tried!(store.resume(cause, now));
        if let Ok(Some(record)) = store.claim(cause, &bench.a_claim()).await {
            tried!(store.checkpoint(&held(&record), &next_of(&record), durable::Guard::NotCancelled));
        }
    }
    for due in store.due_notices(now + SignedDuration::from_hours(1), 100).await.unwrap_or_default() {
        if due.cause.starts_with(&organisation.to_string()) {
            tried!(store.postpone_notice(&due, now));
        }
    }
    tried!(store.notice(&of.notice.id));
    tried!(store.undelivered(now + SignedDuration::from_hours(1), 100));
    tried!(store.delivered(&of.notice.id));
    tried!(store.under_way());
    let mut again = bench.new_instance(*organisation, "new");
    again.key = key("the-key");
    tried!(store.create(again));
    for verb in [Verb::Restart, Verb::Stop, Verb::Start, Verb::Delete] {
        tried!(bench.ask(&of.running, verb, key("another-key")));
        tried!(bench.ask(&of.made, verb, None));
    }
    for line in said {
        assert!(line.len() < 4000 && !line.chars().any(char::is_control), "it is no short line: {line}");
    }
}

/// A record one write further on, unless there is no further.
fn next_of(record: &Record) -> Record {
    if record.rev == u64::MAX { record.clone() } else { next(record) }
}

/// Makes everything of somebody what it was, and takes away the runs that were started since.
async fn restore(bench: &Bench, of: &Estate) {
    let mut pks: BTreeSet<String> = of.items.iter().map(|item| items::text(item, "pk")).collect();
    let organisation = of.organisation.to_string();
    let changes = items::of(bench, &organisation).await;
    pks.extend(changes.iter().filter_map(|item| item.get("operation")?.as_s().ok()).map(|id| format!("{organisation}.{id}")));
    pks.extend(changes.iter().filter_map(|item| item["sk"].as_s().ok()?.rsplit_once('#')).map(|(_, id)| format!("{organisation}.{id}")));
    items::restore(bench, &pks, &of.items).await;
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 32, source_file: Some(file!()), ..ProptestConfig::with_cases((ProptestConfig::default().cases / 16).max(8)) })]

    #[test]
    fn a_broken_item_is_its_owner_s_trouble_alone(
        item in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), with in value(),
    ) {
        let World { bench, victim, other } = &*WORLD;
        let item = &victim.items[item.index(victim.items.len())];
        let places = items::places(item);
        if places.is_empty() {
            return Ok(());
        }
        let broken = changed(item, &places[place.index(places.len())], with);
        RUNTIME.block_on(async {
            restore(bench, victim).await;
            // DynamoDB itself takes no item whose keys, or whose places in an index, are of another type.
            if items::put(bench, &broken).await.is_ok() {
                others_are_served(bench, other).await;
                everything(bench, victim).await;
                others_are_served(bench, other).await;
            }
        });
    }
}

#[test]
fn an_incident_that_nobody_can_read_is_refused_and_named() {
    RUNTIME.block_on(async {
        let bench = Bench::new().await;
        let opened = Incident { opened_minute: 7, last_seen_minute: 8, ours: false, regions: vec![] };
        assert!(bench.store.set_incident(None, Some(&opened)).await.unwrap());
        let item = items::of(&bench, "INCIDENT").await.remove(0);
        for place in items::places(&item) {
            for value in items::VALUES.iter() {
                let broken = changed(&item, &place, Some(value.clone()));
                if items::put(&bench, &broken).await.is_ok() {
                    match bench.store.incident().await {
                        Ok(_) | Err(StoreError::Corrupt { .. }) => {}
                        Err(other) => panic!("{place:?}, {value:?}: {other}"),
                    }
                }
            }
        }
    });
}
