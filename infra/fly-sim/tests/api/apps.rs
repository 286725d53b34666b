use std::time::Duration;

use fly_sim::Options;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::harness::{Fly, image, machine, text};

#[tokio::test]
async fn an_app_is_created_listed_read_and_deleted() {
    let fly = Fly::new().await;
    let (status, created) =
        fly.post("/v1/apps", json!({ "app_name": "a", "org_slug": "personal", "network": "net-a", "app_role_id": "" })).await;
    assert_eq!(status, 201);
    assert!(created["id"].is_string() && created["created_at"].is_i64(), "{created}");
    let (_, listed) = fly.get("/v1/apps?org_slug=personal").await;
    assert_eq!((&listed["total_apps"], &listed["apps"][0]["network"]), (&json!(1), &json!("net-a")));
    let (_, read) = fly.get("/v1/apps/a").await;
    assert_eq!((&read["id"], &read["organization"]["slug"], &read["status"]), (&created["id"], &json!("personal"), &json!("pending")));
    assert_eq!(fly.delete("/v1/apps/a?force=true").await, (202, Value::Null));
    assert_eq!(fly.get("/v1/apps/a").await.0, 404);
    assert_eq!(fly.get("/v1/apps?org_slug=personal").await.1["total_apps"], 0);
}

#[tokio::test]
async fn the_name_may_be_sent_as_fly_s_own_client_does() {
    let fly = Fly::new().await;
    assert_eq!(fly.post("/v1/apps?wait=true", json!({ "name": "a", "org_slug": "personal", "network": "" })).await.0, 201);
    assert_eq!(fly.get("/v1/apps/a").await.1["network"], "default");
}

#[tokio::test]
async fn a_taken_or_impossible_name_is_refused_in_fly_s_words() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.simulator.take_name("theirs");
    let create = async |name: &str| fly.post("/v1/apps", json!({ "app_name": name, "org_slug": "personal" })).await;
    let taken = (422, json!({ "error": "Validation failed: Name has already been taken", "status": "name_taken" }));
    assert_eq!(create("a").await, taken);
    assert_eq!(create("theirs").await, taken);
    assert_eq!(fly.get("/v1/apps/theirs").await.0, 403);
    assert_eq!(fly.get("/v1/apps/theirs/machines").await.0, 403);
    for name in ["A", "a_b", &"x".repeat(63)] {
        let (status, answer) = create(name).await;
        assert_eq!(
            (status, text(&answer)),
            (422, "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes"),
            "{name}"
        );
    }
    assert_eq!(create(&"x".repeat(62)).await.0, 201);
    assert_eq!(fly.post("/v1/apps", json!({ "app_name": "b", "org_slug": "other" })).await.0, 404);
    assert_eq!(fly.post("/v1/apps", json!({ "app_name": "b", "org_slug": "personal", "network": "1-net" })).await.0, 422);
}

