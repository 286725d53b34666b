//! The provider at its worst: limits, lost and late answers, lists that lag, full regions, crashes.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::STAND_IN;
use crate::bystander::Bystanders;
use crate::remains::Remains;
use crate::support::{Platform, command, started};

/// How long five instances may take for their whole lives.
const A_DAY: Duration = Duration::from_secs(110);

#[tokio::test]
async fn on_a_bad_day_every_operation_ends_and_nothing_is_left_over() {
    let seed = crate::dice::asked("ROCKPOOL_SEED").unwrap_or(7);
    eprintln!("ROCKPOOL_SEED={seed} cargo test -p local --test failure bad_day -- --nocapture");
    let data = tempfile::tempdir().unwrap();
    let mut bystanders = Bystanders::beside(data.path());
    let (mut platform, said) = start_with(data.path(), &format!("bad-day:{seed}"));
    let evening = Instant::now() + A_DAY;

    let came_up = join_all((0..5).map(|number| live(&platform, number, evening))).await;
    assert!(came_up.contains(&true), "no instance came up, so that nothing but refusals was seen");
    let left = Remains::of(data.path());
    assert!(left.apps.is_empty() && left.secrets.is_empty(), "{left:?}");
    bystanders.are_left_alone(data.path()).await;
    platform.end();
    let said = std::fs::read_to_string(said.path()).unwrap();
    let faults = said.lines().filter(|line| line.contains("a fault happens")).count();
    assert!(faults > 0, "nothing went wrong all day: {said}");
    bystanders.are_left_alone(data.path()).await;
}

/// The platform with faults, and the file to which its provider says what goes wrong.
pub(crate) fn start_with(data: &Path, faults: &str) -> (Platform, NamedTempFile) {
    let said = NamedTempFile::new().unwrap();
    let mut program = command(data, &[&STAND_IN[..], &["--faults", faults]].concat());
    program.env("ROCKPOOL_LOG", "warn,fly_sim=info").env("NO_COLOR", "1").stderr(said.reopen().unwrap());
    (started(program, data), said)
}

/// One instance from its creation to its end, and whether it came up. Every second one is deleted before it has settled.
async fn live(platform: &Platform, number: usize, evening: Instant) -> bool {
    let created = platform.create(&format!("bad-{number}"), json!({ "plan": "team" })).await;
    let instance = created["instance"]["id"].as_str().unwrap();
    let mut came_up = false;
    if number.is_multiple_of(2) {
        came_up = ended(platform, &created, evening).await["state"] == "succeeded";
        for verb in ["restart", "stop", "start"] {
            let body = (verb == "restart").then(|| json!({ "scope": "machine" }));
            let (status, answer) = platform.call(Method::POST, &format!("/v1/instances/{instance}/{verb}"), body).await;
            // A repair may be under way.
            assert!(status.is_success() || status == StatusCode::CONFLICT, "{verb}: {status} {answer}");
            ended(platform, &answer, evening).await;
        }
    } else {
        tokio::time::sleep(Duration::from_millis(700 * number as u64)).await;
    }
    let (status, deleting) = platform.call(Method::DELETE, &format!("/v1/instances/{instance}"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{deleting}");
    ended(platform, &created, evening).await;
    let deleted = ended(platform, &deleting, evening).await;
    // A deletion that was asked for during the provision follows it, in an operation of its own.
    let same = deleting["operation"]["id"] == created["operation"]["id"];
    assert!(same || deleted["state"] == "succeeded", "{deleted}");
    let path = format!("/v1/instances/{instance}");
    assert_eq!(platform.call(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND);
    came_up
}

/// Waits until an operation has ended, if the answer names one.
async fn ended(platform: &Platform, answer: &Value, evening: Instant) -> Value {
    let Some(operation) = answer["operation"]["id"].as_str() else { return Value::Null };
    platform.ended(operation, evening.saturating_duration_since(Instant::now())).await
}
