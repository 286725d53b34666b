use std::time::Duration;

use fly_sim::host::Exit;
use serde_json::{Value, json};

use crate::harness::{Fly, machine};

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), ..Exit::default() }
}

fn policy(restart: Value) -> Value {
    json!({ "image": "i", "restart": restart })
}

/// Lets the program end and gives the state that the machine comes to rest in.
async fn after(fly: &Fly, id: &str, exit: Exit) -> String {
    let event = fly.get(&machine(id, "/wait?state=settled")).await.1["event_id"].as_str().unwrap().to_owned();
    assert!(fly.host.exit(id, exit), "it ran");
    let (status, answer) = fly.get(&machine(id, &format!("/wait?state=settled&from_event_id={event}"))).await;
    assert_eq!(status, 200, "{answer}");
    answer["state"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn always_boots_again_whatever_the_exit_was() {
    let fly = Fly::new().await;
    let id = fly.started(policy(json!({ "policy": "always" }))).await;
    for code in [0, 1, 0, 2] {
        assert_eq!(after(&fly, &id, exit(code)).await, "started");
    }
    assert_eq!(fly.host.boots().len(), 5);
    let (_, events) = fly.get(&machine(&id, "/events")).await;
    let ends: Vec<_> = events.as_array().unwrap().iter().filter(|event| event["type"] == "exit").collect();
    assert_eq!((&ends[0]["request"]["exit_event"]["exit_code"], &ends[0]["request"]["restart_count"]), (&json!(2), &json!(3)));
    assert_eq!(ends[0]["request"]["exit_event"]["restarting"], true);
    assert!(ends[1]["request"]["exit_event"].get("exit_code").is_none(), "a zero exit code is left out");
}

#[tokio::test(start_paused = true)]
async fn no_never_boots_again() {
    let fly = Fly::new().await;
    let id = fly.started(policy(json!({ "policy": "no" }))).await;
    assert_eq!(after(&fly, &id, exit(1)).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn on_failure_gives_up_after_its_retries_and_takes_a_clean_end_as_the_end() {
    let fly = Fly::new().await;
    let id = fly.started(policy(json!({ "policy": "on-failure", "max_retries": 2 }))).await;
    assert_eq!(after(&fly, &id, exit(1)).await, "started");
    assert_eq!(after(&fly, &id, Exit { oom_killed: true, signal: Some(9), code: None }).await, "started");
    assert_eq!(after(&fly, &id, exit(1)).await, "stopped");
    fly.post(&machine(&id, "/start"), json!({})).await;
    fly.reach(&id, "started").await;
    assert_eq!(after(&fly, &id, exit(0)).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn retries_count_within_five_minutes() {
    let fly = Fly::new().await;
    let id = fly.started(policy(json!({ "policy": "on-failure", "max_retries": 1 }))).await;
    for _ in 0..3 {
        assert_eq!(after(&fly, &id, exit(1)).await, "started");
        tokio::time::sleep(Duration::from_secs(301)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_keeps_crashing_can_be_stopped_between_two_boots() {
    let fly = Fly::new().await;
    let id = fly.started(policy(json!({ "policy": "always" }))).await;
    for _ in 0..4 {
        after(&fly, &id, exit(1)).await;
    }
    fly.host.exit(&id, exit(1));
    while fly.state(&id).await != "starting" {
        tokio::task::yield_now().await;
    }
    assert_eq!(fly.post(&machine(&id, "/stop"), json!({})).await.0, 200);
    fly.reach(&id, "stopped").await;
    assert_eq!(fly.host.boots().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_machine_with_auto_destroy_is_gone_after_its_end() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i", "auto_destroy": true, "restart": { "policy": "no" } })).await;
    assert_eq!(after(&fly, &id, exit(0)).await, "destroyed");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_while_its_machine_boots_is_restarted_ever_more_slowly() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.host.end_while_booting("m", Some(exit(1)));
    let id = fly.create(json!({ "name": "m", "config": policy(json!({ "policy": "always" })) })).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    // At 0, 0, 1, 3, 7, 15, 31 seconds; the next one would come at 61.
    assert_eq!(fly.host.boots().len(), 7);
    fly.host.end_while_booting("m", None);
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots().len(), 8);
}
