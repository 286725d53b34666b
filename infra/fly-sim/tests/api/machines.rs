use serde_json::json;

use crate::harness::{Fly, image, machine, text};

#[tokio::test]
async fn a_machine_is_answered_as_created_and_then_starts() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let config = json!({ "image": "registry.fly.io/tenant:1", "env": { "A": "b" }, "unknown": true });
    let (status, answer) = fly.post("/v1/apps/a/machines", json!({ "name": "m", "region": "fra", "config": config })).await;
    assert_eq!((status, &answer["state"], &answer["region"]), (200, &json!("created"), &json!("fra")));
    let id = answer["id"].as_str().unwrap();
    assert_eq!((id.len(), answer["instance_id"].as_str().unwrap().len()), (14, 26));
    assert_eq!(answer["version"], answer["instance_id"]);
    assert_eq!(answer["image_ref"]["repository"], "tenant");
    assert!(answer.get("nonce").is_none());
    assert!(answer["config"].get("unknown").is_none());
    fly.reach(id, "started").await;
    let (_, events) = fly.get(&machine(id, "/events")).await;
    let told: Vec<_> =
        events.as_array().unwrap().iter().map(|event| (event["type"].as_str().unwrap(), event["status"].as_str().unwrap())).collect();
    assert_eq!(told, [("start", "started"), ("start", "starting"), ("launch", "created")], "newest first");
    assert_eq!(fly.get(&machine(id, "/events?limit=1")).await.1.as_array().unwrap().len(), 1);
    assert!(events[0]["timestamp"].is_i64());
}

#[tokio::test]
async fn a_second_machine_of_a_name_is_refused_and_the_first_is_named() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    let again = json!({ "name": "m", "config": image() });
    let expected = format!("already_exists: unique machine name violation, machine ID {id} already exists with name \"m\"");
    assert_eq!(fly.post("/v1/apps/a/machines", again.clone()).await, (409, json!({ "error": expected })));
    fly.app("b").await;
    assert_eq!(fly.post("/v1/apps/b/machines", again.clone()).await.0, 200, "names are per app");
    fly.delete(&machine(&id, "?force=true")).await;
    fly.reach(&id, "destroyed").await;
    assert_eq!(fly.post("/v1/apps/a/machines", again).await.0, 200, "the name of a destroyed machine is free");
}

#[tokio::test]
async fn a_guest_that_fly_does_not_sell_is_refused_in_fly_s_words() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let config = json!({ "image": "i", "guest": { "cpu_kind": "performance", "cpus": 1, "memory_mb": 1024 } });
    let (status, answer) = fly.post("/v1/apps/a/machines", json!({ "config": config })).await;
    assert_eq!((status, text(&answer)), (400, "invalid config.guest.memory_mb, minimum required 2048 MiB"));
}

#[tokio::test]
async fn a_full_region_refuses_and_a_list_of_regions_goes_on_to_the_next() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.simulator.set_region_full("fra", true);
    let full = (422, json!({ "error": "could not find a candidate host", "status": "insufficient_capacity" }));
    assert_eq!(fly.post("/v1/apps/a/machines", json!({ "region": "fra", "config": image() })).await, full);
    assert_eq!(fly.post("/v1/apps/a/volumes", json!({ "name": "d", "region": "fra" })).await, full);
    let (status, answer) = fly.post("/v1/apps/a/machines", json!({ "region": "fra,cdg", "config": image() })).await;
    assert_eq!((status, &answer["region"]), (200, &json!("cdg")));
    fly.simulator.set_region_full("fra", false);
    assert_eq!(fly.post("/v1/apps/a/machines", json!({ "region": "fra", "config": image() })).await.1["region"], "fra");
    assert_eq!(fly.post("/v1/apps/a/machines", json!({ "region": "xxx", "config": image() })).await.0, 400);
}

#[tokio::test]
async fn an_update_makes_a_new_version_and_boots_it() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    let (_, before) = fly.get(&machine(&id, "")).await;
    let changed = json!({ "config": { "image": "registry.fly.io/tenant:2" }, "current_version": before["instance_id"] });
    let (status, answer) = fly.post(&machine(&id, ""), changed.clone()).await;
    assert_eq!((status, &answer["state"]), (200, &json!("replacing")));
    assert_ne!(answer["instance_id"], before["instance_id"]);
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots().last().unwrap().config["image"], "registry.fly.io/tenant:2");
    let (_, versions) = fly.get(&machine(&id, "/versions")).await;
    assert_eq!((&versions[0]["version"], &versions[1]["version"]), (&answer["instance_id"], &before["instance_id"]));
    let (status, answer) = fly.post(&machine(&id, ""), changed).await;
    assert_eq!((status, text(&answer)), (409, "aborted: machine update failed due to concurrent update"));
}

#[tokio::test]
async fn an_update_with_skip_launch_leaves_the_machine_stopped() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    fly.post(&machine(&id, ""), json!({ "config": image(), "skip_launch": true })).await;
    fly.reach(&id, "stopped").await;
    fly.post(&machine(&id, ""), json!({ "config": image() })).await;
    fly.reach(&id, "started").await;
}

#[tokio::test]
async fn an_update_can_neither_rename_a_machine_nor_swap_its_volume() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    assert_eq!(fly.post(&machine(&id, ""), json!({ "name": "n", "config": image() })).await.0, 400);
    let volume = fly.volume("d").await;
    let config = json!({ "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] });
    assert_eq!(fly.post(&machine(&id, ""), json!({ "config": config })).await.0, 400);
    assert_eq!(fly.state(&id).await, "started");
}

#[tokio::test]
async fn a_machine_whose_host_does_not_answer_comes_without_its_config() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i", "env": { "A": "b" } })).await;
    fly.simulator.set_host_status(&id, "unreachable");
    let (_, answer) = fly.get(&machine(&id, "")).await;
    assert_eq!((&answer["host_status"], answer.get("config")), (&json!("unreachable"), None));
    assert_eq!(answer["incomplete_config"]["image"], "i");
    assert!(answer["incomplete_config"].get("env").is_none());
}

#[tokio::test]
async fn an_unknown_machine_is_not_found_and_neither_is_one_of_another_app() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    fly.app("b").await;
    assert_eq!(fly.get(&machine("00000000000000", "")).await.0, 404);
    assert_eq!(fly.get(&format!("/v1/apps/b/machines/{id}")).await.0, 404);
    assert_eq!(fly.delete(&format!("/v1/apps/b/machines/{id}?force=true")).await.0, 404);
    assert_eq!(fly.get(&format!("/v1/apps/never/machines/{id}")).await.0, 404);
}
