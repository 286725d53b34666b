//! An index: the entries of those items that have its key attributes.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::keys;
use crate::memory::condition::whole;
use crate::read::text_of;
use crate::table::IndexDescription;
use crate::write::Item;

/// A sort key's worth.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    Number(i128),
    Text(String),
}

impl Sort {
    pub(crate) fn of(value: &AttributeValue) -> Self {
        match value {
            AttributeValue::N(number) => Self::Number(whole(number)),
            AttributeValue::S(text) => Self::Text(text.clone()),
            other => panic!("{other:?} is no sort key"),
        }
    }
}

/// The primary key of an item.
pub(crate) type Primary = (String, String);

pub(crate) fn primary(item: &Item) -> Primary {
    let part = |name| text_of(item, name).expect("every item has its primary key").to_owned();
    (part(keys::PK), part(keys::SK))
}

pub(crate) struct Index {
    pub(crate) description: IndexDescription,
    entries: BTreeMap<(String, Sort, Primary), Item>,
    places: BTreeMap<Primary, (String, Sort)>,
}

impl Index {
    pub(crate) fn new(description: IndexDescription) -> Self {
        Self { description, entries: BTreeMap::new(), places: BTreeMap::new() }
    }

    /// The entry of an item as it is now: its keys and what the index carries.
    pub(crate) fn entry(&self, item: &Item) -> Option<Item> {
        self.has(item).then(|| self.shown().filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect())
    }

    /// Whether an item's entry is the same before and after a write. Most writes change none, so none is made to find that out.
    pub(crate) fn shows_the_same(&self, before: Option<&Item>, after: Option<&Item>) -> bool {
        let has = |item: &&Item| self.has(item);
        match (before.filter(has), after.filter(has)) {
            (Some(before), Some(after)) => self.shown().all(|name| before.get(name) == after.get(name)),
            (before, after) => before.is_none() && after.is_none(),
        }
    }

    fn has(&self, item: &Item) -> bool {
        let (partition, sort) = self.description.key;
        item.contains_key(partition) && item.contains_key(sort)
    }

    fn shown(&self) -> impl Iterator<Item = &'static str> {
        let (partition, sort) = self.description.key;
        [keys::PK, keys::SK, partition, sort].into_iter().chain(self.description.carries.iter().copied())
    }

    pub(crate) fn put(&mut self, key: Primary, entry: Option<Item>) {
        if let Some((partition, sort)) = self.places.remove(&key) {
            self.entries.remove(&(partition, sort, key.clone()));
        }
        if let Some(entry) = entry {
            let (partition, sort) = self.description.key;
            let place = (text_of(&entry, partition).expect("a partition key is a text").to_owned(), Sort::of(&entry[sort]));
            self.places.insert(key.clone(), place.clone());
            self.entries.insert((place.0, place.1, key), entry);
        }
    }

    /// The entries of a partition, in the order of their sort keys.
    pub(crate) fn entries_of(&self, partition: &str) -> Vec<&Item> {
        let first = (partition.to_owned(), Sort::Number(i128::MIN), Primary::default());
        self.entries.range(first..).take_while(|((found, ..), _)| found == partition).map(|(_, entry)| entry).collect()
    }
}
