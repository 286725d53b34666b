//! Bodies that are nearly right, where something would come of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::APP;

fn good() -> Value {
    let version = &gateway::pin(domain::Family::Openclaw).version;
    json!({
        "name": "my-assistant", "plan": "team", "region": "fra", "allowed_regions": ["ams", "iad"],
        "gateway": { "family": "openclaw", "version": version },
    })
}

/// Whether a body asks for something that is sold, written down a second time.
fn is_a_wish(body: &Value) -> bool {
    let Some(wish) = body.as_object() else { return false };
    let is_name = |name: &str| {
        (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    let is_region = |region: &Value| region.as_str().is_some_and(|code| code.parse::<domain::Region>().is_ok());
    let known = wish.keys().all(|name| ["name", "plan", "region", "allowed_regions", "gateway"].contains(&name.as_str()));
    let floor = match wish.get("gateway") {
        None | Some(Value::Null) => Some(gateway::pin(domain::Family::Openclaw).memory_floor_mb),
        Some(Value::Object(choice)) if choice.keys().all(|name| ["family", "version"].contains(&name.as_str())) => {
            let is_it = |pin: &&gateway::Pin| {
                let version = choice.get("version").filter(|version| !version.is_null());
                choice.get("family").is_some_and(|family| family == pin.family.as_str())
                    && version.is_none_or(|version| *version == pin.version)
            };
            gateway::pins().iter().find(is_it).map(|pin| pin.memory_floor_mb)
        }
        Some(_) => None,
    };
    let plan = wish.get("plan").and_then(Value::as_str).and_then(|plan| plan.parse::<domain::PlanId>().ok());
    let plan = plan.zip(floor).is_some_and(|(plan, floor)| plan.plan().machine.memory_mb >= floor);
    let allowed = wish.get("allowed_regions").is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(is_region)));
    known && wish.get("name").and_then(Value::as_str).is_some_and(is_name) && plan && wish.get("region").is_some_and(is_region) && allowed
}

/// Anything that may stand in the place of a part, its own members in an array among it.
#[derive(Debug, Clone)]
enum Change {
    Remove,
    List,
    Put(Value),
}

fn change() -> impl Strategy<Value = Change> {
    let values = [
        json!(null),
        json!(""),
        json!(0),
        json!(true),
        json!([]),
        json!({}),
        json!("fra"),
        json!("xyz"),
        json!("starter"),
        json!("pro"),
        json!("clawdbot"),
        json!("2026.1.24-3"),
        json!(["fra", "fra"]),
        json!(["fra", 7]),
        json!({ "family": "openclaw" }),
        json!({ "family": "clawdbot", "version": null }),
        json!(["openclaw"]),
        json!(["openclaw", "2026.9.6"]),
        json!({ "family": "openclaw", "channel": "beta" }),
        json!("a\u{0}b"),
        json!("-a"),
        json!("A"),
        json!("x".repeat(63)),
        json!("x".repeat(64)),
    ];
    let put = prop_oneof![prop::sample::select(values.to_vec()), "\\PC{0,20}".prop_map(Value::from)].prop_map(Change::Put);
    prop_oneof![1 => Just(Change::Remove), 2 => Just(Change::List), 6 => put]
}

fn body() -> impl Strategy<Value = Value> {
    let places = [
        "/",
        "/name",
        "/plan",
        "/region",
        "/allowed_regions",
        "/allowed_regions/0",
        "/gateway",
        "/gateway/family",
        "/gateway/version",
        "/extra",
    ];
    prop::collection::vec((prop::sample::select(places.to_vec()), change()), 0..3).prop_map(|changes| {
        let mut body = good();
        for (place, change) in changes {
            let (parent, name) = place.rsplit_once('/').unwrap();
            if name.is_empty() {
                if let Change::List = change {
                    body = body.as_object().map_or(json!([]), |members| members.values().cloned().collect());
                }
                continue;
            }
            match (body.pointer_mut(parent), change) {
                (Some(Value::Object(members)), Change::Remove) => drop(members.remove(name)),
                (Some(Value::Object(members)), Change::Put(value)) => drop(members.insert(name.to_owned(), value)),
                (Some(Value::Object(members)), Change::List) => {
                    let part = members.get(name).cloned().unwrap_or_default();
                    let list = part.as_object().map_or(json!([part]), |members| members.values().cloned().collect());
                    members.insert(name.to_owned(), list);
                }
                (Some(Value::Array(list)), Change::Put(value)) if !list.is_empty() => list[0] = value,
                _ => {}
            }
        }
        body
    })
}

proptest! {
    #[test]
    fn an_instance_is_made_of_exactly_those_bodies_that_ask_for_something_sold(body in body()) {
        let token = APP.somebody();
        let answer = APP.call(&token, "POST", "/v1/instances", &body.to_string()).unwrap();
        prop_assert_eq!(answer.check().status.is_success(), is_a_wish(&body), "{}: {}", body, answer.text());
        let listed = APP.call(&token, "GET", "/v1/instances", "").unwrap().json();
        let made = usize::from(answer.status.is_success());
        prop_assert_eq!(listed["instances"].as_array().map(Vec::len), Some(made), "{} left something behind: {}", body, listed);
    }
}

#[test]
fn a_list_is_no_gateway() {
    for gateway in [json!(["openclaw"]), json!(["openclaw", "2026.9.6"]), json!([])] {
        let mut body = good();
        body["gateway"] = gateway;
        let answer = APP.call(&APP.somebody(), "POST", "/v1/instances", &body.to_string()).unwrap();
        assert_eq!((answer.check().status.as_u16(), &answer.json()["field"]), (400, &json!("gateway")), "{body}");
    }
}
