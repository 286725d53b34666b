//! DynamoDB: durability, the ledger, and adversity on request.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::path::Path;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, Put,
    ScalarAttributeType, TransactWriteItem,
};
use aws_sim::{AwsSim, Call, Options, Refusal, Service, Verdict};

const TABLE: &str = "things";

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

async fn create(client: &Client) {
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let index = GlobalSecondaryIndex::builder()
        .index_name("by_colour")
        .key_schema(key("colour", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk"))
        .attribute_definitions(attribute("colour"))
        .key_schema(key("pk", KeyType::Hash))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
}

async fn memory() -> (AwsSim, Client) {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let client = aws.dynamodb();
    create(&client).await;
    aws.reset_ledger();
    (aws, client)
}

fn put(name: &str) -> TransactWriteItem {
    let put = Put::builder().table_name(TABLE).item("pk", text(name)).condition_expression("attribute_not_exists(pk)").build().unwrap();
    TransactWriteItem::builder().put(put).build()
}

async fn count(client: &Client, name: &str) -> usize {
    usize::from(client.get_item().table_name(TABLE).key("pk", text(name)).send().await.unwrap().item.is_some())
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    async fn open(folder: &Path) -> Client {
        AwsSim::open(Options { data: Some(folder.to_owned()) }).await.unwrap().dynamodb()
    }
    let folder = tempfile::tempdir().unwrap();
    let client = open(folder.path()).await;
    create(&client).await;
    client.put_item().table_name(TABLE).item("pk", text("a")).send().await.unwrap();
    assert_eq!(count(&open(folder.path()).await, "a").await, 1);
}

#[tokio::test]
async fn the_ledger_counts_calls_and_units_by_table_and_index() {
    let (aws, client) = memory().await;
    client.put_item().table_name(TABLE).item("pk", text("a")).item("colour", text("red")).send().await.unwrap();
    client.put_item().table_name(TABLE).item("pk", text("b")).send().await.unwrap();
    client.transact_write_items().transact_items(put("c")).send().await.unwrap();
    let answer = client.get_item().table_name(TABLE).key("pk", text("a")).send().await.unwrap();
    assert!(answer.consumed_capacity.is_none(), "nobody asked for it");

    let ledger = aws.consumed();
    assert_eq!(ledger.calls("dynamodb.PutItem"), 2);
    assert_eq!(ledger.total_calls(), 4);
    assert_eq!(ledger.writes()[TABLE], 4.0, "two puts and one in a transaction, which costs double");
    assert_eq!(ledger.writes()["things/by_colour"], 1.0);
    assert_eq!(ledger.read_units(), 0.5);
    aws.reset_ledger();
    assert_eq!(aws.consumed().total_calls(), 0);
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect_and_the_repeated_transaction_is_the_same_one() {
    let (aws, client) = memory().await;
    aws.set_fault(|call: &Call<'_>| if call.number == 1 { Verdict::LoseAnswer } else { Verdict::Pass });
    client.transact_write_items().transact_items(put("a")).send().await.expect("the SDK repeats it under the same token");
    assert_eq!(aws.consumed().calls("dynamodb.TransactWriteItems"), 2);

    aws.set_fault(|call: &Call<'_>| if call.number == 1 { Verdict::LoseAnswer } else { Verdict::Pass });
    let repeated = client.put_item().table_name(TABLE).item("pk", text("b")).condition_expression("attribute_not_exists(pk)").send().await;
    assert!(repeated.unwrap_err().into_service_error().is_conditional_check_failed_exception(), "a condition meets its own effect");
    aws.clear_fault();
    assert_eq!(count(&client, "a").await + count(&client, "b").await, 2);
}

#[tokio::test]
async fn a_lost_request_has_no_effect() {
    let (aws, client) = memory().await;
    aws.set_fault(|call: &Call<'_>| if call.operation == "PutItem" { Verdict::LoseRequest } else { Verdict::Pass });
    assert!(client.put_item().table_name(TABLE).item("pk", text("a")).send().await.is_err());
    assert_eq!(count(&client, "a").await, 0);
    assert_eq!(aws.consumed().calls("dynamodb.PutItem"), 3, "the SDK tries three times");
}

#[tokio::test]
async fn conflicts_and_throttling_look_like_those_of_aws() {
    let (aws, client) = memory().await;
    for (refusal, code) in [(Refusal::TransactionConflict, "TransactionConflict"), (Refusal::Throttled, "ThrottlingError")] {
        aws.set_fault(move |_: &Call<'_>| Verdict::Refuse(refusal.clone()));
        let request = client.transact_write_items().transact_items(put("a")).transact_items(put("b"));
        let error = request.send().await.unwrap_err().into_service_error();
        let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) = error
        else {
            panic!("{error:?}");
        };
        let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default()).collect();
        assert_eq!(codes, [code, "None"]);
    }
    aws.set_fault(|_: &Call<'_>| Verdict::Refuse(Refusal::TransactionConflict));
    let error = client.delete_item().table_name(TABLE).key("pk", text("a")).send().await.unwrap_err().into_service_error();
    assert!(error.is_transaction_conflict_exception(), "{error:?}");
    aws.clear_fault();
    assert_eq!(count(&client, "a").await, 0);
}

#[tokio::test]
async fn a_slow_answer_comes_after_its_effect() {
    let (aws, client) = memory().await;
    aws.set_fault(|call: &Call<'_>| {
        if call.service == Service::DynamoDb && call.operation == "PutItem" {
            Verdict::Slow(Duration::from_secs(3600))
        } else {
            Verdict::Pass
        }
    });
    let slow = tokio::spawn(client.put_item().table_name(TABLE).item("pk", text("a")).send());
    tokio::time::timeout(Duration::from_secs(60), async {
        while count(&client, "a").await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the effect is there at once");
    assert!(!slow.is_finished());
    slow.abort();
}

#[tokio::test]
async fn a_client_of_ones_own_making_meets_the_same_services() {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Region};
    let (aws, client) = memory().await;
    client.put_item().table_name(TABLE).item("pk", text("a")).send().await.unwrap();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(AwsSim::credentials())
        .endpoint_url("http://localhost:1")
        .http_client(aws.http_client())
        .build();
    assert_eq!(count(&Client::from_conf(config), "a").await, 1);
}
