use gateway::{Family, pin};
use serde_json::json;

use crate::browser::Browser;
use crate::client::Device;
use crate::house::House;
use crate::support::handshake;

/// What keeps the gateway's own state: a session that a client makes.
const KEPT: &str = "made before everything else";

#[tokio::test]
async fn openclaw_lives_through_all_that_is_done_to_it_and_leaves_nothing() {
    let house = House::with(Family::Openclaw).await;
    let instance = house.instance(json!({})).await;

    let (token, _) = instance.access().await;
    let (hello, health) = handshake(&instance.address, &token).await;
    assert_eq!((&hello["ok"], &hello["payload"]["protocol"]), (&json!(true), &json!(4)), "{hello}");
    assert_eq!(hello["payload"]["server"]["version"], pin(Family::Openclaw).version, "{hello}");
    assert_eq!(health["payload"]["ok"], true, "{health}");

    let device = Device::app();
    let (mut client, hello) = device.connect(&instance).await;
    assert_eq!(hello["auth"]["method"], "trusted-proxy", "{hello}");
    client.call("sessions.create", json!({ "label": KEPT })).await;
    drop(client);
    let knows_its_session = async || {
        let (mut client, _) = device.connect(&instance).await;
        let listed = client.call("sessions.list", json!({})).await;
        let labels: Vec<_> = listed["sessions"].as_array().expect("sessions").iter().map(|session| session["label"].clone()).collect();
        assert_eq!(labels, [KEPT]);
    };
    knows_its_session().await;

    for scope in ["process", "machine"] {
        let before = house.gateways();
        instance.restart(scope).await;
        let after = house.gateways();
        assert!(before.len() == 1 && after.len() == 1 && before != after, "restart of the {scope}: {before:?} became {after:?}");
        knows_its_session().await;
    }
    instance.done("stop", None).await;
    instance.settled("stopped").await;
    house.platform.until_no_process().await;
    instance.done("start", None).await;
    instance.settled("running").await;
    knows_its_session().await;
    instance.delete().await;
}

#[tokio::test]
async fn a_browser_at_the_link_shows_openclaw_s_control_ui_connected() {
    let house = House::with(Family::Openclaw).await;
    let browser = Browser::install().await;
    let instance = house.instance(json!({})).await;

    let (_, link) = instance.access().await;
    // The status line for screen readers, the session's name, and what an empty conversation offers.
    let texts = ["Connected", "Main Session", "What can you do?"];
    let seen = browser.look(&link, Some("hello-ok"), &texts, "openclaw-control-ui.png").await;
    assert_eq!(seen["hello"]["server"]["version"], pin(Family::Openclaw).version, "{seen}");
    assert!(seen["address"].as_str().is_some_and(|address| address.starts_with(&instance.address)), "{seen}");
    assert!(!seen["address"].as_str().is_some_and(|address| address.contains("token")), "{seen}");
    assert!(seen["title"].as_str().is_some_and(|title| title.contains("OpenClaw")), "{seen}");

    let app = instance.address.trim_start_matches("http://").split('.').next().expect("a host");
    let seen = browser.look(&house.platform.address, None, &[app, "started"], "platform.png").await;
    assert_eq!(seen["title"], "Rockpool on this machine");
    instance.delete().await;
}
