//! What records were a moment ago: lists of Fly's lag behind, and show a machine as it was before its last change.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

/// The longest for which a list can show what has changed since.
const KEPT: SignedDuration = SignedDuration::from_secs(60);

/// The records of a table before their latest changes, oldest change first. It does not outlive the program: after a restart no list lags.
pub(crate) struct History<T>(VecDeque<Was<T>>);

struct Was<T> {
    key: String,
    /// When this ended.
    until: Timestamp,
    /// `None` if there was no such record.
    record: Option<Box<T>>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> History<T> {
    /// Takes note of what a record was until now.
    pub(crate) fn push(&mut self, key: String, record: Option<Box<T>>, now: Timestamp) {
        while self.0.front().is_some_and(|was| now.duration_since(was.until) > KEPT) {
            self.0.pop_front();
        }
        self.0.push_back(Was { key, until: now, record });
    }

    /// A table as it was at a time, in the order of its keys.
    pub(crate) fn at<'a>(&'a self, seen: Timestamp, table: &'a BTreeMap<String, T>) -> Vec<&'a T> {
        let mut then: BTreeMap<&str, Option<&T>> = BTreeMap::new();
        // Of several changes since, the first one ended what was seen.
        for was in self.0.iter().rev().take_while(|was| was.until > seen) {
            then.insert(&was.key, was.record.as_deref());
        }
        if then.is_empty() {
            return table.values().collect();
        }
        let unchanged = table.iter().filter(|(key, _)| !then.contains_key(key.as_str())).map(|(key, record)| (key.as_str(), Some(record)));
        let mut all: Vec<(&str, Option<&T>)> = unchanged.chain(then.iter().map(|(key, record)| (*key, *record))).collect();
        all.sort_by_key(|(key, _)| *key);
        all.into_iter().filter_map(|(_, record)| record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_table_is_seen_as_it_was_for_a_minute() {
        let mut history = History::default();
        let mut push = |key: &str, record: Option<i32>, at| history.push(key.to_owned(), record.map(Box::new), second(at));
        // `a` was made at 10 and changed at 20 and 30; `b` was there and went at 30; `c` never changed.
        push("a", None, 10);
        push("a", Some(1), 20);
        push("a", Some(2), 30);
        push("b", Some(7), 30);
        let table = BTreeMap::from([("a".to_owned(), 3), ("c".to_owned(), 9)]);
        let at = |at| history.at(second(at), &table).into_iter().copied().collect::<Vec<_>>();
        assert_eq!(at(5), [7, 9]);
        assert_eq!(at(10), [1, 7, 9]);
        assert_eq!(at(29), [2, 7, 9]);
        assert_eq!(at(30), [3, 9]);
        history.push("c".to_owned(), Some(Box::new(8)), second(95));
        assert_eq!(history.at(second(15), &table), [&3, &8], "what changed more than a minute ago is forgotten");
    }
}
