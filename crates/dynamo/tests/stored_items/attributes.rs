//! Items in DynamoDB's own JSON, and the names and types of what is in them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// What flows wrote, which is theirs: the recorded journals in `crates/flows` say what becomes of it.
const OF_FLOWS: [&str; 2] = ["RUN plan", "RUN journal[].result"];

/// As DynamoDB writes it, and the AWS CLI with it; by name, so that it is always the same text.
pub(crate) fn to_json(item: &Item) -> Value {
    let members: BTreeMap<_, _> = item.iter().map(|(name, value)| (name, value_to_json(value))).collect();
    json!(members)
}

pub(crate) fn from_json(json: &Value) -> Item {
    let members = json.as_object().unwrap_or_else(|| panic!("{json} is no item"));
    members.iter().map(|(name, value)| (name.clone(), value_from_json(value))).collect()
}

fn value_to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        AttributeValue::Bool(is) => json!({ "BOOL": is }),
        AttributeValue::Null(is) => json!({ "NULL": is }),
        AttributeValue::L(parts) => json!({ "L": parts.iter().map(value_to_json).collect::<Vec<_>>() }),
        AttributeValue::M(members) => json!({ "M": to_json(members) }),
        other => panic!("the store writes no {other:?}"),
    }
}

fn value_from_json(json: &Value) -> AttributeValue {
    let member = json.as_object().and_then(|members| members.iter().next());
    let (kind, value) = member.unwrap_or_else(|| panic!("{json} is no attribute's value"));
    let text = || value.as_str().unwrap_or_else(|| panic!("{json} holds no text")).to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => AttributeValue::B(Blob::new(STANDARD.decode(text()).unwrap())),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(value.as_bool().unwrap()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(value_from_json).collect()),
        "M" => AttributeValue::M(from_json(value)),
        other => panic!("{other} is no type that the store writes"),
    }
}

/// Every name in these items with its type, such as `RUN journal[].name S`.
pub(crate) fn names(items: &[Item]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for item in items {
        let kind = item["sk"].as_s().unwrap();
        members(item, &format!("{} ", kind.split('#').next().unwrap_or_default()), &mut found);
    }
    found
}

fn members(of: &Item, at: &str, found: &mut BTreeSet<String>) {
    for (name, value) in of {
        part(value, &format!("{at}{name}"), found);
    }
}

fn part(value: &AttributeValue, at: &str, found: &mut BTreeSet<String>) {
    if OF_FLOWS.contains(&at) {
        found.insert(at.to_owned());
        return;
    }
    let json: BTreeMap<String, Value> = serde_json::from_value(value_to_json(value)).unwrap();
    found.extend(json.into_keys().map(|kind| format!("{at} {kind}")));
    match value {
        AttributeValue::M(inner) => members(inner, &format!("{at}."), found),
        AttributeValue::L(parts) => parts.iter().for_each(|inner| part(inner, &format!("{at}[]"), found)),
        _ => {}
    }
}
