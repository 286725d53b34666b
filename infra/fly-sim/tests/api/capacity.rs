use axum::http::{Method, StatusCode};
use fly_sim::{Capacity, Fault, Match};
use serde_json::{Value, json};

use crate::harness::{Fly, image, machine, text};

fn mounting(volume: &str) -> Value {
    json!({ "config": { "image": "i", "mounts": [{ "volume": volume, "path": "/data" }] } })
}

#[tokio::test]
async fn every_way_of_saying_that_there_is_no_room_can_be_scripted() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let mut told = Vec::new();
    for want in Capacity::ALL {
        fly.simulator.script().on(Match::action("create_machine")).then(Fault::capacity(want));
        let (status, answer) = fly.post("/v1/apps/a/machines", json!({ "config": image() })).await;
        told.push((status, text(&answer).to_owned(), answer["status"].as_str().unwrap_or_default().to_owned()));
    }
    let expected = [
        (422, "could not find a candidate host", "insufficient_capacity"),
        (503, "could not find a candidate host", "insufficient_capacity"),
        (409, "aborted: no capacity", ""),
        (409, "aborted: could not reserve resource for machine: insufficient memory available to fulfill request", ""),
        (409, "aborted: could not reserve resource for machine: insufficient CPUs available to fulfill request", ""),
        (409, "aborted: could not reserve resource for machine: insufficient memory available to fulfill request on the current host", ""),
        (409, "aborted: could not reserve resource for machine: insufficient CPUs available to fulfill request on the current host", ""),
        (409, "aborted: insufficient IPs available to fulfill request", ""),
        (409, "aborted: insufficient resources available to fulfill request: no host has enough disk", ""),
        (409, "deploys to this host are temporarily disabled", ""),
        (
            412,
            "insufficient resources to create new machine with existing volume id 'vol_00000000000000000000'",
            "volume_placement_capacity",
        ),
    ];
    assert_eq!(told, expected.map(|(status, text, code)| (status, text.to_owned(), code.to_owned())));
    assert!(fly.simulator.machines().is_empty() && fly.simulator.script().unplayed().is_empty());
}

#[tokio::test]
async fn what_no_order_of_calls_brings_about_can_be_scripted_too() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let cases = [
        (Fault::volume_still_claimed(), "create_machine", "/v1/apps/a/machines", 412, "volume already claimed by machine"),
        (Fault::name_race(), "create_app", "/v1/apps", 422, "uniqueness constraint violated"),
        (Fault::foreign_snapshot("acme"), "create_volume", "/v1/apps/a/volumes", 422, "must belong to organization: acme"),
    ];
    for (fault, action, path, status, words) in cases {
        fly.simulator.script().on(Match::action(action)).then(fault);
        let (found, answer) = fly.post(path, json!({})).await;
        assert_eq!(found, status, "{answer}");
        assert!(text(&answer).contains(words), "{answer}");
    }
}

#[tokio::test]
async fn a_machine_cannot_start_or_change_on_a_host_that_is_full() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    fly.post(&machine(&id, "/stop"), json!({})).await;
    fly.reach(&id, "stopped").await;
    fly.simulator.set_host_full(&id, Some(Capacity::HostCpus));
    let (status, answer) = fly.post(&machine(&id, "/start"), json!({})).await;
    assert_eq!((status, text(&answer).contains("insufficient CPUs")), (409, true), "{answer}");
    assert_eq!(fly.post(&machine(&id, ""), json!({ "config": image() })).await.0, 409);
    assert_eq!(fly.state(&id).await, "stopped");
    fly.simulator.set_host_full(&id, None);
    assert_eq!(fly.post(&machine(&id, "/start"), json!({})).await.0, 200);
}

#[tokio::test]
async fn a_volume_s_host_may_be_full_while_its_region_is_not() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let (full, free) = (fly.volume("full").await, fly.volume("free").await);
    fly.simulator.set_host_full(&full, Some(Capacity::VolumeHost));
    let (status, answer) = fly.post("/v1/apps/a/machines", mounting(&full)).await;
    assert_eq!((status, &answer["status"]), (412, &json!("volume_placement_capacity")));
    assert!(text(&answer).contains(&full), "{answer}");
    assert_eq!(fly.post("/v1/apps/a/machines", mounting(&free)).await.0, 200);
}

#[tokio::test]
async fn a_full_region_refuses_volumes_and_a_list_of_regions_goes_on_to_the_next() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.simulator.set_region_full("fra", true);
    let volume = async |region: &str| fly.post("/v1/apps/a/volumes", json!({ "name": "data", "region": region })).await;
    assert_eq!(volume("fra").await.0, StatusCode::UNPROCESSABLE_ENTITY.as_u16());
    assert_eq!(volume("fra,cdg").await.1["region"], "cdg");
    let placements = fly.call(Method::GET, "/v1/platform/regions", Value::Null).await.1;
    let fra = placements["Regions"].as_array().unwrap().iter().find(|region| region["code"] == "fra").unwrap();
    assert_eq!(fra["capacity"], 0);
}
