use std::time::Duration;

use fly_sim::Options;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Fly, image, machine, text};

const NONCE: &str = "fly-machine-lease-nonce";

async fn with_nonce(fly: &Fly, method: Method, path: &str, nonce: &str, body: Value) -> (u16, Value) {
    let response = fly.send(method, path, &[(NONCE, nonce)], body).await;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn leased(fly: &Fly, id: &str) -> String {
    let (status, lease) = fly.post(&machine(id, "/lease"), json!({ "ttl": 30, "description": "deploy" })).await;
    assert_eq!((status, &lease["status"]), (201, &json!("success")));
    lease["data"]["nonce"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_taken_prolonged_and_released_by_its_nonce() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    let lease = machine(&id, "/lease");
    assert_eq!(fly.get(&lease).await.0, 404);
    let nonce = leased(&fly, &id).await;
    let (_, held) = fly.get(&lease).await;
    assert_eq!((&held["data"]["description"], held["data"]["expires_at"].is_i64()), (&json!("deploy"), true));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (status, longer) = with_nonce(&fly, Method::POST, &format!("{lease}?ttl=60"), &nonce, Value::Null).await;
    assert_eq!((status, longer["data"]["nonce"].as_str()), (201, Some(nonce.as_str())));
    assert_eq!(longer["data"]["expires_at"].as_i64().unwrap() - held["data"]["expires_at"].as_i64().unwrap(), 40);
    assert_eq!(with_nonce(&fly, Method::DELETE, &lease, "wrong", Value::Null).await.0, 409);
    assert_eq!(with_nonce(&fly, Method::DELETE, &lease, &nonce, Value::Null).await.0, 200);
    let (status, answer) = with_nonce(&fly, Method::DELETE, &lease, &nonce, Value::Null).await;
    assert_eq!((status, text(&answer)), (404, "not_found: lease not found"));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_refused_until_the_lease_ends() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    let nonce = leased(&fly, &id).await;
    let update = json!({ "config": image() });
    for (path, body) in [("/start", json!({})), ("/lease", json!({ "ttl": 5 })), ("", update.clone()), ("/cordon", Value::Null)] {
        let (status, answer) = fly.post(&machine(&id, path), body).await;
        assert_eq!(status, 409, "{path}");
        let told = text(&answer);
        assert!(told.starts_with(&format!("machine ID {id} lease currently held by ")) && told.contains(", expires at 20"), "{told}");
    }
    assert_eq!(with_nonce(&fly, Method::POST, &machine(&id, ""), &nonce, update.clone()).await.0, 200);
    assert_eq!(fly.get(&machine(&id, "/lease")).await.0, 200, "a lease survives an update");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(fly.post(&machine(&id, ""), update).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn stopping_and_destroying_wait_for_the_end_of_somebody_s_lease() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    leased(&fly, &id).await;
    let begun = Instant::now();
    assert_eq!(fly.post(&machine(&id, "/stop"), json!({})).await.0, 200);
    assert_eq!(begun.elapsed().as_secs(), 30);
    fly.reach(&id, "stopped").await;
    leased(&fly, &id).await;
    let begun = Instant::now();
    assert_eq!(fly.delete(&machine(&id, "")).await.0, 200);
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_stop_goes_on_after_its_caller_has_left() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    leased(&fly, &id).await;
    let stop = machine(&id, "/stop");
    let impatient = tokio::time::timeout(Duration::from_secs(1), fly.post(&stop, json!({}))).await;
    assert!(impatient.is_err());
    assert_eq!(fly.state(&id).await, "started");
    fly.reach(&id, "stopped").await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_can_be_created_under_a_lease() {
    let fly = Fly::with(Default::default(), |options| Options { flat_leases: true, ..options }).await;
    fly.app("a").await;
    let (_, created) = fly.post("/v1/apps/a/machines", json!({ "config": image(), "lease_ttl": 20 })).await;
    let id = created["id"].as_str().unwrap();
    assert_eq!(fly.get(&machine(id, "/lease")).await.1["nonce"], created["nonce"], "flat on request");
    assert!(fly.get(&machine(id, "")).await.1.get("nonce").is_none(), "the nonce comes once");
}
