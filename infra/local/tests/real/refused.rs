use std::path::Path;

use gateway::{Family, environment};
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn a_configuration_that_openclaw_refuses_is_never_tried_twice() {
    let house = House::with(Family::Openclaw).await;
    let instance = house.instance(json!({})).await;
    let root = house.machine_root();
    let delivered = root.join(environment::CONFIG.trim_start_matches('/'));
    let mut config: Value = serde_json::from_slice(&std::fs::read(&delivered).unwrap()).unwrap();
    config["maxTokens"] = json!(4096);
    std::fs::write(&delivered, config.to_string()).unwrap();

    // The program itself refuses it, once; it then runs with the last good one.
    instance.restart("process").await;
    let gateway = instance.health().await["gateway"].take();
    assert_eq!((&gateway["ready"], &gateway["config"]["in_use"]), (&json!(true), &json!("last_good")), "{gateway}");
    assert_eq!((&gateway["config"]["refused"], &gateway["crashes"]), (&json!(true), &json!(1)), "{gateway}");

    // Without a good one it stays down until somebody orders otherwise, and the machine stays reachable.
    std::fs::remove_file(root.join(Path::new("data/rockpool/last-good.json"))).unwrap();
    instance.done("restart", Some(json!({ "scope": "process" }))).await;
    instance.settled("degraded").await;
    let gateway = instance.health().await["gateway"].take();
    assert_eq!((&gateway["phase"], &gateway["next_start"]), (&json!("refused"), &Value::Null), "{gateway}");
    assert_eq!(house.gateways(), Vec::<u32>::new());

    config.as_object_mut().unwrap().remove("maxTokens");
    std::fs::write(&delivered, config.to_string()).unwrap();
    instance.restart("process").await;
    assert_eq!(instance.health().await["gateway"]["config"]["in_use"], "wanted");
    instance.delete().await;
}
