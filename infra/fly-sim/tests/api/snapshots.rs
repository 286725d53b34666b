use std::time::Duration;

use fly_sim::{HostLatencies, Latencies, Options};
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Fly, machine, text};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Snapshots wait and run for ten seconds each, copies take a minute.
async fn slow() -> Fly {
    let latencies = Latencies { snapshot: 10 * SECOND, hydrate: 60 * SECOND, ..Latencies::default() };
    Fly::with(HostLatencies::default(), |options| Options { latencies, ..options }).await
}

fn of(volume: &str) -> String {
    format!("/v1/apps/a/volumes/{volume}/snapshots")
}

async fn statuses(fly: &Fly, volume: &str) -> Vec<String> {
    let (status, list) = fly.get(&of(volume)).await;
    assert_eq!(status, 200, "{list}");
    list.as_array().unwrap().iter().map(|snapshot| snapshot["status"].as_str().unwrap().to_owned()).collect()
}

/// Takes a snapshot and gives its identifier.
async fn taken(fly: &Fly, volume: &str) -> String {
    assert_eq!(fly.post(&of(volume), Value::Null).await, (200, Value::Null), "the answer names nothing");
    while statuses(fly, volume).await.first().is_none_or(|newest| newest != "created") {
        tokio::time::sleep(SECOND).await;
    }
    fly.get(&of(volume)).await.1[0]["id"].as_str().unwrap().to_owned()
}

