use std::time::Duration;

use fly_sim::{HostLatencies, Latencies, Options};
use serde_json::{Value, json};

use crate::harness::{Fly, machine, text};

fn mounting(volume: &str) -> Value {
    json!({ "config": { "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] } })
}

#[tokio::test]
async fn two_volumes_may_have_one_name() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let (first, second) = (fly.volume("data").await, fly.volume("data").await);
    assert_ne!(first, second);
    let (_, list) = fly.get("/v1/apps/a/volumes").await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!((&list[0]["attached_machine_id"], &list[0]["state"]), (&Value::Null, &json!("created")));
    assert_eq!(fly.simulator.inventory().volumes, ["a/data", "a/data"]);
}

#[tokio::test]
async fn a_volume_is_updated_and_grows_but_never_shrinks() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let id = fly.volume("data").await;
    let path = format!("/v1/apps/a/volumes/{id}");
    let (_, updated) = fly.put(&path, json!({ "snapshot_retention": 9, "auto_backup_enabled": null })).await;
    assert_eq!((&updated["snapshot_retention"], &updated["auto_backup_enabled"]), (&json!(9), &json!(true)));
    assert_eq!(fly.put(&path, json!({ "snapshot_retention": 61 })).await.0, 400);
    let (_, extended) = fly.put(&format!("{path}/extend"), json!({ "size_gb": 4 })).await;
    assert_eq!((&extended["volume"]["size_gb"], &extended["needs_restart"]), (&json!(4), &json!(false)));
    assert_eq!(fly.put(&format!("{path}/extend"), json!({ "size_gb": 3 })).await.0, 400);
    assert_eq!(fly.get(&path).await.1["size_gb"], 4);
}

#[tokio::test]
async fn a_volume_that_cannot_be_is_refused() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let bad = [
        json!({ "name": "Data", "region": "fra" }),
        json!({ "name": "", "region": "fra" }),
        json!({ "name": "x".repeat(31), "region": "fra" }),
        json!({ "name": "data", "region": "fra", "size_gb": 501 }),
        json!({ "name": "data", "region": "fra", "size_gb": 0 }),
        json!({ "name": "data", "region": "moon" }),
        json!({ "name": "data", "region": "fra", "fstype": "xfs" }),
        json!({ "name": "data", "region": "fra", "compute": { "cpu_kind": "shared", "cpus": 3 } }),
    ];
    for body in bad {
        assert_eq!(fly.post("/v1/apps/a/volumes", body.clone()).await.0, 400, "{body}");
    }
    assert!(fly.host.volumes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_volume_belongs_to_one_machine_until_that_one_is_destroyed() {
    let fly = Fly::with(HostLatencies { destroy: Duration::from_secs(5), ..HostLatencies::default() }, |options: Options| options).await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let path = format!("/v1/apps/a/volumes/{volume}");
    let id = fly.create(mounting(&volume)).await;
    let (_, mine) = fly.get(&machine(&id, "")).await;
    assert_eq!(mine["region"], "fra", "the volume pins the machine to its region");
    assert_eq!(fly.get(&path).await.1["attached_machine_id"], json!(id));
    let (status, answer) = fly.post("/v1/apps/a/machines", mounting(&volume)).await;
    assert_eq!(status, 412);
    assert!(text(&answer).contains(&format!("volume already claimed by machine {id}")), "{answer}");
    let bound = (412, json!({ "error": format!("failed_precondition: volume is currently bound to machine: {id}") }));
    assert_eq!(fly.delete(&path).await, bound);
    fly.delete(&machine(&id, "?force=true")).await;
    assert_eq!(fly.delete(&path).await, bound, "until the destruction is done");
    fly.reach(&id, "destroyed").await;
    let (status, deleted) = fly.delete(&path).await;
    assert_eq!((status, &deleted["state"]), (200, &json!("pending_destroy")));
    assert_eq!(fly.post("/v1/apps/a/machines", mounting(&volume)).await.0, 404);
}

#[tokio::test]
async fn a_full_region_refuses_a_machine_on_its_volume_in_another_way() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    fly.simulator.set_region_full("fra", true);
    let text = format!("insufficient resources to create new machine with existing volume id '{volume}'");
    assert_eq!(
        fly.post("/v1/apps/a/machines", mounting(&volume)).await,
        (412, json!({ "error": text, "status": "volume_placement_capacity" }))
    );
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{volume}")).await.1["attached_machine_id"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_volume_can_be_named_for_a_day() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let path = format!("/v1/apps/a/volumes/{volume}");
    fly.delete(&path).await;
    assert_eq!(fly.delete(&path).await.0, 200, "again, without an effect");
    assert!(fly.simulator.inventory().volumes.is_empty());
    assert_eq!(fly.get("/v1/apps/a/volumes").await.1[0]["state"], "pending_destroy");
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    assert_eq!(fly.get(&path).await.0, 404);
    assert_eq!(fly.get("/v1/apps/a/volumes").await.1, json!([]));
    assert!(fly.host.volumes().is_empty(), "and then its contents are gone");
}

#[tokio::test(start_paused = true)]
async fn a_volume_passes_through_every_state_that_takes_its_time() {
    const SECOND: Duration = Duration::from_secs(1);
    let latencies = Latencies { volume: 10 * SECOND, hydrate: 60 * SECOND, ..Latencies::default() };
    let fly = Fly::with(HostLatencies::default(), |options| Options { latencies, ..options }).await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let path = format!("/v1/apps/a/volumes/{volume}");
    let state = async |path: &str, after: u32| {
        tokio::time::sleep(after * SECOND).await;
        fly.get(path).await.1["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&path, 9).await, "creating");
    let (status, refused) = fly.post("/v1/apps/a/machines", mounting(&volume)).await;
    assert_eq!((status, text(&refused).contains("currently creating")), (412, true), "{refused}");
    assert_eq!(state(&path, 2).await, "created");
    let (_, extended) = fly.put(&format!("{path}/extend"), json!({ "size_gb": 4 })).await;
    assert_eq!((&extended["volume"]["state"], state(&path, 11).await), (&json!("extending"), "created".to_owned()));

    let (_, fork) = fly.post("/v1/apps/a/volumes", json!({ "name": "fork", "source_volume_id": volume })).await;
    let fork = format!("/v1/apps/a/volumes/{}", fork["id"].as_str().unwrap());
    assert_eq!(state(&fork, 1).await, "creating");
    assert_eq!(state(&fork, 10).await, "enabling_remote_export");
    assert_eq!(state(&fork, 10).await, "hydrating");
    assert_eq!(state(&fork, 60).await, "created");

    fly.post(&format!("{path}/snapshots"), Value::Null).await;
    tokio::time::sleep(SECOND).await;
    let snapshot = fly.get(&format!("{path}/snapshots")).await.1[0]["id"].clone();
    let (_, restored) = fly.post("/v1/apps/a/volumes", json!({ "name": "restored", "snapshot_id": snapshot })).await;
    let restored = format!("/v1/apps/a/volumes/{}", restored["id"].as_str().unwrap());
    assert_eq!(state(&restored, 1).await, "creating");
    assert_eq!(state(&restored, 10).await, "restoring");
    assert_eq!(state(&restored, 60).await, "created");

    assert_eq!(fly.delete(&path).await.1["state"], "scheduling_destroy");
    assert_eq!(state(&path, 9).await, "scheduling_destroy");
    assert_eq!(state(&path, 2).await, "pending_destroy");
}

#[tokio::test(start_paused = true)]
async fn lists_may_lag_behind() {
    let latencies = Latencies { list_lag: Duration::from_secs(1), ..Latencies::default() };
    let fly = Fly::with(HostLatencies::default(), |options| Options { latencies, ..options }).await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let id = fly.create(mounting(&volume)).await;
    assert_eq!(fly.get("/v1/apps/a/volumes").await.1, json!([]));
    assert_eq!(fly.get("/v1/apps/a/machines").await.1, json!([]));
    assert_eq!(fly.get(&machine(&id, "")).await.0, 200, "reading one does not lag");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(fly.get("/v1/apps/a/machines").await.1[0]["id"], json!(id));
    fly.delete(&machine(&id, "?force=true")).await;
    fly.reach(&id, "destroyed").await;
    fly.delete(&format!("/v1/apps/a/volumes/{volume}")).await;
    assert_eq!(fly.get("/v1/apps/a/volumes").await.1[0]["state"], "created");
}
