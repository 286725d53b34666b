use gateway::Family;
use serde_json::json;

use crate::browser::Browser;
use crate::client::Device;
use crate::house::House;

#[tokio::test]
async fn clawdbot_runs_on_the_smallest_plan() {
    let house = House::with(Family::Clawdbot).await;
    let browser = Browser::install().await;
    let instance = house.instance(json!({ "plan": "starter", "gateway": { "family": "clawdbot" } })).await;

    let device = Device::command_line();
    let (mut client, hello) = device.connect(&instance).await;
    assert_eq!(hello["protocol"], 3, "{hello}");
    let health = client.call("health", json!({})).await;
    assert_eq!((&health["ok"], &health["channels"]), (&json!(true), &json!({})), "no channel is on: {health}");
    client.call("sessions.patch", json!({ "key": "agent:main:kept", "label": "kept" })).await;
    drop(client);

    let (_, link) = instance.access().await;
    let seen = browser.look(&link, Some("hello-ok"), &["Health", "OK", "Gateway Dashboard"], "clawdbot-control-ui.png").await;
    assert_eq!((&seen["title"], &seen["hello"]["protocol"]), (&json!("Clawdbot Control"), &json!(3)), "{seen}");

    for scope in ["process", "machine"] {
        let before = house.gateways();
        instance.restart(scope).await;
        let after = house.gateways();
        assert!(before.len() == 1 && after.len() == 1 && before != after, "restart of the {scope}: {before:?} became {after:?}");
        let (mut client, _) = device.connect(&instance).await;
        let listed = client.call("sessions.list", json!({})).await;
        assert!(listed["sessions"].as_array().is_some_and(|all| all.iter().any(|session| session["label"] == "kept")), "{listed}");
    }
    instance.delete().await;
}