async fn made_from(fly: &Fly, app: &str, source: Value) -> (u16, Value) {
    let mut body = json!({ "name": "copy" });
    body.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    fly.post(&format!("/v1/apps/{app}/volumes"), body).await
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_waits_runs_and_is_created_and_there_is_one_at_a_time() {
    let fly = slow().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    fly.host.write(&volume, "then");
    assert_eq!(fly.get(&of(&volume)).await, (200, json!([])));
    assert_eq!(fly.post(&of(&volume), Value::Null).await.0, 200);
    assert_eq!(statuses(&fly, &volume).await, ["waiting"]);
    let (status, refused) = fly.post(&of(&volume), Value::Null).await;
    assert_eq!(status, 412);
    assert!(text(&refused).starts_with("failed_precondition: snapshot is already scheduled at 2"), "{refused}");
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(statuses(&fly, &volume).await, ["running"]);
    tokio::time::sleep(10 * SECOND).await;
    let (_, list) = fly.get(&of(&volume)).await;
    let snapshot = &list[0];
    assert_eq!((&snapshot["status"], &snapshot["size"], &snapshot["retention_days"]), (&json!("created"), &json!(4), &json!(5)));
    assert!(snapshot["id"].as_str().unwrap().starts_with("vs_"), "{snapshot}");
    assert_eq!(fly.get(&of("vol_none")).await.0, 404);
    assert_eq!(fly.post(&of("vol_none"), Value::Null).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_restored_as_it_was_when_the_snapshot_was_taken() {
    let fly = slow().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    fly.host.write(&volume, "then");
    let snapshot = taken(&fly, &volume).await;
    fly.host.write(&volume, "now");
    let (status, restored) = made_from(&fly, "a", json!({ "snapshot_id": snapshot, "region": "cdg" })).await;
    assert_eq!((status, &restored["state"], &restored["region"]), (200, &json!("restoring"), &json!("cdg")));
    let id = restored["id"].as_str().unwrap();
    let mounting = json!({ "config": { "image": "i", "mounts": [{ "volume": id, "path": "/data" }] } });
    let (status, refused) = fly.post("/v1/apps/a/machines", mounting.clone()).await;
    assert_eq!((status, text(&refused).contains("restoring")), (412, true), "{refused}");
    tokio::time::sleep(61 * SECOND).await;
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{id}")).await.1["state"], "created");
    assert_eq!(fly.host.contents(id).as_deref(), Some("then"));
    assert_eq!(fly.post("/v1/apps/a/machines", mounting).await.0, 200);
    // Another app of the organisation may have it too.
    fly.app("b").await;
    assert_eq!(made_from(&fly, "b", json!({ "snapshot_id": snapshot })).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_restored_is_refused() {
    let fly = slow().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    fly.put(&format!("/v1/apps/a/volumes/{volume}/extend"), json!({ "size_gb": 4 })).await;
    fly.post(&of(&volume), Value::Null).await;
    let waiting = fly.get(&of(&volume)).await.1[0]["id"].clone();
    assert_eq!(made_from(&fly, "a", json!({ "snapshot_id": waiting })).await.0, 412);
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(made_from(&fly, "a", json!({ "snapshot_id": waiting, "size_gb": 3 })).await.0, 400, "never smaller");
    assert_eq!(made_from(&fly, "a", json!({ "snapshot_id": waiting, "source_volume_id": volume })).await.0, 400);
    assert_eq!(made_from(&fly, "a", json!({ "snapshot_id": "vs_none" })).await.0, 404);
    assert_eq!(made_from(&fly, "a", json!({ "source_volume_id": "vol_none" })).await.0, 404);
    assert_eq!(made_from(&fly, "a", json!({ "snapshot_id": waiting })).await.1["size_gb"], 4);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_outlives_its_volume_and_ends_with_the_retention_it_was_taken_under() {
    let fly = slow().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let path = format!("/v1/apps/a/volumes/{volume}");
    fly.put(&path, json!({ "snapshot_retention": 3 })).await;
    fly.host.write(&volume, "kept");
    let snapshot = taken(&fly, &volume).await;
    fly.put(&path, json!({ "snapshot_retention": 60 })).await;
    fly.delete(&path).await;
    tokio::time::advance(2 * DAY).await;
    assert_eq!(fly.get(&path).await.0, 404, "the volume is gone");
    assert_eq!(statuses(&fly, &volume).await, ["created"]);
    assert_eq!(fly.post(&of(&volume), Value::Null).await.0, 404);
    let (_, restored) = made_from(&fly, "a", json!({ "snapshot_id": snapshot })).await;
    tokio::time::sleep(61 * SECOND).await;
    assert_eq!(fly.host.contents(restored["id"].as_str().unwrap()).as_deref(), Some("kept"));
    tokio::time::advance(DAY).await;
    assert_eq!(fly.get(&of(&volume)).await.0, 404);
    assert_eq!(made_from(&fly, "a", json!({ "snapshot_id": snapshot })).await.0, 404);
    assert!(fly.host.snapshots().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_what_its_source_holds_now_and_can_be_mounted_while_it_hydrates() {
    let fly = slow().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let id = fly.started(json!({ "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] })).await;
    fly.host.write(&volume, "now");
    let (status, fork) = made_from(&fly, "a", json!({ "source_volume_id": volume })).await;
    assert_eq!((status, &fork["state"], &fork["region"], &fork["size_gb"]), (200, &json!("hydrating"), &json!("fra"), &json!(1)));
    fly.host.write(&volume, "later");
    let forked = fork["id"].as_str().unwrap();
    let body = json!({ "config": { "image": "i", "mounts": [{ "volume": forked, "path": "/data" }] } });
    assert_eq!(fly.post("/v1/apps/a/machines", body).await.0, 200);
    tokio::time::sleep(61 * SECOND).await;
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{forked}")).await.1["state"], "created");
    assert_eq!(fly.host.contents(forked).as_deref(), Some("now"));
    fly.app("b").await;
    assert_eq!(made_from(&fly, "b", json!({ "source_volume_id": volume })).await.0, 404, "only within the app");
    fly.simulator.set_host_status(&id, "unreachable");
    assert_eq!(made_from(&fly, "a", json!({ "source_volume_id": volume })).await.0, 412, "its host must answer");
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_takes_no_snapshots_and_gives_back_what_was_taken_before() {
    let fly = slow().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    fly.host.write(&volume, "before");
    let snapshot = taken(&fly, &volume).await;
    fly.simulator.set_host_status(&volume, "unreachable");
    assert_eq!(fly.post(&of(&volume), Value::Null).await.0, 408);
    let (status, restored) = made_from(&fly, "a", json!({ "snapshot_id": snapshot })).await;
    assert_eq!(status, 200, "snapshots lie elsewhere");
    tokio::time::sleep(61 * SECOND).await;
    assert_eq!(fly.host.contents(restored["id"].as_str().unwrap()).as_deref(), Some("before"));
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let host = std::sync::Arc::new(fly_sim::VirtualHost::default());
    let open = async |latencies: Latencies| {
        let (data, host) = (Some(folder.path().to_owned()), host.clone());
        Fly::with(HostLatencies::default(), |options| Options { data, host, latencies, ..options }).await
    };
    let fly = open(Latencies { snapshot: 10 * SECOND, hydrate: DAY, ..Latencies::default() }).await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    host.write(&volume, "kept");
    let snapshot = taken(&fly, &volume).await;
    let (_, restored) = made_from(&fly, "a", json!({ "snapshot_id": snapshot })).await;
    fly.post(&of(&volume), Value::Null).await;
    // As after `kill -9`: nobody tells the first simulator to end.
    let again = open(Latencies::default()).await;
    let restored = restored["id"].as_str().unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(again.get(&format!("/v1/apps/a/volumes/{restored}")).await.1["state"], "created");
    assert_eq!(host.contents(restored).as_deref(), Some("kept"));
    assert_eq!(statuses(&again, &volume).await, ["created", "created"]);
}

#[tokio::test(start_paused = true)]
async fn volumes_are_kept_day_by_day_where_that_is_wanted() {
    let fly = Fly::with(HostLatencies::default(), |options| Options { daily_snapshots: true, ..options }).await;
    fly.app("a").await;
    let (kept, left) = (fly.volume("kept").await, fly.volume("left").await);
    fly.put(&format!("/v1/apps/a/volumes/{left}"), json!({ "auto_backup_enabled": false })).await;
    tokio::time::sleep(9 * DAY).await;
    let count = statuses(&fly, &kept).await.len();
    assert!((4..=5).contains(&count), "{count}: one a day, each kept for five");
    assert!(statuses(&fly, &left).await.is_empty());
}

#[tokio::test]
async fn deleting_an_app_leaves_its_snapshots_to_whoever_knows_them() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    fly.host.write(&volume, "kept");
    let snapshot = taken(&fly, &volume).await;
    assert_eq!(fly.call(Method::DELETE, "/v1/apps/a?force=true", Value::Null).await.0, 202);
    assert_eq!(fly.get(&of(&volume)).await.0, 400);
    assert_eq!(fly.get(&machine("none", "")).await.0, 400);
    fly.app("b").await;
    let (status, restored) = made_from(&fly, "b", json!({ "snapshot_id": snapshot })).await;
    assert_eq!(status, 200, "{restored}");
}
