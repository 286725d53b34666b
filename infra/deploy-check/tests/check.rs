//! Runs of known and unknown versions, in a store on a simulated DynamoDB.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sim::{AwsSim, Options};
use deploy_check::{Report, Stranded, check};
use durable::{NewRun, RunId};
use dynamo::Store;
use flows::Deployment;
use serde_json::Value;
use shell::SystemClock;

const TABLE: &str = "rockpool";

async fn store() -> Store {
    store_on(&AwsSim::open(Options::default()).await.unwrap()).await
}

async fn store_on(aws: &AwsSim) -> Store {
    dynamo::create_table(&aws.dynamodb(), TABLE).await.unwrap();
    let address = "https://{app}.fly.dev".to_owned();
    let deployment = Deployment { name: "test".to_owned(), address, image_repository: "registry.fly.io/tenant".to_owned() };
    Store::new(aws.dynamodb(), TABLE, deployment, Arc::new(SystemClock))
}

fn run(id: &str, kind: &str, version: u32) -> NewRun {
    NewRun { id: RunId(id.to_owned()), kind: kind.to_owned(), version, subject: "org_1.ins_1".to_owned(), plan: Value::Null }
}

#[tokio::test]
async fn runs_that_this_code_does_not_know_are_named_and_the_others_counted() {
    let store = store().await;
    assert_eq!(check(&store).await.unwrap(), Report { under_way: 0, stranded: Vec::new() });
    store.start(run("org_1.op_1", "provision", 1)).await.unwrap();
    store.start(run("org_1.op_2", "provision", 999)).await.unwrap();
    store.start(run("org_1.op_3", "teleport", 1)).await.unwrap();
    let mut report = check(&store).await.unwrap();
    report.stranded.sort_by(|a, b| a.run.cmp(&b.run));
    let stranded = |run: &str, kind: &str, version| Stranded { run: run.to_owned(), kind: kind.to_owned(), version, phase: "running" };
    let expected = vec![stranded("org_1.op_2", "provision", 999), stranded("org_1.op_3", "teleport", 1)];
    assert_eq!(report, Report { under_way: 3, stranded: expected });
    assert_eq!(report.stranded[0].to_string(), "org_1.op_2: provision version 999, running");
}

#[tokio::test]
async fn a_run_in_a_form_that_only_newer_code_writes_is_a_reason_not_to_deploy() {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let store = store_on(&aws).await;
    store.start(run("org_1.op_1", "provision", 1)).await.unwrap();
    let item = aws.dynamodb().query().table_name(TABLE).key_condition_expression("pk = :pk");
    let item = item.expression_attribute_values(":pk", AttributeValue::S("org_1.op_1".to_owned())).send().await.unwrap();
    let mut item = item.items.unwrap().remove(0);
    assert_eq!(item.insert("schema".to_owned(), AttributeValue::N("2".to_owned())), Some(AttributeValue::N("1".to_owned())));
    aws.dynamodb().put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    let error = check(&store).await.expect_err("this code cannot tell what it means");
    assert!(error.to_string().contains("newer code wrote it"), "{error}");
}
