//! Making, listing and changing instances.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod support;

use std::collections::BTreeSet;

use domain::{InstanceId, OrganisationId, Verb};
use durable::{Journal, Outcome, RunId};
use dynamo::{CreateError, Created, NewInstance, Patch, UpdateError};
use support::{Bench, key, other_body};

#[tokio::test]
async fn a_created_instance_its_run_and_its_operation_are_there_at_once() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let (instance, record) = bench.provisioning(organisation, "mine").await;
    assert_eq!(bench.instance(&instance).await, instance);
    assert_eq!(bench.store.read(&record.id).await.unwrap().as_ref(), Some(&record));
    assert_eq!(bench.store.operation(&organisation, &instance.operation.unwrap()).await.unwrap(), Some(record.clone()));
    let operations = bench.store.operations(&organisation, &instance.id, None, 10).await.unwrap();
    assert_eq!(operations.items, [record]);
}

#[tokio::test]
async fn a_foreign_organisation_finds_nothing() {
    let bench = Bench::new().await;
    let (instance, _) = bench.provisioning(OrganisationId::generate(), "mine").await;
    let (foreign, operation) = (OrganisationId::generate(), instance.operation.unwrap());
    assert_eq!(bench.store.instance(&foreign, &instance.id).await.unwrap(), None);
    assert_eq!(bench.store.operation(&foreign, &operation).await.unwrap(), None);
    assert!(bench.store.instances(&foreign, None, 10).await.unwrap().items.is_empty());
    assert!(bench.store.operations(&foreign, &instance.id, None, 10).await.unwrap().items.is_empty());
    let renamed = bench.store.update(&foreign, &instance.id, Patch { name: Some("theirs".parse().unwrap()), ..Patch::default() }).await;
    assert_eq!(renamed, Err(UpdateError::NotFound));
    let deleted = bench.store.ask(&foreign, &instance.id, flows::Ask::new(Verb::Delete), None).await;
    assert_eq!(deleted, Err(dynamo::AskError::NotFound));
}

#[tokio::test]
async fn a_name_is_taken_once_and_given_back_when_its_instance_is_gone() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let instance = bench.running(organisation, "mine").await;
    let again = bench.store.create(bench.new_instance(organisation, "mine")).await;
    assert_eq!(again, Err(CreateError::NameTaken { name: "mine".parse().unwrap() }));
    bench.provisioning(OrganisationId::generate(), "mine").await;

    let retire = bench.ask(&instance, Verb::Delete, None).await.unwrap().record.unwrap();
    bench.finish(&retire.id, Outcome::Succeeded, serde_json::Value::Null).await;
    assert_eq!(bench.store.instance(&organisation, &instance.id).await.unwrap(), None);
    bench.provisioning(organisation, "mine").await;
}

#[tokio::test]
async fn the_quota_holds_and_a_gone_instance_makes_room() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let with_quota = |name: &str, quota| NewInstance { quota, ..bench.new_instance(organisation, name) };
    assert_eq!(bench.store.create(with_quota("a", 0)).await, Err(CreateError::QuotaExceeded { limit: 0 }));
    let one = bench.running(organisation, "a").await;
    bench.store.create(with_quota("b", 2)).await.unwrap();
    assert_eq!(bench.store.create(with_quota("c", 2)).await, Err(CreateError::QuotaExceeded { limit: 2 }));

    let retire = bench.ask(&one, Verb::Delete, None).await.unwrap().record.unwrap();
    bench.finish(&retire.id, Outcome::Succeeded, serde_json::Value::Null).await;
    bench.store.create(with_quota("c", 2)).await.unwrap();
}

#[tokio::test]
async fn many_creates_at_once_never_exceed_quota_or_share_a_name() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let creates = (0..12).map(|number| bench.store.create(bench.new_instance(organisation, &format!("n{}", number % 4))));
    let results = futures::future::join_all(creates).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3, "{results:?}");
    let listed = bench.store.instances(&organisation, None, 20).await.unwrap().items;
    let names: BTreeSet<_> = listed.iter().map(|instance| instance.name.clone()).collect();
    assert_eq!((listed.len(), names.len()), (3, 3));
}

