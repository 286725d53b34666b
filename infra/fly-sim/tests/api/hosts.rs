use std::time::Duration;

use fly_sim::{Fault, Match};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Fly, image, machine, text};

const SECOND: Duration = Duration::from_secs(1);

/// A started machine on a volume, whose host falls silent.
async fn silent() -> (Fly, String, String) {
    let fly = Fly::new().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let id = fly.started(json!({ "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] })).await;
    fly.simulator.set_host_status(&id, "unreachable");
    (fly, id, volume)
}

#[tokio::test(start_paused = true)]
async fn calls_that_need_a_silent_host_hang_and_then_time_out_without_an_effect() {
    let (fly, id, volume) = silent().await;
    let calls = [
        (Method::POST, machine(&id, "/stop"), json!({})),
        (Method::POST, machine(&id, "/start"), json!({})),
        (Method::POST, machine(&id, "/restart"), Value::Null),
        (Method::POST, machine(&id, "/suspend"), Value::Null),
        (Method::POST, machine(&id, "/signal"), json!({ "signal": "SIGTERM" })),
        (Method::POST, machine(&id, "/cordon"), Value::Null),
        (Method::POST, machine(&id, "/lease"), json!({ "ttl": 10 })),
        (Method::POST, machine(&id, ""), json!({ "config": image() })),
        (Method::PUT, machine(&id, "/metadata"), json!({ "metadata": { "a": "b" } })),
        (Method::PUT, format!("/v1/apps/a/volumes/{volume}/extend"), json!({ "size_gb": 9 })),
    ];
    let before = fly.simulator.machines();
    for (method, path, body) in calls {
        let begun = Instant::now();
        let (status, answer) = fly.call(method, &path, body).await;
        assert_eq!((status, text(&answer)), (408, "deadline_exceeded: request timed out"), "{path}");
        assert_eq!(begun.elapsed().as_secs(), 30, "{path}");
    }
    assert_eq!(fly.simulator.machines(), before);
    assert_eq!(fly.state(&id).await, "started", "reading goes on, from what the platform last knew");
    assert_eq!(fly.get("/v1/apps/a/machines").await.1[0]["host_status"], "unreachable");
    assert_eq!(fly.get(&format!("/v1/apps/a/volumes/{volume}")).await.1["host_status"], "unreachable");
    assert_eq!(fly.simulator.routable("a"), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_host_goes_on_when_it_returns() {
    let (fly, id, _) = silent().await;
    let waiting = tokio::spawn({
        let (fly, path) = (fly.clone(), machine(&id, "/stop"));
        async move { fly.post(&path, json!({})).await }
    });
    tokio::time::sleep(10 * SECOND).await;
    assert!(!waiting.is_finished());
    fly.simulator.set_host_status(&id, "ok");
    assert_eq!(waiting.await.unwrap(), (200, json!({ "ok": true })));
    fly.reach(&id, "stopped").await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_stays_pending_until_the_host_returns_and_the_volume_stays_bound() {
    let (fly, id, volume) = silent().await;
    assert_eq!(fly.delete(&machine(&id, "?force=true")).await, (200, json!({ "ok": true })));
    tokio::time::sleep(3600 * SECOND).await;
    assert_eq!(fly.state(&id).await, "destroying");
    assert_eq!(fly.delete(&format!("/v1/apps/a/volumes/{volume}")).await.0, 412);
    fly.simulator.set_host_status(&id, "ok");
    fly.reach(&id, "destroyed").await;
    assert_eq!(fly.delete(&format!("/v1/apps/a/volumes/{volume}")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_volume_s_deletion_stays_pending_until_its_host_returns() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.app("b").await;
    let volume = fly.volume("data").await;
    let (_, other) = fly.post("/v1/apps/b/volumes", json!({ "name": "data", "region": "fra" })).await;
    let path = format!("/v1/apps/a/volumes/{volume}");
    for id in [volume.as_str(), other["id"].as_str().unwrap()] {
        fly.simulator.set_host_status(id, "unreachable");
    }
    for _ in 0..2 {
        let (status, ordered) = fly.delete(&path).await;
        assert_eq!((status, &ordered["state"]), (200, &json!("scheduling_destroy")));
    }
    assert_eq!(fly.delete("/v1/apps/b").await.0, 202, "an app's volumes wait likewise");
    tokio::time::sleep(48 * 3600 * SECOND).await;
    assert_eq!(fly.get(&path).await.1["state"], "scheduling_destroy", "the day for which it can be named has not begun");
    let mut left = fly.simulator.inventory().volumes;
    left.sort();
    assert_eq!(left, ["a/data", "b/data"]);
    let mounting = json!({ "config": { "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] } });
    fly.simulator.set_host_status(&volume, "ok");
    assert_eq!(fly.post("/v1/apps/a/machines", mounting).await.0, 404, "it is as good as gone");
    fly.simulator.set_host_status(other["id"].as_str().unwrap(), "ok");
    tokio::time::sleep(SECOND).await;
    assert_eq!(fly.get(&path).await.1["state"], "pending_destroy");
    assert!(fly.simulator.inventory().volumes.is_empty());
    tokio::time::sleep(24 * 3600 * SECOND).await;
    assert_eq!(fly.get(&path).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_machine_cannot_be_made_on_a_volume_out_of_reach() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    fly.simulator.set_host_status(&volume, "unreachable");
    let body = json!({ "config": { "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] } });
    assert_eq!(fly.post("/v1/apps/a/machines", body.clone()).await.0, 408);
    assert!(fly.simulator.machines().is_empty());
    fly.simulator.set_host_status(&volume, "ok");
    assert_eq!(fly.post("/v1/apps/a/machines", body).await.0, 200);
}

#[tokio::test]
async fn a_host_of_which_nothing_is_known_still_answers() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    fly.simulator.set_host_status(&id, "unknown");
    assert_eq!(fly.get(&machine(&id, "")).await.1.get("config"), None);
    assert_eq!(fly.post(&machine(&id, "/stop"), json!({})).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_out_takes_its_machines_from_the_organisation_s_list_and_says_so() {
    let fly = Fly::new().await;
    fly.app("a").await;
    for (name, region) in [("one", "fra"), ("two", "cdg")] {
        let id = fly.create(json!({ "name": name, "region": region, "config": image() })).await;
        fly.reach(&id, "started").await;
    }
    fly.simulator.set_region_out("fra", true);
    let (_, page) = fly.get("/v1/orgs/personal/machines").await;
    assert_eq!(page["error_regions"], json!(["fra"]));
    assert_eq!(page["machines"].as_array().unwrap().iter().map(|row| &row["name"]).collect::<Vec<_>>(), ["two"]);
    assert_eq!(fly.post("/v1/apps/a/machines", json!({ "region": "fra", "config": image() })).await.0, 422);
    assert_eq!(fly.simulator.routable("a").map(|machine| machine.region), Some("cdg".to_owned()));
    fly.simulator.set_region_out("fra", false);
    let (_, page) = fly.get("/v1/orgs/personal/machines").await;
    assert_eq!((&page["error_regions"], page["machines"].as_array().unwrap().len()), (&json!([]), 2));
}

#[tokio::test]
async fn a_page_may_be_short_or_empty_while_more_remain() {
    let fly = Fly::new().await;
    fly.app("a").await;
    for name in ["one", "two", "three"] {
        fly.create(json!({ "name": name, "config": image(), "skip_launch": true })).await;
    }
    for (nth, rows) in (1..).zip([0, 1, 0, 2]) {
        fly.simulator.script().on(Match::action("list_org_machines").nth(nth)).then(Fault::ShortPage(rows));
    }
    let (mut cursor, mut lengths) = (String::new(), Vec::new());
    loop {
        let (status, page) = fly.get(&format!("/v1/orgs/personal/machines?updated_after=2020-01-01T00:00:00Z&cursor={cursor}")).await;
        assert_eq!(status, 200);
        lengths.push(page["machines"].as_array().unwrap().len());
        cursor = page["next_cursor"].as_str().unwrap().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(lengths, [0, 1, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_read_may_not_know_what_has_just_been_made() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    let volume = fly.volume("data").await;
    let lagging = [
        ("get_app", "/v1/apps/a".to_owned()),
        ("get_machine", machine(&id, "")),
        ("wait_machine", machine(&id, "/wait")),
        ("get_volume", format!("/v1/apps/a/volumes/{volume}")),
    ];
    for after in [Duration::ZERO, 2 * SECOND] {
        tokio::time::advance(after).await;
        for (action, path) in &lagging {
            fly.simulator.script().on(Match::action(action)).then(Fault::Lag(SECOND));
            assert_eq!(fly.get(path).await.0, if after.is_zero() { 404 } else { 200 }, "{action}");
        }
    }
    fly.simulator.script().on(Match::action("list_machines")).then(Fault::Lag(10 * SECOND));
    assert_eq!(fly.get("/v1/apps/a/machines").await.1, json!([]));
}
