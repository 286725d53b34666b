//! The life of an instance, each of whose steps is done by a built function.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::Check;
use crate::customer::Customer;

pub(crate) async fn an_instance_lives(check: &mut Check) {
    let platform = check.platform(Some(Duration::from_secs(5))).await;
    let customer = Customer::new(&platform);
    let created = customer.create("demo").await;
    let instance = created["instance"]["id"].as_str().unwrap();
    let ended = customer.ended(created["operation"]["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let path = format!("/v1/instances/{instance}");
    let running = customer.settled(instance, "running").await;
    let health = format!("{}/health", running["address"].as_str().unwrap());
    assert_eq!(shell::http_client().unwrap().get(health).send().await.unwrap().status(), StatusCode::OK);

    for scope in ["process", "machine"] {
        let answer = customer.ask(Method::POST, &format!("{path}/restart"), Some(json!({ "scope": scope })), scope).await;
        let ended = customer.ended(answer["operation"]["id"].as_str().unwrap()).await;
        assert_eq!(ended["state"], "succeeded", "restart of the {scope}: {ended}");
    }
    customer.ask(Method::POST, &format!("{path}/stop"), None, "stop").await;
    customer.settled(instance, "stopped").await;
    customer.ask(Method::POST, &format!("{path}/start"), None, "start").await;
    customer.settled(instance, "running").await;
    let renamed = customer.ask(Method::PATCH, &path, Some(json!({ "name": "other" })), "rename").await;
    assert_eq!(renamed["name"], "other");
    let answer = customer.ask(Method::POST, &format!("{path}/access"), None, "access").await;
    assert!(answer["token"].is_string(), "{answer}");
    let (status, list) = customer.get("/v1/instances?limit=1").await;
    assert_eq!((status, list["instances"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)));
    let (status, _) = customer.get(&format!("{path}/operations")).await;
    assert_eq!(status, StatusCode::OK);

    let deleted = customer.ask(Method::DELETE, &path, None, "delete").await;
    let ended = customer.ended(deleted["operation"]["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(customer.get(&path).await.0, StatusCode::NOT_FOUND);
    customer
        .eventually("nobody was told that it is ready", async || {
            platform.outbox.notices().iter().any(|notice| notice.event == "instance_ready")
        })
        .await;
    assert!(platform.fly.inventory().is_empty(), "something of it is left at the provider");
    check.end(platform).await;
}
