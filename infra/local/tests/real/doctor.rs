use gateway::Family;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn the_doctors_of_both_gateways_come_when_they_are_called_and_leave_a_gateway_that_runs() {
    for (family, wish) in
        [(Family::Openclaw, json!({})), (Family::Clawdbot, json!({ "plan": "starter", "gateway": { "family": "clawdbot" } }))]
    {
        let house = House::with(family).await;
        let instance = house.instance(wish).await;
        let called = house.order(&instance, Method::POST, "/_rockpool/doctor").await;
        assert_eq!(called.status(), StatusCode::ACCEPTED);
        house.ready(&instance.address).await;

        // The details are for whoever has a token.
        let (token, _) = instance.access().await;
        let health =
            shell::http_client().expect("a client").get(format!("{}/health", instance.address)).bearer_auth(token).send().await.unwrap();
        let health: Value = health.json().await.unwrap();
        let gateway = &health["gateway"];
        assert_eq!((&gateway["starts"], &gateway["crashes"], &gateway["config"]["in_use"]), (&json!(2), &json!(0), &json!("wanted")));
        assert_eq!(gateway["examination"]["code"], 0, "{family}: {gateway}");
        let said = house.order(&instance, Method::GET, "/_rockpool/logs?lines=1000").await.text().await.unwrap();
        assert!(said.contains("Doctor complete."), "{family}: {said}");
        instance.delete().await;
    }
}
