//! What each request of the API and each step of a flow costs: the table of `docs/architecture.md`, counted at the simulated AWS.

use std::collections::BTreeMap;

use aws_sim::Ledger;
use durable::Driven;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Mood, Stage};

fn operations(ledger: &Ledger) -> BTreeMap<&str, u64> {
    ledger.operations().iter().map(|(name, times)| (name.as_str(), *times)).collect()
}

#[tokio::test]
async fn a_create_is_one_transaction_and_one_message() {
    let stage = Stage::new().await;
    let wish = json!({ "name": "x".repeat(63), "plan": "team", "region": "fra", "allowed_regions": ["ams", "cdg", "lhr"] });
    let created = stage.call("POST", "/v1/instances", Some(wish.clone()), Some("a-key-of-the-client")).await;
    assert_eq!(created.status, 202);
    let spent = stage.bench.spent();
    assert_eq!(operations(&spent), BTreeMap::from([("dynamodb.TransactWriteItems", 1), ("sqs.SendMessage", 1)]));
    assert!(spent.write_units() <= 14.0 && spent.read_units() == 0.0, "{spent}");

    let again = stage.call("POST", "/v1/instances", Some(wish), Some("a-key-of-the-client")).await;
    assert_eq!((again.status, &again.json), (202, &created.json), "the first answer, again");
    let spent = stage.bench.spent();
    assert_eq!((spent.write_units(), spent.calls("sqs.SendMessage")), (0.0, 0), "{spent}");
    assert!(stage.fly.calls().is_empty());
}

#[tokio::test]
async fn a_list_is_one_query_and_asks_the_provider_nothing() {
    let stage = Stage::new().await;
    for number in 0..10 {
        stage.create(&format!("mine-{number}")).await;
    }
    stage.bench.spent();
    let list = stage.get("/v1/instances").await;
    assert_eq!(list["instances"].as_array().map(Vec::len), Some(10));
    let spent = stage.bench.spent();
    assert_eq!(operations(&spent), BTreeMap::from([("dynamodb.Query", 1)]));
    assert!(spent.read_units() <= 1.5, "ten instances of less than 1.2 KB: {spent}");
    assert!(stage.fly.calls().is_empty());
}

#[tokio::test]
async fn an_action_is_one_transaction_and_one_message() {
    let stage = Stage::new().await;
    let id = stage.running("mine").await;
    for verb in ["stop", "start", "restart"] {
        stage.bench.spent();
        let calls = stage.fly.calls().len();
        let answer = stage.call("POST", &format!("/v1/instances/{id}/{verb}"), None, Some(&format!("key-{verb}"))).await;
        assert_eq!(answer.status, 202, "{}", answer.json);
        let spent = stage.bench.spent();
        assert_eq!((spent.calls("dynamodb.TransactWriteItems"), spent.calls("sqs.SendMessage")), (1, 1), "{verb}: {spent}");
        // The key and the instance are read first.
        assert_eq!((spent.calls("dynamodb.GetItem"), spent.total_calls()), (2, 4), "{verb}: {spent}");
        assert!(spent.write_units() <= 10.0, "{verb}: {spent}");
        assert_eq!(stage.fly.calls().len(), calls, "{verb}: the API never asks the provider");
        stage.drive(&answer.run()).await;
    }
    stage.bench.spent();
    stage.call("DELETE", &format!("/v1/instances/{id}"), None, None).await;
    let spent = stage.bench.spent();
    assert_eq!((spent.calls("dynamodb.TransactWriteItems"), spent.calls("sqs.SendMessage"), spent.total_calls()), (1, 1, 3), "{spent}");
    assert!(spent.write_units() <= 10.0, "{spent}");
}

#[tokio::test]
async fn an_action_on_what_is_there_already_costs_a_read() {
    let stage = Stage::new().await;
    let id = stage.running("mine").await;
    stage.bench.spent();
    assert_eq!(stage.post(&format!("/v1/instances/{id}/start")).await.status, 200);
    let spent = stage.bench.spent();
    assert_eq!(operations(&spent), BTreeMap::from([("dynamodb.GetItem", 1)]));
}

#[tokio::test]
async fn claims_steps_and_pauses_are_one_conditional_write_each() {
    let stage = Stage::new().await;
    let (id, run) = stage.create("mine").await;
    stage.supervisors.set(&stage.bench.deployment.app(&id), Mood::Phase("starting"));
    stage.bench.spent();
    let mut claims = 0;
    let mut paused = 0;
    let ended = loop {
        claims += 1;
        let deadline = stage.bench.now() + SignedDuration::from_secs(120);
        match stage.runner.handle(&run.0, deadline).await.unwrap() {
            Driven::Paused { until } => {
                paused += 1;
                stage.bench.clock.advance_to(until);
            }
            other => break other,
        }
        if paused == 3 {
            stage.supervisors.set(&stage.bench.deployment.app(&id), Mood::Well);
        }
    };
    assert!(matches!(ended, Driven::Ended { .. }), "{ended:?}");
    let (spent, record) = (stage.bench.spent(), stage.record(&run).await);
    let steps = u64::try_from(record.journal.len()).unwrap();
    assert_eq!(spent.calls("dynamodb.UpdateItem"), claims + paused + steps, "{spent}");
    assert_eq!(spent.calls("dynamodb.TransactWriteItems"), 1, "the end: {spent}");
    assert_eq!(spent.calls("dynamodb.GetItem"), 1, "the instance that the end settles: {spent}");
    assert_eq!(spent.calls("sqs.SendMessage"), paused + 1, "a message for each pause, and one that it ended: {spent}");
    assert_eq!(spent.calls("dynamodb.Query"), 0, "{spent}");

    // No write of the run is larger than its last form; claims and pauses also move it in the index of what is due, the end writes
    // instance, change and notice besides, each twice as dear in a transaction.
    let kilobytes = f64::from(u32::try_from(serde_json::to_string(&record).unwrap().len()).unwrap() / 1024 + 1);
    let (walks, steps) = (f64::from(u32::try_from(claims + paused).unwrap()), f64::from(u32::try_from(steps).unwrap()));
    let most = walks * (kilobytes + 2.0) + steps * (kilobytes + 1.0) + 2.0 * (kilobytes + 10.0);
    assert!(spent.write_units() <= most, "at most {most}: {spent}");
}
