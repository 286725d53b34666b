use std::time::Duration;

use fly_sim::Capacity;
use serde_json::{Value, json};

use crate::harness::{Fly, machine};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A started machine on a volume that holds something, with the machine as it is read.
async fn on_a_volume() -> (Fly, String, String, Value) {
    let fly = Fly::new().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let id = fly.started(json!({ "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] })).await;
    fly.host.write(&volume, "state");
    let (_, read) = fly.get(&machine(&id, "")).await;
    (fly, id, volume, read)
}

/// The volume that a machine names, after a look at everything that a migration changes and at what it does not.
async fn moved(fly: &Fly, id: &str, old: &str, before: &Value) -> String {
    let (_, after) = fly.get(&machine(id, "")).await;
    let new = after["config"]["mounts"][0]["volume"].as_str().unwrap();
    assert_ne!(new, old);
    assert_ne!(after["private_ip"], before["private_ip"]);
    assert_eq!([&after["id"], &after["name"], &after["region"]], [&before["id"], &before["name"], &before["region"]]);
    assert_eq!(fly.host.contents(new).as_deref(), Some("state"), "an exact copy");
    let (_, taken) = fly.get(&format!("/v1/apps/a/volumes/{new}")).await;
    assert_eq!((&taken["attached_machine_id"], &taken["name"], &taken["size_gb"]), (&json!(id), &json!("data"), &json!(1)));
    let (_, left) = fly.get(&format!("/v1/apps/a/volumes/{old}")).await;
    assert_eq!((&left["state"], &left["attached_machine_id"]), (&json!("pending_destroy"), &Value::Null));
    new.to_owned()
}

fn launches(events: &Value) -> Vec<bool> {
    let launches = events.as_array().unwrap().iter().filter(|event| event["type"] == "launch");
    launches.map(|event| event["request"]["migrated"] == true).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stopped_machine_has_another_volume_and_another_address_after_a_migration() {
    let (fly, id, old, before) = on_a_volume().await;
    fly.post(&machine(&id, "/stop"), json!({})).await;
    fly.reach(&id, "stopped").await;
    fly.simulator.set_host_full(&id, Some(Capacity::HostMemory));
    assert!(fly.simulator.migrate(&id).await);
    let new = moved(&fly, &id, &old, &before).await;
    assert_eq!(fly.state(&id).await, "stopped");
    assert_eq!(fly.simulator.inventory().volumes, ["a/data"]);

    let (status, started) = fly.post(&machine(&id, "/start"), json!({})).await;
    assert_eq!((status, started), (200, json!({ "previous_state": "stopped", "migrated": false, "new_host": "" })), "it has room there");
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots().last().unwrap().config["mounts"][0]["volume"], json!(new));
    assert_eq!(launches(&fly.get(&machine(&id, "/events")).await.1), [true, false], "newest first");

    tokio::time::advance(6 * DAY).await;
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{old}")).await.0, 200, "a week");
    tokio::time::advance(DAY).await;
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{old}")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_running_machine_is_stopped_for_a_migration_and_booted_where_it_goes() {
    let (fly, id, old, before) = on_a_volume().await;
    assert!(fly.simulator.migrate(&id).await);
    fly.reach(&id, "started").await;
    moved(&fly, &id, &old, &before).await;
    assert_eq!(fly.host.boots().len(), 2);
    assert_eq!(launches(&fly.get(&machine(&id, "/events")).await.1), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_start_may_migrate_and_then_what_was_frozen_boots() {
    let (fly, id, old, before) = on_a_volume().await;
    assert!(!fly.simulator.migrate_at_start(&id), "it runs");
    fly.post(&machine(&id, "/suspend"), json!({})).await;
    fly.reach(&id, "suspended").await;
    assert!(fly.simulator.migrate_at_start(&id));
    let (_, started) = fly.post(&machine(&id, "/start"), json!({})).await;
    assert_eq!((&started["migrated"], started["new_host"] == ""), (&json!(true), false));
    fly.reach(&id, "started").await;
    moved(&fly, &id, &old, &before).await;
    assert_eq!(fly.host.boots().len(), 2);
    fly.post(&machine(&id, "/stop"), json!({})).await;
    fly.reach(&id, "stopped").await;
    assert_eq!(fly.post(&machine(&id, "/start"), json!({})).await.1["migrated"], false, "once");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_or_out_of_reach_is_not_migrated() {
    let (fly, id, volume, before) = on_a_volume().await;
    fly.simulator.set_host_status(&id, "unreachable");
    assert!(!fly.simulator.migrate(&id).await);
    fly.simulator.set_host_status(&id, "ok");
    fly.delete(&machine(&id, "?force=true")).await;
    assert!(!fly.simulator.migrate(&id).await);
    fly.reach(&id, "destroyed").await;
    assert!(!fly.simulator.migrate(&id).await && !fly.simulator.migrate("00000000000000").await);
    assert_eq!(fly.get(&machine(&id, "")).await.1["private_ip"], before["private_ip"]);
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{volume}")).await.1["state"], "created");
}
