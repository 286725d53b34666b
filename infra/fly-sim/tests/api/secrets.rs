use serde_json::{Value, json};

use crate::harness::{Fly, image, machine};

#[tokio::test]
async fn secrets_are_set_in_bulk_and_alone_and_never_shown() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let (status, first) = fly.post("/v1/apps/a/secrets", json!({ "values": { "A": "1", "B": "2" } })).await;
    assert_eq!((status, &first["version"], &first["Version"]), (200, &json!(1), &json!(1)));
    let (_, second) = fly.post("/v1/apps/a/secrets", json!({ "values": { "A": null, "C": "3" } })).await;
    assert_eq!(second["version"], 2);
    let names = |answer: &Value| {
        answer["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, list) = fly.get("/v1/apps/a/secrets?show_secrets=true&min_version=2").await;
    assert_eq!(names(&list), ["B", "C"]);
    assert!(list["secrets"][0]["digest"].is_string() && list["secrets"][0].get("value").is_none());
    assert_eq!(fly.get("/v1/apps/a/secrets?version=3").await.0, 412);
    let (status, alone) = fly.post("/v1/apps/a/secrets/D", json!({ "value": "4" })).await;
    assert_eq!((status, &alone["name"], &alone["version"]), (201, &json!("D"), &json!(3)));
    assert_eq!(fly.get("/v1/apps/a/secrets/D").await.0, 200);
    assert_eq!(fly.delete("/v1/apps/a/secrets/D").await, (200, json!({ "version": 4, "Version": 4 })));
    assert_eq!(fly.delete("/v1/apps/a/secrets/D").await.0, 404);
    assert_eq!(fly.post("/v1/apps/a/secrets", json!({ "values": { "1A": "x" } })).await.0, 400);
    assert_eq!(fly.simulator.inventory().secrets, ["a/B", "a/C"]);
}

#[tokio::test]
async fn a_running_machine_keeps_the_secrets_it_booted_with() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.post("/v1/apps/a/secrets", json!({ "values": { "A": "old" } })).await;
    let id = fly.started(image()).await;
    fly.post("/v1/apps/a/secrets", json!({ "values": { "A": "new" } })).await;
    assert_eq!(fly.host.boots().last().unwrap().secrets["A"], "old");
    fly.post(&machine(&id, "/restart"), json!(null)).await;
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots().last().unwrap().secrets["A"], "new");
}

#[tokio::test(start_paused = true)]
async fn a_boot_waits_for_the_secrets_version_it_was_told() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let id = fly.create(json!({ "config": image(), "min_secrets_version": 1 })).await;
    assert_eq!(fly.get(&machine(&id, "/wait?timeout=5")).await.0, 408);
    assert!(fly.host.boots().is_empty());
    fly.post("/v1/apps/a/secrets", json!({ "values": { "A": "1" } })).await;
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots()[0].secrets["A"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_boot_whose_secrets_never_come_fails() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let id = fly.create(json!({ "config": image(), "min_secrets_version": 1 })).await;
    assert_eq!(fly.get(&machine(&id, "/wait?state=failed&timeout=50")).await.0, 408);
    fly.reach(&id, "failed").await;
    assert!(fly.host.boots().is_empty());
}
