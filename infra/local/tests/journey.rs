//! What a newcomer does, with the stand-in: create, look, use, stop, start, restart, rename, delete.

mod support;

use reqwest::{Method, StatusCode};
use serde_json::json;
use support::{PATIENCE, handshake, start};

#[tokio::test]
async fn an_instance_lives_and_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    let platform = start(data.path(), &["--gateway", "stand-in", "--port", "0"]);

    let created = platform.create("demo", json!({})).await;
    let (instance, operation) = (created["instance"]["id"].as_str().unwrap(), created["operation"]["id"].as_str().unwrap());
    let ended = platform.ended(operation, PATIENCE).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let steps: Vec<_> = ended["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "create_secret",
            "create_app",
            "set_secrets",
            "assign_ips",
            "create_volume",
            "create_machine",
            "choose_region",
            "await_started",
            "await_healthy",
            "delete_surplus_volumes",
            "in_service",
        ]
    );
    let running = platform.settled(instance, "running", PATIENCE).await;
    let address = running["address"].as_str().unwrap();
    assert!(address.contains(".localhost:"), "{address}");

    let access = platform.ask(instance, "access", None).await;
    let (hello, health) = handshake(address, access["token"].as_str().unwrap()).await;
    assert_eq!((&hello["ok"], &hello["payload"]["protocol"]), (&json!(true), &json!(4)), "{hello}");
    assert_eq!(health["payload"]["ok"], true, "{health}");

    let link = access["link"].as_str().unwrap();
    let entered = platform.page(link, None).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    let cookie = entered.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    assert_eq!(platform.page(&format!("{address}/"), Some(&cookie)).await.status(), StatusCode::OK);
    assert_eq!(platform.page(&format!("{address}/"), None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(platform.page(link, None).await.status(), StatusCode::UNAUTHORIZED, "a link opens once");

    for scope in ["process", "machine"] {
        let answer = platform.ask(instance, "restart", Some(json!({ "scope": scope }))).await;
        let ended = platform.ended(answer["operation"]["id"].as_str().unwrap(), PATIENCE).await;
        assert_eq!(ended["state"], "succeeded", "restart of the {scope}: {ended}");
    }
    platform.ask(instance, "stop", None).await;
    platform.settled(instance, "stopped", PATIENCE).await;
    platform.until_no_process().await;
    platform.ask(instance, "start", None).await;
    platform.settled(instance, "running", PATIENCE).await;

    let (status, renamed) = platform.call(Method::PATCH, &format!("/v1/instances/{instance}"), Some(json!({ "name": "other" }))).await;
    assert_eq!((status, &renamed["name"]), (StatusCode::OK, &json!("other")), "{renamed}");

    let (status, deleting) = platform.call(Method::DELETE, &format!("/v1/instances/{instance}"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{deleting}");
    let ended = platform.ended(deleting["operation"]["id"].as_str().unwrap(), PATIENCE).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(platform.call(Method::GET, &format!("/v1/instances/{instance}"), None).await.0, StatusCode::NOT_FOUND);
    platform.until_no_process().await;
    let index = platform.page(&platform.address, None).await.text().await.unwrap();
    assert!(index.contains("None yet: create an instance.") && index.contains("instance_ready"), "{index}");
    // Its name and its place in the quota are free again.
    platform.create("other", json!({})).await;
}

#[tokio::test]
async fn the_printed_token_survives_a_restart_and_instances_come_back() {
    let data = tempfile::tempdir().unwrap();
    let mut first = start(data.path(), &["--gateway", "stand-in", "--port", "0"]);
    let created = first.create("demo", json!({})).await;
    let instance = created["instance"]["id"].as_str().unwrap().to_owned();
    let running = first.settled(&instance, "running", PATIENCE).await;
    let (token, address) = (first.token.clone(), first.address.clone());
    first.end();
    support::until_no_process(data.path()).await;

    let second = start(data.path(), &["--gateway", "stand-in"]);
    assert_eq!((&second.token, &second.address), (&token, &address));
    let access = second.ask(&instance, "access", None).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    let health = format!("{}/health?until=ready&timeout=20", running["address"].as_str().unwrap());
    while second.page(&health, None).await.status() != StatusCode::OK {
        assert!(std::time::Instant::now() < deadline, "it did not come back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (hello, _) = handshake(running["address"].as_str().unwrap(), access["token"].as_str().unwrap()).await;
    assert_eq!(hello["ok"], true);
}
