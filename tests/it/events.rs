//! The sample events of `events/`, each through the handler that it is for; `events/expected.toml` says what becomes of it. The package
//! `shipped` sends the same ones to the built programs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::Notice;
use http_body_util::BodyExt;
use jiff::SignedDuration;
use notifier::{Notifier, Sink, SinkError};
use serde::Deserialize;
use serde_json::Value;
use shell::each_record;
use sweep::Tick;
use tower::ServiceExt;

use crate::support::{Bench, Fleet, Stage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    file: String,
    function: String,
    status: Option<u16>,
    problem: Option<String>,
    has: Option<String>,
    failed: Option<Vec<usize>>,
    #[serde(default)]
    error: bool,
}

impl Expected {
    fn text(&self) -> String {
        std::fs::read_to_string(folder().join(&self.file)).unwrap()
    }

    fn batch(&self) -> SqsEvent {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The messages that are given back are those that were expected to be.
    fn check(&self, response: &SqsBatchResponse) {
        let records = self.batch().records;
        let place = |id: &String| records.iter().position(|record| record.message_id.as_ref() == Some(id)).unwrap();
        let failed: Vec<_> = response.batch_item_failures.iter().map(|failure| place(&failure.item_identifier)).collect();
        assert_eq!(Some(&failed), self.failed.as_ref(), "{}", self.file);
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn all() -> Vec<Expected> {
    #[derive(Deserialize)]
    struct File {
        event: Vec<Expected>,
    }
    toml::from_str::<File>(&std::fs::read_to_string(folder().join("expected.toml")).unwrap()).unwrap().event
}

fn of(function: &str) -> Vec<Expected> {
    let events: Vec<_> = all().into_iter().filter(|event| event.function == function).collect();
    assert!(!events.is_empty(), "no event is for {function}");
    events
}

#[test]
fn every_event_has_an_outcome_and_every_outcome_an_event() {
    let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<_> = names.filter(|name| name.ends_with(".json")).collect();
    assert_eq!(names, all().into_iter().map(|event| event.file).collect());
    let functions: BTreeSet<_> = all().into_iter().map(|event| event.function).collect();
    assert_eq!(functions, ["api", "flow-runner", "health-checker", "notifier", "sweep"].map(str::to_owned).into());
}

#[tokio::test]
async fn the_flow_runner_takes_its_messages_and_refuses_poisoned_ones() {
    let stage = Stage::new().await;
    let deadline = stage.bench.now() + SignedDuration::from_secs(120);
    for event in of("flow-runner") {
        event.check(&each_record(event.batch(), async |body: String| stage.runner.handle(&body, deadline).await.map(drop)).await);
    }
}

#[tokio::test]
async fn the_health_checker_takes_its_messages_and_refuses_poisoned_ones() {
    let fleet = Fleet::new().await;
    for event in of("health-checker") {
        event.check(&each_record(event.batch(), async |body: String| fleet.checker.handle(&body).await.map(drop)).await);
    }
    assert_eq!(fleet.bench.spent().calls("dynamodb.Query"), 5, "their minute is that of the bench");
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
    for event in of("notifier") {
        event.check(&each_record(event.batch(), async |body: String| notifier.handle(&body).await.map(drop)).await);
    }
}

#[tokio::test]
async fn the_sweep_takes_the_schedules_events_for_their_minute() {
    let fleet = Fleet::new().await;
    for event in of("sweep") {
        match serde_json::from_str::<Tick>(&event.text()) {
            Ok(tick) => {
                assert!(!event.error, "{}", event.file);
                assert_eq!(tick.time, fleet.bench.now(), "{}", event.file);
                assert_eq!(fleet.sweep.minute(tick.time).await.unwrap().shards, 16);
                assert_eq!(fleet.bench.take(Bench::HEALTH).await.len(), 16);
            }
            Err(error) => assert!(event.error, "{}: {error}", event.file),
        }
    }
}

#[tokio::test]
async fn the_api_takes_events_of_api_gateway() {
    let stage = Stage::new().await;
    for event in of("api") {
        let text = event.text().replace("TOKEN", &stage.issuer.token("alice"));
        let request = lambda_http::request::from_str(&text).unwrap();
        let answer = api::router(stage.api.clone()).oneshot(request).await.unwrap();
        assert_eq!(Some(answer.status().as_u16()), event.status, "{}", event.file);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        if let Some(field) = &event.has {
            assert!(body.pointer(field).is_some_and(Value::is_string), "{}: {body}", event.file);
        }
        if let Some(problem) = &event.problem {
            assert_eq!(body["type"], format!("https://rockpool.dev/problems/{problem}"), "{}: {body}", event.file);
        }
    }
}
