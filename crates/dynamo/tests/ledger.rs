//! What each operation costs (the table in `docs/architecture.md`), as DynamoDB counts it. Only the embedded one tells.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod support;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_sim::Ledger;
use domain::{Instance, InstanceId, OrganisationId, Verb};
use durable::{Act, Entry, Guard, Journal, Outcome};
use dynamo::{NewInstance, Store};
use serde_json::json;
use support::{Bench, held, key, next, stopped};

fn check(what: &str, ledger: &Ledger, calls: u64, reads: f64, writes: f64) {
    if std::env::var_os("AWS_ENDPOINT_URL_DYNAMODB").is_some() {
        return;
    }
    assert!(ledger.total_calls() <= calls, "{what}: at most {calls} calls\n{ledger}");
    assert!(ledger.read_units() <= reads, "{what}: at most {reads} read units\n{ledger}");
    assert!(ledger.write_units() <= writes, "{what}: at most {writes} write units\n{ledger}");
    assert_eq!(ledger.calls("dynamodb.Scan"), 0, "{what}");
}

#[tokio::test]
async fn creating_an_instance_is_one_transaction_of_at_most_14_write_units() {
    let bench = Bench::new().await;
    let longest = "x".repeat(63);
    let new = NewInstance { key: key("a key of a client"), ..bench.new_instance(OrganisationId::generate(), &longest) };
    bench.spent();
    bench.store.create(new).await.unwrap();
    check("create", &bench.spent(), 1, 0.0, 14.0);
}

#[tokio::test]
async fn listing_instances_is_one_query_of_half_a_unit_per_4_kb() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    for number in 0..20 {
        bench.store.create(NewInstance { quota: 20, ..bench.new_instance(organisation, &format!("n{number}")) }).await.unwrap();
    }
    bench.spent();
    assert_eq!(bench.store.instances(&organisation, None, 50).await.unwrap().items.len(), 20);
    check("list", &bench.spent(), 1, 1.5, 0.0);
}

#[tokio::test]
async fn an_action_is_one_transaction_of_at_most_10_write_units() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), &"x".repeat(63)).await;
    for (verb, state) in [(Verb::Restart, "running"), (Verb::Stop, "stopped"), (Verb::Start, "running")] {
        bench.spent();
        let record = bench.ask(&instance, verb, key(verb.as_str())).await.unwrap().record.unwrap();
        check(verb.as_str(), &bench.spent(), 3, 2.0, 10.0);
        bench.finish(&record.id, Outcome::Succeeded, json!({ "state": state, "trouble": null })).await;
    }
    bench.spent();
    bench.ask(&instance, Verb::Delete, None).await.unwrap();
    check("delete", &bench.spent(), 2, 1.0, 10.0);
}

#[tokio::test]
async fn claims_steps_and_pauses_cost_the_size_of_the_run() {
    let bench = Bench::new().await;
    let (_, record) = bench.provisioning(OrganisationId::generate(), "mine").await;
    bench.spent();
    let mut record = bench.claim(&record.id).await.unwrap();
    check("claim", &bench.spent(), 1, 0.0, 3.0);

    for number in 0..8 {
        let before = held(&record);
        record = next(&record);
        record.journal.push(Entry {
            name: format!("create_thing_{number}"),
            act: Act::Step,
            result: json!({ "id": "d".repeat(400) }),
            started_at: bench.now(),
            finished_at: bench.now(),
            attempts: 1,
        });
        bench.store.checkpoint(&before, &record, Guard::None).await.unwrap();
        let kilobytes = f64::from((1200 + (number + 1) * 520) / 1024 + 1);
        check("step", &bench.spent(), 1, 0.0, kilobytes + 1.0);
    }

    let before = held(&record);
    let mut paused = next(&record);
    (paused.lease_until, paused.overdue_at) = (None, Some(bench.now() + std::time::Duration::from_secs(20)));
    bench.store.checkpoint(&before, &paused, Guard::None).await.unwrap();
    check("pause", &bench.spent(), 1, 0.0, 8.0);
}

#[tokio::test]
async fn a_healthy_fleet_is_read_for_little_and_nothing_is_written() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    for number in 0..40 {
        let new = NewInstance { quota: 40, ..bench.new_instance(organisation, &format!("n{number}")) };
        let (run, placement) = (new.run.id.clone(), bench.placement(&new.instance));
        bench.store.create(new).await.unwrap();
        bench.finish(&run, Outcome::Succeeded, serde_json::to_value(placement).unwrap()).await;
    }
    bench.spent();
    let mut seen = 0;
    for shard in 0..Store::FLEET_SHARDS {
        seen += bench.store.fleet(shard).await.unwrap().len();
    }
    assert_eq!(seen, 40);
    // Each of the shards costs at least half a unit, however small the fleet.
    check("check", &bench.spent(), 16, 8.0, 0.0);
    bench.store.suspects().await.unwrap();
    check("suspects", &bench.spent(), 18, 9.0, 0.0);
}

/// What a check of a whole fleet comes to: 0.03 read units for an instance, besides the half unit that each shard costs at least.
#[tokio::test]
async fn a_healthy_check_reads_at_most_three_hundredths_of_a_unit_for_each_instance() {
    const INSTANCES: usize = 1000;
    let bench = Bench::new().await;
    let one = bench.running(OrganisationId::generate(), "mine").await;
    copies(&bench, &one, INSTANCES - 1).await;
    bench.spent();
    let mut seen = 0;
    for shard in 0..Store::FLEET_SHARDS {
        seen += bench.store.fleet(shard).await.unwrap().len();
    }
    assert_eq!(seen, INSTANCES);
    let shards = f64::from(Store::FLEET_SHARDS);
    check("a fleet's check", &bench.spent(), Store::FLEET_SHARDS.into(), 0.03 * INSTANCES as f64 + 0.5 * shards, 0.0);
}

/// As many more of an instance, spread over the shards; to provision each would take minutes.
async fn copies(bench: &Bench, one: &Instance, more: usize) {
    let key = |name: &str, value: String| (name.to_owned(), AttributeValue::S(value));
    let (owner, sort) = (one.organisation.to_string(), format!("INSTANCE#{}", one.id));
    let item = bench.client.get_item().table_name(&bench.table).set_key(Some(HashMap::from([key("pk", owner), key("sk", sort)])));
    let item = item.send().await.unwrap().item.unwrap();
    let numbers: Vec<_> = (0..more).collect();
    for batch in numbers.chunks(25) {
        let puts = batch.iter().map(|number| {
            let mut copy = item.clone();
            copy.extend([
                key("sk", format!("INSTANCE#{}", InstanceId::generate())),
                key("fleet_shard", format!("{:02}", number % Store::FLEET_SHARDS as usize)),
            ]);
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(copy)).build().unwrap()).build()
        });
        let request = HashMap::from([(bench.table.clone(), puts.collect())]);
        bench.client.batch_write_item().set_request_items(Some(request)).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_miss_and_the_end_of_a_run_are_one_call_for_writing_each() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let target = futures::future::join_all((0..Store::FLEET_SHARDS).map(|shard| bench.store.fleet(shard))).await;
    let target = target.into_iter().flat_map(Result::unwrap).next().unwrap();
    bench.spent();
    bench.store.record_miss(&target, 1, "timed out").await.unwrap();
    check("miss", &bench.spent(), 1, 0.0, 2.0);

    let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap();
    let record = bench.claim(&stop.id).await.unwrap();
    bench.spent();
    bench.end(&record, Outcome::Succeeded, stopped(), vec![]).await;
    check("end", &bench.spent(), 2, 1.0, 7.0);
}
