//! Updates, as [`crate::expression`] writes them: `SET … REMOVE …`
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html>).

use aws_sdk_dynamodb::types::AttributeValue;

use crate::expression::number;
use crate::memory::condition::{Meaning, whole};
use crate::write::Item;

/// An update, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    set: Vec<(String, Worth)>,
    remove: Vec<String>,
}

/// What an attribute is set to.
#[derive(Debug, Clone, PartialEq)]
enum Worth {
    Operand(String),
    IfAbsent(String, String),
    Sum(Box<Worth>, Box<Worth>),
    Difference(Box<Worth>, Box<Worth>),
}

impl Update {
    /// Reads an update. It panics at what this crate never writes.
    pub(crate) fn parse(text: &str) -> Self {
        let (set, remove) = match text.split_once("REMOVE ") {
            Some((set, remove)) => (set.trim(), remove.trim()),
            None => (text.trim(), ""),
        };
        let assignments = split(set.strip_prefix("SET ").unwrap_or_default());
        let set = assignments.into_iter().map(|assignment| {
            let (name, worth) = assignment.split_once(" = ").unwrap_or_else(|| panic!("`{assignment}` assigns nothing"));
            (name.to_owned(), Worth::parse(worth))
        });
        Self { set: set.collect(), remove: split(remove).into_iter().map(str::to_owned).collect() }
    }

    /// The item as it is afterwards. Everything is read before anything is written.
    pub(crate) fn apply(&self, item: &Item, meaning: Meaning<'_>) -> Item {
        let mut next = item.clone();
        for (name, worth) in &self.set {
            next.insert(meaning.name(name).to_owned(), worth.of(item, meaning));
        }
        for name in &self.remove {
            next.remove(meaning.name(name));
        }
        next
    }
}

impl Worth {
    fn parse(text: &str) -> Self {
        if let Some((left, right)) = text.split_once(" + ") {
            return Self::Sum(Box::new(Self::parse(left)), Box::new(Self::parse(right)));
        }
        if let Some((left, right)) = text.split_once(" - ") {
            return Self::Difference(Box::new(Self::parse(left)), Box::new(Self::parse(right)));
        }
        match text.strip_prefix("if_not_exists(").and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.split_once(", ")) {
            Some((name, otherwise)) => Self::IfAbsent(name.to_owned(), otherwise.to_owned()),
            None => Self::Operand(text.to_owned()),
        }
    }

    fn of(&self, item: &Item, meaning: Meaning<'_>) -> AttributeValue {
        let value = |operand: &str| meaning.value(operand, item).cloned();
        let count = |worth: &Self| match worth.of(item, meaning) {
            AttributeValue::N(text) => whole(&text),
            other => panic!("{other:?} is no number"),
        };
        match self {
            Self::Operand(operand) => value(operand).unwrap_or_else(|| panic!("{operand} is absent and set to another attribute")),
            Self::IfAbsent(name, otherwise) => value(name).or_else(|| value(otherwise)).expect("a placeholder of a value"),
            Self::Sum(left, right) => number(count(left) + count(right)),
            Self::Difference(left, right) => number(count(left) - count(right)),
        }
    }
}

/// Splits at the commas outside of brackets.
fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Expression, text};

    #[test]
    fn everything_is_read_before_anything_is_written() {
        let item = Item::from([("rev".to_owned(), number(7)), ("old".to_owned(), text("x"))]);
        let expression = Expression::new()
            .assign("#rev = #rev + :one")
            .assign("#count = if_not_exists(#count, :none) + :one")
            .assign("#was = #rev")
            .number(":one", 1)
            .number(":none", 0)
            .set("name", text("y"))
            .remove("old");
        let (names, values) = (expression.names().unwrap(), expression.values().unwrap());
        let next = Update::parse(&expression.update()).apply(&item, Meaning { names: &names, values: &values });
        let wanted = [("rev", number(8)), ("count", number(1)), ("was", number(7)), ("name", text("y"))];
        assert_eq!(next, wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    }
}
