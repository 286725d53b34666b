use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Answer, ask};

fn post(body: impl Into<Vec<u8>>) -> Answer {
    ask("POST", "/wish", &[("content-type", b"application/json".to_vec())], body.into()).unwrap()
}

/// What a wish is, written down a second time.
fn is_a_wish(body: &Value) -> bool {
    let has_only = |object: &serde_json::Map<String, Value>, names: &[&str]| object.keys().all(|name| names.contains(&name.as_str()));
    let text_or_none = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || value.is_string());
    let Some(wish) = body.as_object() else { return false };
    let choice = wish.get("choice").is_none_or(|choice| {
        choice.is_null()
            || choice.as_object().is_some_and(|choice| {
                has_only(choice, &["family", "version"])
                    && choice.get("family").is_some_and(Value::is_string)
                    && text_or_none(choice.get("version"))
            })
    });
    let is_a_tag = |tag: &Value| tag.as_object().is_some_and(|tag| has_only(tag, &["key"]) && tag.get("key").is_some_and(Value::is_string));
    let tags = wish.get("tags").is_none_or(|tags| tags.as_array().is_some_and(|tags| tags.iter().all(is_a_tag)));
    let size = wish.get("size").is_none_or(|size| size.is_null() || size.as_u64().is_some_and(|size| u32::try_from(size).is_ok()));
    has_only(wish, &["name", "size", "choice", "tags"]) && wish.get("name").is_some_and(Value::is_string) && choice && tags && size
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        (0_u32..9).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let names = prop::sample::select(["name", "size", "choice", "tags", "key", "family", "version", "x"].map(str::to_owned).to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A good wish of which up to two members, at any depth, were replaced by anything, an array of their own members among it.
fn nearly_a_wish() -> impl Strategy<Value = Value> {
    let good = json!({ "name": "a", "size": 7, "choice": { "family": "f", "version": "1" }, "tags": [{ "key": "x" }, { "key": "y" }] });
    let places = ["", "/name", "/size", "/choice", "/choice/family", "/choice/version", "/tags", "/tags/0", "/tags/1/key"];
    let change = (prop::sample::select(places.to_vec()), prop::option::of(anything()));
    prop::collection::vec(change, 0..3).prop_map(move |changes| {
        let mut wish = good.clone();
        for (place, with) in changes {
            let Some(part) = wish.pointer_mut(place) else { continue };
            *part = match (with, &part) {
                (Some(with), _) => with,
                (None, Value::Object(members)) => members.values().cloned().collect(),
                (None, _) => json!([part]),
            };
        }
        wish
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 8))]

    #[test]
    fn a_body_is_accepted_exactly_when_it_is_a_wish(body in prop_oneof![4 => nearly_a_wish(), 1 => anything()]) {
        let answer = post(body.to_string());
        prop_assert_eq!(answer.check().status.is_success(), is_a_wish(&body), "{}: {}", body, answer.json());
        if answer.status.is_success() {
            let understood = answer.json();
            for (name, value) in body.as_object().unwrap() {
                let missing = json!({ "family": value["family"], "version": value["version"] });
                let meant = if name == "choice" && !value.is_null() { &missing } else { value };
                prop_assert_eq!(&understood[name], meant);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_of_any_type_are_a_wish_or_the_caller_s_problem(
        bytes in prop::collection::vec(any::<u8>(), 0..200), media in "application/json|[a-z]{1,9}/[a-z+]{1,9}(; ?charset=\\PC{0,8})?",
    ) {
        if let Some(answer) = ask("POST", "/wish", &[("content-type", media.into_bytes())], bytes) {
            answer.check();
        }
    }

    #[test]
    fn a_body_cut_short_or_continued_is_refused(cut in 0_usize..60, more in "[\\[\\]{}\",:a-z0-9]{1,9}") {
        let good = r#"{"name":"a","choice":{"family":"f"},"tags":[{"key":"x"}]}"#;
        let cut = cut.min(good.len() - 1);
        prop_assert_eq!(post(&good[..cut]).check().status, 400);
        let continued = format!("{good}{more}");
        prop_assert_eq!(post(continued).check().status, 400);
    }
}

#[test]
fn an_array_is_refused_wherever_an_object_belongs_and_the_field_is_named() {
    for (body, field) in [
        (json!({ "name": "a", "choice": ["f"] }), json!("choice")),
        (json!({ "name": "a", "choice": ["f", "1"] }), json!("choice")),
        (json!({ "name": "a", "choice": [] }), json!("choice")),
        (json!({ "name": "a", "tags": [["x"]] }), json!("tags[0]")),
        (json!({ "name": "a", "tags": [{ "key": "x" }, ["y"]] }), json!("tags[1]")),
        (json!(["a", 7, { "family": "f" }, []]), json!(null)),
    ] {
        let answer = post(body.to_string());
        assert_eq!((answer.check().status.as_u16(), &answer.json()["field"]), (400, &field), "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("JSON object"), "{body}: {}", answer.json());
    }
}

#[test]
fn deep_wide_and_long_bodies_are_refused_in_short_answers() {
    let began = std::time::Instant::now();
    let long = "x".repeat(60_000);
    for body in [
        "[".repeat(60_000),
        "{\"tags\":".repeat(7_000),
        format!("{{\"name\":\"a\",\"tags\":{}", "[".repeat(60_000)),
        format!("{{\"name\":\"a\",\"{long}\":1}}"),
        format!("{{\"name\":\"a\",\"choice\":{{\"{long}\":1}}}}"),
        format!("{{\"name\":\"a\",\"size\":\"{long}\"}}"),
        format!("{{\"name\":\"a\",\"size\":{}}}", "9".repeat(60_000)),
        format!("{{\"name\":\"a\",{}\"size\":1}}", "\"name\":\"a\",".repeat(4_000)),
        format!("{{\"name\":\"\\u{}\"}}", "d800".repeat(3)),
        "x".repeat(10 << 20),
    ] {
        let answer = post(body);
        assert!(answer.check().status.is_client_error());
        assert!(answer.body.len() < 4096, "{} bytes", answer.body.len());
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}