#[tokio::test]
async fn a_repeated_create_gets_the_first_answer_whatever_has_happened_since() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let with_key = |key| NewInstance { key, ..bench.new_instance(organisation, "mine") };
    let Created::New { instance, record } = bench.store.create(with_key(key("k"))).await.unwrap() else { panic!("it is new") };
    bench.finish(&record.id, Outcome::Succeeded, serde_json::to_value(bench.placement(&instance)).unwrap()).await;
    bench.store.update(&organisation, &instance.id, Patch { name: Some("renamed".parse().unwrap()), ..Patch::default() }).await.unwrap();

    let replayed = bench.store.create(with_key(key("k"))).await.unwrap();
    assert_eq!(replayed, Created::Replayed { instance, record });
    assert_eq!(bench.store.create(with_key(other_body("k"))).await, Err(CreateError::KeyReused));
    assert_eq!(bench.store.instances(&organisation, None, 10).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_whether_it_was_deleted_or_not() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let create = |name: &str| NewInstance { key: key("k"), ..bench.new_instance(organisation, name) };
    bench.store.create(create("a")).await.unwrap();
    bench.advance(24 * 3600 - 1);
    assert!(matches!(bench.store.create(create("b")).await, Ok(Created::Replayed { .. })));
    bench.advance(2);
    assert!(matches!(bench.store.create(create("b")).await, Ok(Created::New { .. })));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let mut made = Vec::new();
    for number in 0..7 {
        let new = NewInstance { quota: 7, ..bench.new_instance(organisation, &format!("n{number}")) };
        made.push(new.instance.id);
        bench.store.create(new).await.unwrap();
    }
    made.sort();
    let mut seen: Vec<InstanceId> = Vec::new();
    let (mut after, mut pages) = (None, 0);
    loop {
        let page = bench.store.instances(&organisation, after, 3).await.unwrap();
        seen.extend(page.items.iter().map(|instance| instance.id));
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (made, 3));
    assert_eq!(bench.store.instances(&organisation, None, 7).await.unwrap().next, None);
}

#[tokio::test]
async fn one_that_is_being_deleted_is_in_no_list() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let (gone, stays) = (bench.running(organisation, "a").await, bench.running(organisation, "b").await);
    bench.ask(&gone, Verb::Delete, None).await.unwrap();
    let page = bench.store.instances(&organisation, None, 1).await.unwrap();
    assert_eq!((page.items, page.next), (vec![stays], None));
}

#[tokio::test]
async fn renaming_takes_the_new_name_and_gives_the_old_one_back() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let (one, _) = bench.provisioning(organisation, "one").await;
    bench.provisioning(organisation, "two").await;
    let rename = |name: &str| Patch { name: Some(name.parse().unwrap()), ..Patch::default() };
    let taken = bench.store.update(&organisation, &one.id, rename("two")).await;
    assert_eq!(taken, Err(UpdateError::NameTaken { name: "two".parse().unwrap() }));
    assert_eq!(bench.store.update(&organisation, &one.id, rename("one")).await.unwrap(), one, "its own name is no change");

    let regions = Some(vec!["iad".parse().unwrap(), "fra".parse().unwrap()]);
    let patch = Patch { regions: regions.clone(), ..rename("three") };
    let changed = bench.store.update(&organisation, &one.id, patch).await.unwrap();
    assert_eq!((changed.name.as_str(), Some(&changed.regions)), ("three", regions.as_ref()));
    assert_eq!(bench.instance(&one).await, changed);
    bench.provisioning(organisation, "one").await;
    assert_eq!(bench.store.operations(&organisation, &one.id, None, 10).await.unwrap().items.len(), 1, "a rename is no operation");
}

#[tokio::test]
async fn operations_are_listed_newest_first_and_page_by_page() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let instance = bench.running(organisation, "mine").await;
    let mut started: Vec<RunId> = Vec::new();
    for verb in [Verb::Stop, Verb::Start, Verb::Stop] {
        let record = bench.ask(&instance, verb, None).await.unwrap().record.unwrap();
        let state = if verb == Verb::Stop { "stopped" } else { "running" };
        bench.finish(&record.id, Outcome::Succeeded, serde_json::json!({ "state": state, "trouble": null })).await;
        started.insert(0, record.id);
    }
    let first = bench.store.operations(&organisation, &instance.id, None, 2).await.unwrap();
    let second = bench.store.operations(&organisation, &instance.id, first.next, 2).await.unwrap();
    let listed: Vec<_> = first.items.iter().chain(&second.items).map(|record| record.id.clone()).collect();
    assert_eq!(listed[..3], started);
    assert_eq!((listed.len(), second.next), (4, None));
}
