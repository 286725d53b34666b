//! Each of `events/`, through the built program that it is for.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lambda_sim::InvokeError;
use serde::Deserialize;
use serde_json::Value;
use shipped::Platform;

use crate::Check;

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

#[derive(Deserialize)]
struct File {
    event: Vec<Expected>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// The event with a token of this platform, and of this minute.
fn event(platform: &Platform, file: &str) -> String {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    text.replace("TOKEN", &platform.token).replace("29923800", &(Timestamp::now().as_second() / 60).to_string())
}

pub(crate) async fn every_event_has_its_outcome(check: &mut Check) {
    let platform = check.platform(None).await;
    let expected: File = toml::from_str(&std::fs::read_to_string(folder().join("expected.toml")).unwrap()).unwrap();
    for expected in &expected.event {
        let event = event(&platform, &expected.file);
        let answer = platform.function(&expected.function).invoke(event.clone()).await;
        match answer {
            Err(InvokeError::Reported(why)) => assert!(expected.error, "{}: {why}", expected.file),
            Err(error) => panic!("{}: {error}", expected.file),
            Ok(answer) => {
                assert!(!expected.error, "{} succeeded", expected.file);
                outcome(expected, &event, &serde_json::from_slice(&answer).unwrap());
            }
        }
    }
    for (name, function) in platform.functions() {
        assert_eq!(function.initialisations().len(), 1, "{name} was started anew: {:#?}", function.output());
    }
    println!("  {} events", expected.event.len());
    check.end(platform).await;
}

fn outcome(expected: &Expected, event: &str, answer: &Value) {
    let file = &expected.file;
    if let Some(failed) = &expected.failed {
        let event: Value = serde_json::from_str(event).unwrap();
        let identifiers: Vec<_> = event["Records"].as_array().unwrap().iter().map(|record| &record["messageId"]).collect();
        let given_back = answer["batchItemFailures"].as_array().unwrap().iter().map(|failure| &failure["itemIdentifier"]);
        assert_eq!(given_back.collect::<Vec<_>>(), failed.iter().map(|place| identifiers[*place]).collect::<Vec<_>>(), "{file}");
    }
    if let Some(status) = expected.status {
        assert_eq!(answer["statusCode"], status, "{file}: {answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        if let Some(field) = &expected.has {
            assert!(body.pointer(field).is_some_and(Value::is_string), "{file}: {body}");
        }
        if let Some(problem) = &expected.problem {
            assert_eq!(body["type"], format!("https://rockpool.dev/problems/{problem}"), "{file}: {body}");
            assert_eq!(answer["headers"]["content-type"], "application/problem+json", "{file}: {answer}");
        }
    }
}
