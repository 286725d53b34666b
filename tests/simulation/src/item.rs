//! Items as they lie in the table, whichever it is.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(crate) fn number(item: &Item, name: &str) -> Option<i128> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(crate) fn moment(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::from_nanosecond(number(item, name)?).ok()
}

/// A text inside a map.
pub(crate) fn inner<'a>(item: &'a Item, map: &str, name: &str) -> Option<&'a str> {
    text(item.get(map)?.as_m().ok()?, name)
}

/// The names of the steps that a run has recorded.
pub(crate) fn steps(run: &Item) -> Vec<&str> {
    let journal = run.get("journal").and_then(|journal| journal.as_l().ok());
    journal.into_iter().flatten().filter_map(|entry| text(entry.as_m().ok()?, "name")).collect()
}

/// The instance of a plan, whose placement some flows keep inside it.
pub(crate) fn planned_app(run: &Item) -> Option<&str> {
    let plan = run.get("plan")?.as_m().ok()?;
    text(plan, "app").or_else(|| text(plan.get("placement")?.as_m().ok()?, "app"))
}

/// The region in which a run's machine lives.
pub(crate) fn planned_region(run: &Item) -> Option<&str> {
    text(run.get("plan")?.as_m().ok()?.get("placement")?.as_m().ok()?, "region")
}
