//! A region that goes out: what may live elsewhere is made elsewhere, what may not is refused whole, and what is there is kept.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::bad_day::start_with;
use crate::bystander::Bystanders;
use crate::support::PATIENCE;

/// With this seed an outage begins a minute after the start and lasts ten.
const FAULTS: &str = "regional-outage:93";
const UNTIL_IT_BEGINS: Duration = Duration::from_secs(90);

#[tokio::test]
async fn while_a_region_is_out_instances_are_made_in_the_next_one_that_they_may_live_in() {
    let data = tempfile::tempdir().unwrap();
    let mut bystanders = Bystanders::beside(data.path());
    let (mut platform, said) = start_with(data.path(), FAULTS);
    // An outage strikes a region in use, and this is the only one.
    let here = platform.create("here", json!({ "plan": "team" })).await;
    let here = here["instance"]["id"].as_str().unwrap();
    platform.settled(here, "running", PATIENCE).await;
    let deadline = Instant::now() + UNTIL_IT_BEGINS;
    let is_out = || std::fs::read_to_string(said.path()).unwrap().contains(r#"a region's weather changes region="fra" out=true"#);
    while !is_out() {
        assert!(Instant::now() < deadline, "no region went out");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let elsewhere = platform.create("elsewhere", json!({ "plan": "team", "allowed_regions": ["ams"] })).await;
    let nowhere = platform.create("nowhere", json!({ "plan": "team" })).await;
    let running = platform.settled(elsewhere["instance"]["id"].as_str().unwrap(), "running", PATIENCE).await;
    assert_eq!(running["region"], "ams", "{running}");
    platform.until_it_answers(running["address"].as_str().unwrap()).await;
    let ended = platform.ended(nowhere["operation"]["id"].as_str().unwrap(), PATIENCE).await;
    assert_eq!(ended["state"], "failed", "{ended}");
    let (status, kept) = platform.call(Method::GET, &format!("/v1/instances/{here}"), None).await;
    assert_eq!((status, &kept["region"]), (StatusCode::OK, &json!("fra")), "{kept}");
    platform.end();
    bystanders.are_left_alone(data.path()).await;
}
