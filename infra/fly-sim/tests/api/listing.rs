use std::time::Duration;

use fly_sim::host::LogLine;
use fly_sim::{HostLatencies, Latencies, Options};
use serde_json::{Value, json};

use crate::harness::{Fly, image, machine};

async fn names(fly: &Fly, query: &str) -> Vec<String> {
    let (status, list) = fly.get(&format!("/v1/apps/a/machines{query}")).await;
    assert_eq!(status, 200);
    let mut names: Vec<_> = list.as_array().unwrap().iter().map(|machine| machine["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn machines_are_listed_by_metadata_state_and_region() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let create = async |name: &str, region: &str, metadata: Value| {
        let id = fly.create(json!({ "name": name, "region": region, "config": { "image": "i", "metadata": metadata } })).await;
        fly.reach(&id, "started").await;
        id
    };
    create("one", "fra", json!({ "owner": "x", "kind": "k" })).await;
    let two = create("two", "cdg", json!({ "owner": "x" })).await;
    let three = create("three", "cdg", json!({ "owner": "y" })).await;
    fly.post(&machine(&two, "/stop"), json!({})).await;
    fly.reach(&two, "stopped").await;
    fly.delete(&machine(&three, "?force=true")).await;
    fly.reach(&three, "destroyed").await;
    assert_eq!(names(&fly, "").await, ["one", "two"]);
    assert_eq!(names(&fly, "?include_deleted=true").await, ["one", "three", "two"]);
    assert_eq!(names(&fly, "?metadata.owner=x").await, ["one", "two"]);
    assert_eq!(names(&fly, "?metadata.owner=x&metadata.kind=k").await, ["one"]);
    assert_eq!(names(&fly, "?metadata.missing=x").await, Vec::<String>::new());
    assert_eq!(names(&fly, "?state=stopped,suspended").await, ["two"]);
    assert_eq!(names(&fly, "?region=fra").await, ["one"]);
    let (_, summary) = fly.get("/v1/apps/a/machines?summary=true").await;
    assert!(summary[0].get("config").is_none());
}

#[tokio::test]
async fn the_organisation_s_machines_come_in_pages() {
    let fly = Fly::new().await;
    for app in ["a", "b", "c"] {
        fly.app(app).await;
        fly.post(&format!("/v1/apps/{app}/machines"), json!({ "name": app, "config": image(), "skip_launch": true })).await;
        fly.post(&format!("/v1/apps/{app}/volumes"), json!({ "name": app, "region": "fra" })).await;
    }
    for kind in ["machines", "volumes"] {
        let (mut cursor, mut seen) = (String::new(), Vec::new());
        loop {
            let (status, page) = fly.get(&format!("/v1/orgs/personal/{kind}?limit=2&cursor={cursor}")).await;
            assert_eq!(status, 200);
            seen.extend(page[kind].as_array().unwrap().iter().map(|row| row["app_name"].as_str().unwrap().to_owned()));
            cursor = page["next_cursor"].as_str().unwrap().to_owned();
            if cursor.is_empty() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, ["a", "b", "c"], "{kind}");
        assert_eq!(fly.get(&format!("/v1/orgs/personal/{kind}?cursor=x!")).await.0, 400);
    }
    assert_eq!(fly.get("/v1/orgs/other/machines").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_shows_what_has_changed_since_as_it_was() {
    const SECOND: Duration = Duration::from_secs(1);
    let latencies = Latencies { list_lag: 3 * SECOND, ..Latencies::default() };
    let fly = Fly::with(HostLatencies::default(), |options| Options { latencies, ..options }).await;
    fly.app("a").await;
    let (dies, stops) =
        (fly.create(json!({ "name": "dies", "config": image() })).await, fly.create(json!({ "name": "stops", "config": image() })).await);
    tokio::time::sleep(10 * SECOND).await;
    fly.delete(&machine(&dies, "?force=true")).await;
    fly.post(&machine(&stops, "/stop"), json!({})).await;
    fly.reach(&dies, "destroyed").await;
    fly.reach(&stops, "stopped").await;
    let shown = async |path: &str| {
        let (_, answer) = fly.get(path).await;
        let rows = answer.get("machines").unwrap_or(&answer).as_array().unwrap().clone();
        let mut shown: Vec<String> = rows.iter().map(|row| format!("{} {}", row["name"], row["state"]).replace('"', "")).collect();
        shown.sort();
        shown
    };
    for path in ["/v1/apps/a/machines", "/v1/orgs/personal/machines"] {
        assert_eq!(shown(path).await, ["dies started", "stops started"], "{path}");
        assert_eq!(shown(&format!("{path}?state=stopped")).await, Vec::<String>::new(), "{path}");
    }
    assert_eq!(fly.state(&stops).await, "stopped", "reading one does not lag");
    tokio::time::advance(2 * SECOND).await;
    fly.post(&machine(&stops, "/start"), json!({})).await;
    fly.reach(&stops, "started").await;
    tokio::time::advance(SECOND).await;
    for path in ["/v1/apps/a/machines", "/v1/orgs/personal/machines"] {
        assert_eq!(shown(path).await, ["stops stopped"], "{path}");
        assert_eq!(shown(&format!("{path}?include_deleted=true")).await, ["dies destroyed", "stops stopped"], "{path}");
    }
    fly.delete("/v1/apps/a").await;
    assert_eq!(fly.get("/v1/apps?org_slug=personal").await.1["apps"][0]["name"], "a");
    tokio::time::advance(3 * SECOND).await;
    assert_eq!(fly.get("/v1/apps?org_slug=personal").await.1["apps"], json!([]));
    assert_eq!(shown("/v1/orgs/personal/machines").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_regions_are_written_in_pascal_case() {
    let fly = Fly::new().await;
    let (_, answer) = fly.get("/v1/platform/regions").await;
    assert_eq!(answer["Regions"].as_array().unwrap().len(), 18);
    assert_eq!(answer["Regions"][0]["code"], "ams");
}

#[tokio::test]
async fn logs_come_in_pages_after_a_token() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    for at in 1..=150 {
        let line =
            LogLine { timestamp_ns: at, machine: id.clone(), region: "iad".into(), level: "info".into(), message: format!("line {at}") };
        fly.host.log("a", line);
    }
    let (status, first) = fly.get("/api/v1/apps/a/logs?next_token=0").await;
    assert_eq!((status, first["data"].as_array().unwrap().len(), &first["meta"]["next_token"]), (200, 100, &json!("100")));
    assert_eq!(first["data"][0]["attributes"]["message"], "line 1");
    let (_, second) = fly.get(&format!("/api/v1/apps/a/logs?next_token=100&instance={id}")).await;
    assert_eq!(second["data"].as_array().unwrap().len(), 50);
    assert_eq!(fly.get("/api/v1/apps/a/logs?next_token=150").await.1, json!({ "data": [], "meta": { "next_token": "150" } }));
    assert_eq!(fly.get("/api/v1/apps/a/logs?next_token=0&instance=other").await.1["data"], json!([]));
    assert_eq!(fly.get("/api/v1/apps/a/logs").await.1["data"], json!([]), "a day back by default");
}
