//! `kill -9` of the platform in the middle of things, and another start: every operation goes on, nothing runs twice.

mod support;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use support::{PATIENCE, Platform, start, until_no_process};

const STAND_IN: [&str; 4] = ["--gateway", "stand-in", "--port", "0"];

/// Supervisors and gateways, one of each per running machine.
fn per_machine(platform: &Platform) -> (usize, usize) {
    let processes = platform.processes();
    let count = |what: &str| processes.iter().filter(|line| line.contains(what)).count();
    (count(" supervisor"), count(" stand-in"))
}

#[tokio::test]
async fn a_create_goes_on_where_it_was() {
    for moment in [0, 30, 80, 150, 300] {
        let data = tempfile::tempdir().unwrap();
        let mut first = start(data.path(), &STAND_IN);
        let created = first.create("demo", json!({})).await;
        let (instance, operation) = (created["instance"]["id"].as_str().unwrap(), created["operation"]["id"].as_str().unwrap());
        tokio::time::sleep(Duration::from_millis(moment)).await;
        first.kill();

        let second = start(data.path(), &STAND_IN[..2]);
        let ended = second.ended(operation, PATIENCE).await;
        assert_eq!(ended["state"], "succeeded", "killed after {moment} ms: {ended}");
        let address = second.settled(instance, "running", PATIENCE).await["address"].as_str().unwrap().to_owned();
        let health = second.page(&format!("{address}/health?until=ready&timeout=20"), None).await;
        assert_eq!(health.status(), StatusCode::OK, "killed after {moment} ms");
        assert_eq!(per_machine(&second), (1, 1), "killed after {moment} ms: {:?}", second.processes());
    }
}

#[tokio::test]
async fn a_delete_goes_on_where_it_was() {
    for moment in [0, 30, 80, 150] {
        let data = tempfile::tempdir().unwrap();
        let mut first = start(data.path(), &STAND_IN);
        let created = first.create("demo", json!({})).await;
        let instance = created["instance"]["id"].as_str().unwrap();
        first.settled(instance, "running", PATIENCE).await;
        let (_, deleting) = first.call(Method::DELETE, &format!("/v1/instances/{instance}"), None).await;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        first.kill();

        let second = start(data.path(), &STAND_IN[..2]);
        let ended = second.ended(deleting["operation"]["id"].as_str().unwrap(), PATIENCE).await;
        assert_eq!(ended["state"], "succeeded", "killed after {moment} ms: {ended}");
        assert_eq!(second.call(Method::GET, &format!("/v1/instances/{instance}"), None).await.0, StatusCode::NOT_FOUND);
        until_no_process(data.path()).await;
    }
}
