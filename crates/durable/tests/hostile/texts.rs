//! Runs as text: whatever can be read can be worked on, and what cannot is an error.

use durable::{Driven, Record};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Bench, begun};

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, part)| pointers(part, format!("{at}/{name}"), found)),
        Value::Array(parts) => parts.iter().enumerate().for_each(|(number, part)| pointers(part, format!("{at}/{number}"), found)),
        _ => {}
    }
    found.push(at);
}

fn changed() -> impl Strategy<Value = String> {
    let good = serde_json::to_value(begun(3)).unwrap();
    let mut places = Vec::new();
    pointers(&good, String::new(), &mut places);
    let values = [
        json!(null),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("running"),
        json!("9999-12-30T22:00:00Z"),
        json!("-009999-01-02T01:59:59Z"),
        json!("2026-11-23T25:00:00Z"),
        json!([]),
        json!({}),
        json!({ "phase": "parked" }),
        json!({ "phase": "done", "outcome": "succeeded" }),
        json!({ "phase": "parked", "why": "", "was": { "phase": "parked", "why": "", "was": { "phase": "running" } } }),
    ];
    let change = (prop::sample::select(places), prop::sample::select(values.to_vec()));
    prop::collection::vec(change, 1..3).prop_map(move |changes| {
        let mut value = good.clone();
        for (place, with) in changes {
            if let Some(part) = value.pointer_mut(&place) {
                *part = with;
            }
        }
        value.to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn a_changed_run_is_no_run_or_can_be_worked_on(text in changed()) {
        if let Ok(record) = serde_json::from_str::<Record>(&text)
            && record.id == crate::run_1()
        {
            let driven = Bench::with(record).drive_on();
            let goes_on = matches!(driven, Ok(Driven::Paused { .. } | Driven::Superseded));
            prop_assert!(!goes_on);
        }
    }

    #[test]
    fn a_run_cut_short_is_none(end in any::<prop::sample::Index>()) {
        let text = serde_json::to_string(&begun(3)).unwrap();
        prop_assert!(serde_json::from_str::<Record>(&text[..end.index(text.len())]).is_err());
    }
}

#[test]
fn phases_nested_without_end_are_refused() {
    let mut value = serde_json::to_value(begun(1)).unwrap();
    value["phase"] = json!("HERE");
    let (open, close) = ("{\"phase\":\"parked\",\"why\":\"\",\"was\":".repeat(100_000), "}".repeat(100_000));
    let text = value.to_string().replace("\"HERE\"", &format!("{open}{{\"phase\":\"running\"}}{close}"));
    assert!(serde_json::from_str::<Record>(&text).is_err());
}
