//! The sample events of `events/`, each through the handler that it is for. They are what `sam local invoke` takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::Notice;
use http_body_util::BodyExt;
use jiff::SignedDuration;
use notifier::{Notifier, Sink, SinkError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shell::each_record;
use sweep::Tick;
use tower::ServiceExt;

use crate::support::{Bench, Fleet, Stage};

/// Every event that a test here uses.
const USED: [&str; 9] = [
    "api-create-instance.json",
    "api-list-instances.json",
    "flow-message-poisoned.json",
    "flow-message.json",
    "health-check-poisoned.json",
    "health-check.json",
    "notice-batch-partly-poisoned.json",
    "notice-batch.json",
    "sweep-minute.json",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn text(name: &str) -> String {
    assert!(USED.contains(&name));
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn event<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&text(name)).unwrap()
}

/// Which records failed, by their place in the event.
fn failed(name: &str, response: &SqsBatchResponse) -> Vec<usize> {
    let event: SqsEvent = event(name);
    let place = |id: &String| event.records.iter().position(|record| record.message_id.as_ref() == Some(id)).unwrap();
    response.batch_item_failures.iter().map(|failure| place(&failure.item_identifier)).collect()
}

#[test]
fn every_event_is_used() {
    let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), USED.map(str::to_owned).into());
}

#[tokio::test]
async fn the_flow_runner_takes_its_messages_and_refuses_poisoned_ones() {
    let stage = Stage::new().await;
    let deadline = stage.bench.now() + SignedDuration::from_secs(120);
    for (name, expected) in [("flow-message.json", vec![]), ("flow-message-poisoned.json", vec![0])] {
        let response = each_record(event(name), async |body: String| stage.runner.handle(&body, deadline).await.map(drop)).await;
        assert_eq!(failed(name, &response), expected, "{name}");
    }
}

#[tokio::test]
async fn the_health_checker_takes_its_messages_and_refuses_poisoned_ones() {
    let fleet = Fleet::new().await;
    for (name, expected) in [("health-check.json", vec![]), ("health-check-poisoned.json", vec![0])] {
        let response = each_record(event(name), async |body: String| fleet.checker.handle(&body).await.map(drop)).await;
        assert_eq!(failed(name, &response), expected, "{name}");
    }
    assert_eq!(fleet.bench.spent().calls("dynamodb.Query"), 1, "its minute is that of the bench");
}

struct Nowhere;

#[async_trait]
impl Sink for Nowhere {
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError> {
        Err(SinkError(format!("{} has no receiver", notice.id)))
    }
}

#[tokio::test]
async fn the_notifier_fails_the_poisoned_messages_of_a_batch_and_no_others() {
    let bench = Bench::new().await;
    let notifier = Notifier { store: bench.store.clone(), sink: Arc::new(Nowhere) };
    for (name, expected) in [("notice-batch.json", vec![]), ("notice-batch-partly-poisoned.json", vec![1, 3])] {
        let response = each_record(event(name), async |body: String| notifier.handle(&body).await.map(drop)).await;
        assert_eq!(failed(name, &response), expected, "{name}");
    }
}

#[tokio::test]
async fn the_sweep_takes_the_schedules_event_for_its_minute() {
    let fleet = Fleet::new().await;
    let tick: Tick = event("sweep-minute.json");
    assert_eq!(tick.time, fleet.bench.now());
    assert_eq!(fleet.sweep.minute(tick.time).await.unwrap().shards, 16);
    assert_eq!(fleet.bench.take(Bench::HEALTH).await.len(), 16);
}

#[tokio::test]
async fn the_api_takes_events_of_api_gateway() {
    let stage = Stage::new().await;
    for (name, status, field) in [("api-create-instance.json", 202, "/instance/id"), ("api-list-instances.json", 200, "/instances/0/id")] {
        let text = text(name).replace("TOKEN", &stage.issuer.token("alice"));
        let request = lambda_http::request::from_str(&text).unwrap();
        let answer = api::router(stage.api.clone()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{name}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body.pointer(field).is_some_and(Value::is_string), "{name}: {body}");
    }
}
