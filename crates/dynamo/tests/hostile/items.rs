//! Items by themselves: read, written and changed past the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use crate::support::Bench;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A way to a part of an item: names of members and places in lists.
pub(crate) type Place = Vec<String>;

/// What may stand in the place of anything.
pub(crate) static VALUES: LazyLock<Vec<AttributeValue>> = LazyLock::new(|| {
    let number = |text: &str| AttributeValue::N(text.to_owned());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let deep = (0..28).fold(number("1"), |inner, _| AttributeValue::L(vec![inner]));
    vec![
        text(""),
        text("x"),
        text("running"),
        text("parked"),
        text("done"),
        text("ins_00000000000000000000000000000000"),
        text("2026-02-30T00:00:00Z"),
        text("a\r\nb\u{0}\u{202e}"),
        text(&"y".repeat(9000)),
        number("-1"),
        number("0"),
        number("0.5"),
        number("255"),
        number("4294967295"),
        number("9223372036854775807"),
        number("-9223372036854775808"),
        number("18446744073709551615"),
        number("1e125"),
        AttributeValue::Bool(true),
        AttributeValue::Bool(false),
        AttributeValue::Null(true),
        AttributeValue::L(vec![]),
        AttributeValue::L(vec![AttributeValue::Null(true)]),
        AttributeValue::M(HashMap::new()),
        AttributeValue::M(HashMap::from([("phase".to_owned(), text("parked")), ("was".to_owned(), AttributeValue::M(HashMap::new()))])),
        AttributeValue::B(Blob::new([0xff, 0])),
        AttributeValue::Ns(vec!["1".to_owned()]),
        deep,
    ]
});

/// What takes the place of a part: nothing, now and then.
pub(crate) fn value() -> impl Strategy<Value = Option<AttributeValue>> {
    prop::option::weighted(0.85, prop::sample::select(VALUES.as_slice()))
}

/// The item with one part replaced, or left out.
pub(crate) fn changed(item: &Item, place: &[String], with: Option<AttributeValue>) -> Item {
    let mut changed = item.clone();
    let (last, way) = place.split_last().unwrap();
    let Some((first, way)) = way.split_first() else {
        replace(&mut changed, last, with);
        return changed;
    };
    let mut part = changed.get_mut(first).unwrap();
    for step in way {
        part = match part {
            AttributeValue::M(members) => members.get_mut(step).unwrap(),
            AttributeValue::L(parts) => &mut parts[step.parse::<usize>().unwrap()],
            other => panic!("{other:?} has no parts"),
        };
    }
    match (part, with) {
        (AttributeValue::M(members), with) => replace(members, last, with),
        (AttributeValue::L(parts), Some(with)) => parts[last.parse::<usize>().unwrap()] = with,
        (AttributeValue::L(parts), None) => drop(parts.remove(last.parse().unwrap())),
        (other, _) => panic!("{other:?} has no parts"),
    }
    changed
}

fn replace(members: &mut Item, name: &str, with: Option<AttributeValue>) {
    match with {
        Some(with) => drop(members.insert(name.to_owned(), with)),
        None => drop(members.remove(name)),
    }
}

/// Every part of an item but its key, always in the same order.
pub(crate) fn places(item: &Item) -> Vec<Place> {
    let mut found = Vec::new();
    members(item, &[], &mut found);
    found.retain(|place| !matches!(place[0].as_str(), "pk" | "sk"));
    found
}

fn members(of: &Item, at: &[String], found: &mut Vec<Place>) {
    let mut names: Vec<_> = of.keys().collect();
    names.sort();
    for name in names {
        part(&of[name], &[at, std::slice::from_ref(name)].concat(), found);
    }
}

fn part(value: &AttributeValue, at: &[String], found: &mut Vec<Place>) {
    found.push(at.to_vec());
    match value {
        AttributeValue::M(inner) => members(inner, at, found),
        AttributeValue::L(parts) => {
            parts.iter().enumerate().for_each(|(number, inner)| part(inner, &[at, &[number.to_string()]].concat(), found));
        }
        _ => {}
    }
}

pub(crate) fn text(item: &Item, name: &str) -> String {
    item[name].as_s().unwrap().clone()
}

/// What an item is about: by the beginning of its sort key, and for runs by whether they wait for a person.
pub(crate) fn kind(item: &Item) -> String {
    let sk = text(item, "sk");
    format!("{} {:?}", sk.split('#').next().unwrap_or_default(), item.get("phase"))
}

pub(crate) async fn put(bench: &Bench, item: &Item) -> Result<(), String> {
    let put = bench.client.put_item().table_name(&bench.table).set_item(Some(item.clone()));
    put.send().await.map(drop).map_err(|error| format!("{error:?}"))
}

/// The items of a partition.
pub(crate) async fn of(bench: &Bench, pk: &str) -> Vec<Item> {
    let query = bench.client.query().table_name(&bench.table).key_condition_expression("pk = :pk");
    query.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned())).send().await.unwrap().items.unwrap_or_default()
}

/// Makes these partitions what they were.
pub(crate) async fn restore(bench: &Bench, pks: &BTreeSet<String>, items: &[Item]) {
    for pk in pks {
        for item in of(bench, pk).await {
            let key = HashMap::from(["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())));
            bench.client.delete_item().table_name(&bench.table).set_key(Some(key)).send().await.unwrap();
        }
    }
    for item in items {
        put(bench, item).await.unwrap();
    }
}
