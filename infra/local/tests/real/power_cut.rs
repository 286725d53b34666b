use gateway::Family;
use serde_json::json;

use crate::house::House;
use crate::support::handshake;

#[tokio::test]
async fn openclaw_comes_back_after_a_power_cut_and_there_is_one_of_it() {
    let mut house = House::with(Family::Openclaw).await;
    let instance = house.instance(json!({})).await;
    let (id, address) = (instance.id.clone(), instance.address.clone());
    let before = house.gateways();
    house.cut_power();

    house.ready(&address).await;
    let access = house.platform.ask(&id, "access", None).await;
    let (hello, health) = handshake(&address, access["token"].as_str().expect("a token")).await;
    assert_eq!((&hello["ok"], &health["payload"]["ok"]), (&json!(true), &json!(true)), "{hello} {health}");
    let after = house.gateways();
    assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} became {after:?}");
}
