//! The items themselves, with their indexes behind them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use crate::keys::Key;
use crate::memory::EntryChange;
use crate::memory::condition::{Condition, Meaning};
use crate::memory::index::{Index, Primary, primary};
use crate::memory::update::Update;
use crate::read::{Found, Query};
use crate::table::table_description;
use crate::write::{Item, Refused};

/// Everything in the table. Each of its calls is atomic.
pub(crate) struct Shelf {
    items: BTreeMap<Primary, Item>,
    indexes: Vec<Index>,
    late: VecDeque<Late>,
    /// Transactions that were carried out, by their tokens.
    pub(crate) tokens: HashSet<String>,
    pub(crate) writes: u64,
    /// What indexes will show, for whoever follows them.
    pub(crate) followed: Option<Vec<EntryChange>>,
    conditions: HashMap<String, Arc<Condition>>,
    updates: HashMap<String, Arc<Update>>,
}

/// A change that an index has not seen yet.
struct Late {
    seen_at: Timestamp,
    index: usize,
    key: Primary,
    entry: Option<Item>,
}

/// One write: what it requires, and what is there afterwards.
pub(crate) struct Change {
    pub(crate) key: Primary,
    pub(crate) condition: Option<Arc<Condition>>,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, aws_sdk_dynamodb::types::AttributeValue>,
    pub(crate) effect: Effect,
}

pub(crate) enum Effect {
    Put(Item),
    Update(Arc<Update>),
    Delete,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self {
            items: BTreeMap::new(),
            indexes: table_description().indexes.into_iter().map(Index::new).collect(),
            late: VecDeque::new(),
            tokens: HashSet::new(),
            writes: 0,
            followed: None,
            conditions: HashMap::new(),
            updates: HashMap::new(),
        }
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// The items of a partition whose sort keys begin so, in their order.
    pub(crate) fn partition(&self, partition: &str, beginning: &str) -> Vec<&Item> {
        let from = (partition.to_owned(), beginning.to_owned());
        let within = |(pk, sk): &Primary| pk == partition && sk.starts_with(beginning);
        self.items.range(from..).take_while(|(key, _)| within(key)).map(|(_, item)| item).collect()
    }

    pub(crate) fn get(&self, key: &Primary) -> Option<&Item> {
        self.items.get(key)
    }

    pub(crate) fn index(&self, name: &str) -> &Index {
        self.indexes.iter().find(|index| index.description.name == name).unwrap_or_else(|| panic!("there is no index {name}"))
    }

    /// The same texts come again and again: each is read once.
    pub(crate) fn condition(&mut self, text: Option<&str>) -> Option<Arc<Condition>> {
        let text = text?;
        if !self.conditions.contains_key(text) {
            self.conditions.insert(text.to_owned(), Arc::new(Condition::parse(text)));
        }
        self.conditions.get(text).cloned()
    }

    pub(crate) fn update(&mut self, text: &str) -> Arc<Update> {
        if !self.updates.contains_key(text) {
            self.updates.insert(text.to_owned(), Arc::new(Update::parse(text)));
        }
        Arc::clone(&self.updates[text])
    }

    /// Whether a write's condition holds; if not, the item as it stands.
    pub(crate) fn admits(&self, change: &Change) -> Result<(), Refused> {
        let stored = self.items.get(&change.key);
        let nothing = Item::new();
        let meaning = Meaning { names: &change.names, values: &change.values };
        let holds = change.condition.as_ref().is_none_or(|condition| condition.holds(stored.unwrap_or(&nothing), meaning));
        if holds { Ok(()) } else { Err(Refused(stored.cloned())) }
    }

    /// Carries a write out. The indexes see it at `seen_at`, and never before what they have not seen yet.
    pub(crate) fn carry_out(&mut self, change: Change, seen_at: Timestamp) -> Option<Item> {
        self.writes += 1;
        let Change { key, names, values, effect, .. } = change;
        let next = match effect {
            Effect::Put(item) => Some(item),
            Effect::Delete => None,
            Effect::Update(update) => {
                // An update of what is not there makes it, with its key.
                let absent = || Key { pk: key.0.clone(), sk: key.1.clone() }.attributes();
                let stored = self.items.get(&key).map_or_else(|| Cow::Owned(absent()), Cow::Borrowed);
                Some(update.apply(&stored, Meaning { names: &names, values: &values }))
            }
        };
        let seen_at = self.late.back().map_or(seen_at, |last| last.seen_at.max(seen_at));
        for (place, index) in self.indexes.iter().enumerate() {
            if !index.shows_the_same(self.items.get(&key), next.as_ref()) {
                let entry = next.as_ref().and_then(|item| index.entry(item));
                if let Some(followed) = &mut self.followed {
                    followed.push(EntryChange { index: index.description.name, key: key.clone(), entry: entry.clone() });
                }
                self.late.push_back(Late { seen_at, index: place, key: key.clone(), entry });
            }
        }
        match &next {
            Some(item) => self.items.insert(key, item.clone()),
            None => self.items.remove(&key),
        };
        next
    }

    /// Shows the indexes what they may have seen by now, or everything.
    pub(crate) fn catch_up(&mut self, now: Option<Timestamp>) {
        while let Some(late) = self.late.pop_front_if(|late| now.is_none_or(|now| late.seen_at <= now)) {
            self.indexes[late.index].put(late.key, late.entry);
        }
    }

    pub(crate) fn query(&mut self, query: &Query, now: Timestamp) -> Found {
        self.catch_up(Some(now));
        let condition = self.condition(query.expression.condition().as_deref()).expect("a query names its partition");
        let filter = self.condition(query.filter);
        let (names, values) = (query.expression.names().unwrap_or_default(), query.expression.values().unwrap_or_default());
        let meaning = Meaning { names: &names, values: &values };
        let found = match query.index {
            Some(name) => self.in_index(name, &condition, meaning),
            None => self.in_table(&condition, meaning),
        };
        let mut found: Vec<&Item> = found.into_iter().filter(|item| condition.holds(item, meaning)).collect();
        if query.newest_first {
            found.reverse();
        }
        if let Some(after) = &query.after {
            let after = primary(after);
            let place = found.iter().position(|item| primary(item) == after);
            // What the last page ended with may have gone: then the order of the keys says where to go on.
            let rest =
                place.map_or_else(|| found.partition_point(|item| (primary(item) <= after) != query.newest_first), |place| place + 1);
            found.drain(..rest);
        }
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        let next = (found.len() > limit).then(|| found[limit - 1].clone());
        found.truncate(limit);
        let shown = |item: &&&Item| filter.as_ref().is_none_or(|filter| filter.holds(item, meaning));
        Found { items: found.iter().filter(shown).map(|item| (*item).clone()).collect(), next }
    }

    fn in_index(&self, name: &str, condition: &Condition, meaning: Meaning<'_>) -> Vec<&Item> {
        let index = self.index(name);
        let partition = condition.fixes(index.description.key.0, meaning).and_then(|value| value.as_s().ok());
        let partition = partition.unwrap_or_else(|| panic!("a query of {name} names no partition"));
        index.entries_of(partition)
    }

    fn in_table(&self, condition: &Condition, meaning: Meaning<'_>) -> Vec<&Item> {
        let partition = condition.fixes(crate::keys::PK, meaning).and_then(|value| value.as_s().ok()).expect("a query names its partition");
        self.partition(partition, "")
    }

    pub(crate) fn seen_at(now: Timestamp, lag: std::time::Duration) -> Timestamp {
        now + lag
    }
}
