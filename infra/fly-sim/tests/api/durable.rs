use std::path::Path;
use std::time::Duration;

use fly_sim::{HostLatencies, OpenError, Options, Simulator};
use serde_json::json;

use crate::harness::{Fly, image, machine};

async fn on(folder: &Path) -> Fly {
    Fly::with(HostLatencies::default(), |options| Options { data: Some(folder.to_owned()), ..options }).await
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart_and_what_ran_runs_again() {
    let folder = tempfile::tempdir().unwrap();
    let fly = on(folder.path()).await;
    fly.app("a").await;
    fly.post("/v1/apps/a/secrets", json!({ "values": { "A": "1" } })).await;
    fly.post("/v1/apps/a/ip_assignments", json!({ "type": "shared_v4" })).await;
    let volume = fly.volume("data").await;
    let mounts = json!([{ "volume": volume, "path": "/data" }]);
    let runs = fly.create(json!({ "name": "runs", "config": { "image": "i", "mounts": mounts } })).await;
    let rests = fly.create(json!({ "name": "rests", "config": image(), "skip_launch": true })).await;
    fly.reach(&runs, "started").await;
    fly.reach(&rests, "stopped").await;
    let before = fly.simulator.inventory();
    let (_, running) = fly.get(&machine(&runs, "")).await;
    fly.simulator.shutdown().await;
    drop(fly);

    let fly = on(folder.path()).await;
    assert_eq!(fly.simulator.inventory(), before);
    fly.reach(&runs, "started").await;
    assert_eq!(fly.state(&rests).await, "stopped");
    let boots = fly.host.boots();
    assert_eq!((boots.len(), &boots[0].machine, boots[0].secrets["A"].as_str()), (1, &runs, "1"));
    let (_, again) = fly.get(&machine(&runs, "")).await;
    assert_eq!((&again["instance_id"], &again["config"]), (&running["instance_id"], &running["config"]));
}

#[tokio::test(start_paused = true)]
async fn a_transient_state_settles_after_a_restart_without_a_farewell() {
    let folder = tempfile::tempdir().unwrap();
    let endless = HostLatencies { boot: Duration::from_secs(1_000_000), ..HostLatencies::default() };
    let fly = Fly::with(endless, |options| Options { data: Some(folder.path().to_owned()), ..options }).await;
    fly.app("a").await;
    let (booting, dying) = (
        fly.create(json!({ "name": "booting", "config": image() })).await,
        fly.create(json!({ "name": "dying", "config": image() })).await,
    );
    while fly.state(&dying).await != "starting" {
        tokio::task::yield_now().await;
    }
    fly.delete(&machine(&dying, "?force=true")).await;
    // As after `kill -9`: nobody told the first simulator to end, and its workers still hang in their boots.
    let second = on(folder.path()).await;
    second.reach(&booting, "started").await;
    second.reach(&dying, "destroyed").await;
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(on(folder.path()).await);
    let file = rusqlite::Connection::open(folder.path().join("fly.sqlite")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let outcome = Simulator::open(Options { data: Some(folder.path().to_owned()), ..Options::virtual_machines() }).await;
    assert!(matches!(outcome, Err(OpenError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn a_file_of_the_first_version_is_read_with_what_it_lacked() {
    let folder = tempfile::tempdir().unwrap();
    let fly = on(folder.path()).await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let id = fly.create(json!({ "name": "m", "config": image(), "skip_launch": true })).await;
    fly.reach(&id, "stopped").await;
    fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": "www.example.com" })).await;
    fly.simulator.shutdown().await;
    drop(fly);
    let file = rusqlite::Connection::open(folder.path().join("fly.sqlite")).unwrap();
    file.execute_batch(
        r#"UPDATE records SET body = json_remove(body, '$.host_status', '$.source') WHERE kind = 'volume';
           UPDATE records SET body = json_remove(body, '$.memory_limit_mb') WHERE kind = 'machine';
           UPDATE records SET body = json_remove(body, '$.certificates."www.example.com".acme', '$.certificates."www.example.com".custom',
               '$.certificates."www.example.com".updated_at') WHERE kind = 'app';
           PRAGMA user_version = 1;"#,
    )
    .unwrap();
    drop(file);

    let fly = on(folder.path()).await;
    assert_eq!(fly.get("/v1/apps/a/certificates/www.example.com").await.1["status"], "pending_validation");
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{volume}")).await.1["host_status"], "ok");
    assert_eq!(fly.state(&id).await, "stopped");
}

#[tokio::test]
async fn a_change_that_cannot_be_stored_is_refused_and_has_not_happened() {
    let folder = tempfile::tempdir().unwrap();
    let fly = on(folder.path()).await;
    fly.app("a").await;
    let file = rusqlite::Connection::open(folder.path().join("fly.sqlite")).unwrap();
    file.execute_batch("CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END;").unwrap();
    assert_eq!(fly.post("/v1/apps", json!({ "app_name": "b", "org_slug": "personal" })).await.0, 500);
    assert_eq!(fly.post("/v1/apps/a/machines", json!({ "config": image() })).await.0, 500);
    assert_eq!((fly.get("/v1/apps/b").await.0, fly.simulator.machines().len()), (404, 0));
    file.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(fly.post("/v1/apps", json!({ "app_name": "b", "org_slug": "personal" })).await.0, 201);
}
