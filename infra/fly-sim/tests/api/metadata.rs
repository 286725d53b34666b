use http::Method;
use serde_json::{Value, json};

use crate::harness::{Fly, machine};

#[tokio::test]
async fn metadata_is_changed_without_a_new_version() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i", "metadata": { "a": "1", "b": "2" } })).await;
    let path = machine(&id, "/metadata");
    let (_, before) = fly.get(&machine(&id, "")).await;
    assert_eq!(fly.put(&path, json!({ "metadata": { "a": null, "b": "", "c": "3" } })).await, (204, Value::Null));
    assert_eq!(fly.call(Method::PATCH, &path, json!({ "metadata": { "d": "4" } })).await.0, 204);
    assert_eq!(fly.get(&path).await, (200, json!({ "c": "3", "d": "4" })));
    let (_, after) = fly.get(&machine(&id, "")).await;
    assert_eq!((&after["instance_id"], &after["state"]), (&before["instance_id"], &json!("started")));
    assert_eq!(after["config"]["metadata"], json!({ "c": "3", "d": "4" }));
}

#[tokio::test]
async fn metadata_is_only_written_on_the_version_that_was_named() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i" })).await;
    let path = machine(&id, "/metadata");
    let version = fly.get(&machine(&id, "")).await.1["instance_id"].clone();
    assert_eq!(fly.put(&path, json!({ "metadata": { "a": "1" }, "machine_version": "01OLD" })).await.0, 412);
    assert_eq!(fly.get(&path).await.1, json!({}));
    assert_eq!(fly.put(&path, json!({ "metadata": { "a": "1" }, "machine_version": version })).await.0, 204);
}

#[tokio::test]
async fn one_key_is_read_set_and_deleted() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i" })).await;
    let path = machine(&id, "/metadata/key");
    assert_eq!(fly.get(&path).await.0, 404);
    assert_eq!(fly.post(&path, json!({ "value": "v" })).await.0, 204);
    assert_eq!(fly.get(&path).await, (200, json!({ "value": "v" })));
    assert_eq!(fly.delete(&path).await.0, 204);
    assert_eq!(fly.get(&path).await.0, 404);
}