#[tokio::test]
async fn deleting_an_app_takes_all_of_it_along() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let volume = fly.volume("data").await;
    let id = fly.create(json!({ "region": "fra", "config": { "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] } })).await;
    fly.reach(&id, "started").await;
    fly.post("/v1/apps/a/secrets", json!({ "values": { "KEY": "v" } })).await;
    fly.post("/v1/apps/a/ip_assignments", json!({ "type": "v6" })).await;
    assert_eq!(fly.delete("/v1/apps/a").await.0, 202);
    while !fly.simulator.inventory().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(fly.host.running().is_empty());
    assert_eq!(fly.host.volumes(), [volume], "its contents stay for a day");
    let (status, answer) = fly.get(&machine(&id, "")).await;
    assert_eq!((status, text(&answer)), (400, "could not find app \"a\""), "a deleted app is not answered with 404");
}

#[tokio::test]
async fn a_new_app_of_an_old_name_sees_nothing_of_the_old_one() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    fly.volume("data").await;
    fly.delete("/v1/apps/a").await;
    fly.app("a").await;
    assert_eq!(fly.get("/v1/apps/a/machines?include_deleted=true").await.1, json!([]));
    assert_eq!(fly.get("/v1/apps/a/volumes").await.1, json!([]));
    assert_eq!(fly.get(&machine(&id, "")).await.0, 404);
}

#[tokio::test]
async fn nothing_is_answered_without_the_token_but_the_regions() {
    let fly = Fly::with(Default::default(), |options| Options { token: Some("secret".into()), ..options }).await;
    assert_eq!(fly.get("/v1/apps/a/machines").await, (401, json!({ "error": "Authenticate: token validation error" })));
    assert_eq!(fly.get("/v1/apps?org_slug=personal").await, (401, json!({ "message": "Unauthorized" })));
    assert_eq!(fly.get("/v1/platform/regions").await.0, 200);
    for header in ["Bearer secret", "FlyV1 secret"] {
        let answer = fly.send(Method::GET, "/v1/tokens/current", &[("authorization", header)], Value::Null).await;
        assert_eq!(answer.status(), 200);
    }
    let answer = fly.send(Method::GET, "/v1/tokens/current", &[("authorization", "Bearer secre")], Value::Null).await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test(start_paused = true)]
async fn a_deploy_token_is_good_for_its_app_and_for_its_time() {
    let fly = Fly::with(Default::default(), |options| Options { token: Some("secret".into()), ..options }).await;
    let ask = async |token: &str, method: Method, path: &str, body: Value| {
        let answer = fly.send(method, path, &[("authorization", &format!("Bearer {token}"))], body).await;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap_or_default())
    };
    for app in ["a", "b"] {
        ask("secret", Method::POST, "/v1/apps", json!({ "app_name": app, "org_slug": "personal" })).await;
    }
    let (status, made) = ask("secret", Method::POST, "/v1/apps/a/deploy_token", json!({ "expiry": "1h" })).await;
    assert_eq!(status, 200);
    let token = made["token"].as_str().unwrap();
    let seen = async || {
        let mut seen = Vec::new();
        for path in ["/v1/apps/a/machines", "/v1/apps/a", "/v1/apps/b/machines", "/v1/apps/b", "/v1/orgs/personal/machines"] {
            seen.push(ask(token, Method::GET, path, Value::Null).await.0);
        }
        seen.push(ask(token, Method::POST, "/v1/apps", json!({ "app_name": "c", "org_slug": "personal" })).await.0);
        seen
    };
    assert_eq!(seen().await, [200, 200, 403, 403, 403, 403]);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(seen().await, [401; 6]);
    assert_eq!(ask("secret", Method::POST, "/v1/apps/a/deploy_token", json!({ "expiry": "soon" })).await.0, 400);
    assert_eq!(ask("secret", Method::POST, "/v1/apps/none/deploy_token", Value::Null).await.0, 404);
}

#[tokio::test]
async fn what_is_no_endpoint_is_answered_as_by_fly() {
    let fly = Fly::new().await;
    assert_eq!(fly.get("/v1/nothing").await, (404, json!("404 page not found")));
    assert_eq!(fly.call(Method::PATCH, "/v1/apps", Value::Null).await.0, 404);
    for (method, path) in [(Method::GET, "/v1/platform/regions"), (Method::GET, "/v1/nothing"), (Method::PATCH, "/v1/apps")] {
        let answer = fly.send(method, path, &[], Value::Null).await;
        assert!(answer.headers().contains_key("fly-request-id"), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_or_of_the_wrong_type_is_refused() {
    let fly = Fly::new().await;
    fly.app("a").await;
    assert_eq!(fly.post("/v1/apps/a/machines", json!({ "config": { "image": 7 } })).await.0, 400);
    assert_eq!(fly.post("/v1/apps/a/machines", json!([])).await.0, 400);
    assert_eq!(fly.post("/v1/apps/a/secrets", json!({ "values": { "A": 1 } })).await.0, 400);
    assert!(fly.simulator.machines().is_empty());
}
