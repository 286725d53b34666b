use std::time::Duration;

use fly_sim::{Faults, HostLatencies, Options};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::harness::{Fly, image, machine};

async fn under(faults: Faults) -> Fly {
    Fly::with(HostLatencies::default(), |options| Options { faults: Some(faults), ..options }).await
}

fn faults(profile: &str, seed: u64) -> Faults {
    Faults::profile(profile, seed).unwrap()
}

/// The status of an answer and its body; `None` when it was lost.
async fn ask(fly: &Fly, method: Method, path: &str, body: Value) -> Option<(u16, Value)> {
    let response = fly.send(method, path, &[], body).await;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}

/// Asks until it is answered with one of these.
async fn insist(fly: &Fly, method: Method, path: &str, body: Value, good: &[u16]) -> Value {
    for _ in 0..1_000 {
        match ask(fly, method.clone(), path, body.clone()).await {
            Some((status, answer)) if good.contains(&status) => return answer,
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    panic!("a thousand times {method} {path}")
}

/// What a client meets that makes apps and machines, as one line per call.
async fn history(faults: Faults) -> Vec<String> {
    let fly = under(faults).await;
    for nth in 0..40 {
        let app = format!("app-{nth}");
        ask(&fly, Method::POST, "/v1/apps", json!({ "app_name": app, "org_slug": "personal" })).await;
        let machines = format!("/v1/apps/{app}/machines");
        ask(&fly, Method::POST, &machines, json!({ "name": "m", "region": "fra", "config": image() })).await;
        ask(&fly, Method::GET, &machines, Value::Null).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let calls = fly.simulator.calls();
    calls.iter().map(|call| format!("{} {} {:?}", call.action, call.path, call.status)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_brings_the_same_day_and_another_seed_another() {
    let first = history(faults("bad-day", 7)).await;
    assert_eq!(first, history(faults("bad-day", 7)).await);
    assert_ne!(first, history(faults("bad-day", 8)).await);
    let refused = first.iter().filter(|line| !["Some(200)", "Some(201)"].iter().any(|good| line.ends_with(good))).count();
    assert!((5..60).contains(&refused), "{refused} of {}: {first:#?}", first.len());
}

#[tokio::test(start_paused = true)]
async fn a_calm_day_is_mostly_calm() {
    let calls = history(faults("calm", 3)).await;
    let refused = calls.iter().filter(|line| !["Some(200)", "Some(201)"].iter().any(|good| line.ends_with(good))).count();
    assert!(refused <= 3, "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn on_a_bad_day_whoever_insists_gets_a_machine_and_gets_rid_of_it() {
    for seed in 0..20 {
        let fly = under(faults("bad-day", seed)).await;
        insist(&fly, Method::POST, "/v1/apps", json!({ "app_name": "a", "org_slug": "personal" }), &[201, 422]).await;
        let create = json!({ "name": "m", "region": "fra,any", "config": image() });
        insist(&fly, Method::POST, "/v1/apps/a/machines", create, &[200]).await;
        let id = fly.simulator.machines()[0].id.clone();
        insist(&fly, Method::GET, &machine(&id, "/wait?state=started"), Value::Null, &[200]).await;
        insist(&fly, Method::DELETE, &machine(&id, "?force=true"), Value::Null, &[200]).await;
        insist(&fly, Method::GET, &machine(&id, "/wait?state=destroyed"), Value::Null, &[200]).await;
        insist(&fly, Method::DELETE, "/v1/apps/a", Value::Null, &[202]).await;
        // What a late effect brings after the deletion is what it brings on Fly too: a client that insisted without a look.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(fly.simulator.inventory().apps.is_empty(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_bad_day_programs_crash_and_come_back() {
    let fly = under(faults("bad-day", 1)).await;
    insist(&fly, Method::POST, "/v1/apps", json!({ "app_name": "a", "org_slug": "personal" }), &[201, 422]).await;
    for nth in 0..40 {
        let config = json!({ "image": "i", "restart": { "policy": "always" } });
        insist(&fly, Method::POST, "/v1/apps/a/machines", json!({ "name": format!("m{nth}"), "config": config }), &[200, 409]).await;
    }
    let made = fly.simulator.machines().len();
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    let boots = fly.host.boots().len();
    assert!(boots > made, "{boots} boots of {made} machines: some crashed and came back");
}

#[tokio::test(start_paused = true)]
async fn a_regional_outage_takes_a_region_in_use_and_gives_it_back() {
    let fly = under(faults("regional-outage", 4)).await;
    insist(&fly, Method::POST, "/v1/apps", json!({ "app_name": "a", "org_slug": "personal" }), &[201, 422]).await;
    insist(&fly, Method::POST, "/v1/apps/a/machines", json!({ "name": "m", "region": "fra", "config": image() }), &[200]).await;
    let id = fly.simulator.machines()[0].id.clone();
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    for minute in 0..60 {
        let reached = fly.simulator.routable("a").is_some();
        if out.last().is_none_or(|(_, last)| *last != reached) {
            out.push((minute, reached));
            seen.push(insist(&fly, Method::GET, &machine(&id, ""), Value::Null, &[200]).await["host_status"].clone());
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(seen, ["ok", "unreachable", "ok"], "{out:?}");
    let lasted = out[2].0 - out[1].0;
    assert!((5..=21).contains(&lasted), "{out:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_can_be_sent_to_a_region() {
    let fly = under(faults("regional-outage", 4).in_region("gru")).await;
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(insist(&fly, Method::GET, "/v1/orgs/personal/machines", Value::Null, &[200]).await["error_regions"].clone());
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert!(silent.contains(&json!(["gru"])) && silent.contains(&json!([])), "{silent:?}");
}
