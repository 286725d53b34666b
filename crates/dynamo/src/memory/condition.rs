//! Conditions, as [`crate::expression`] writes them: the part of DynamoDB's grammar that this crate uses
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html>).

use std::cmp::Ordering;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::write::Item;

/// What the placeholders of an expression stand for.
#[derive(Clone, Copy)]
pub(crate) struct Meaning<'a> {
    pub(crate) names: &'a HashMap<String, String>,
    pub(crate) values: &'a HashMap<String, AttributeValue>,
}

impl<'a> Meaning<'a> {
    pub(crate) fn name(&self, placeholder: &str) -> &'a str {
        self.names.get(placeholder).unwrap_or_else(|| panic!("{placeholder} has no name"))
    }

    /// What an operand is worth; an attribute that is not there is worth nothing.
    pub(crate) fn value(&self, operand: &str, item: &'a Item) -> Option<&'a AttributeValue> {
        if operand.starts_with('#') {
            item.get(self.name(operand))
        } else {
            Some(self.values.get(operand).unwrap_or_else(|| panic!("{operand} has no value")))
        }
    }
}

/// A condition, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Exists(String),
    Absent(String),
    BeginsWith(String, String),
    In(String, Vec<String>),
    Compare(String, Comparison, String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Reads a condition. What this crate never writes is a mistake of whoever changed it: it panics, naming the place.
    pub(crate) fn parse(text: &str) -> Self {
        let mut reader = Reader { tokens: tokens(text), place: 0, text };
        let condition = reader.any();
        assert!(reader.place == reader.tokens.len(), "`{text}` goes on at token {}", reader.place);
        condition
    }

    pub(crate) fn holds(&self, item: &Item, meaning: Meaning<'_>) -> bool {
        let value = |operand: &str| meaning.value(operand, item).cloned();
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(item, meaning)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item, meaning)),
            Self::Exists(name) => value(name).is_some(),
            Self::Absent(name) => value(name).is_none(),
            Self::BeginsWith(whole, beginning) => match (value(whole), value(beginning)) {
                (Some(AttributeValue::S(whole)), Some(AttributeValue::S(beginning))) => whole.starts_with(&beginning),
                _ => false,
            },
            Self::In(one, list) => value(one).is_some_and(|one| list.iter().any(|other| value(other).as_ref() == Some(&one))),
            Self::Compare(left, comparison, right) => comparison.holds(value(left), value(right)),
        }
    }

    /// The value that an attribute must equal, if the condition says so outright.
    pub(crate) fn fixes<'a>(&self, attribute: &str, meaning: Meaning<'a>) -> Option<&'a AttributeValue> {
        match self {
            Self::All(parts) => parts.iter().find_map(|part| part.fixes(attribute, meaning)),
            Self::Compare(left, Comparison::Equal, right) if left.starts_with('#') && meaning.name(left) == attribute => {
                meaning.values.get(right)
            }
            _ => None,
        }
    }
}

impl Comparison {
    fn holds(self, left: Option<AttributeValue>, right: Option<AttributeValue>) -> bool {
        let (Some(left), Some(right)) = (left, right) else { return self == Self::Unequal };
        match (self, order(&left, &right)) {
            (Self::Equal, _) => left == right,
            (Self::Unequal, _) => left != right,
            (_, None) => false,
            (Self::Less, Some(order)) => order == Ordering::Less,
            (Self::LessOrEqual, Some(order)) => order != Ordering::Greater,
            (Self::Greater, Some(order)) => order == Ordering::Greater,
            (Self::GreaterOrEqual, Some(order)) => order != Ordering::Less,
        }
    }
}

/// Texts by their bytes, numbers by their worth; all numbers of this crate are whole.
pub(crate) fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(whole(left).cmp(&whole(right))),
        _ => None,
    }
}

pub(crate) fn whole(number: &str) -> i128 {
    number.parse().unwrap_or_else(|_| panic!("{number} is no whole number"))
}

/// Names, values, functions, operators and brackets; commas only separate.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' => 1,
            '<' | '>' | '=' => rest.find(|c| !matches!(c, '<' | '>' | '=')).unwrap_or(rest.len()),
            _ => rest.find([' ', ',', '(', ')', '<', '>', '=']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start_matches([' ', ',']);
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    place: usize,
    text: &'a str,
}

impl Reader<'_> {
    fn any(&mut self) -> Condition {
        let mut parts = vec![self.all()];
        while self.accept("OR") {
            parts.push(self.all());
        }
        if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) }
    }

    fn all(&mut self) -> Condition {
        let mut parts = vec![self.one()];
        while self.accept("AND") {
            parts.push(self.one());
        }
        if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) }
    }

    fn one(&mut self) -> Condition {
        if self.accept("(") {
            let inner = self.any();
            self.expect(")");
            return inner;
        }
        let first = self.next();
        if self.accept("(") {
            let arguments = self.list();
            return match (first.as_str(), &arguments[..]) {
                ("attribute_exists", [name]) => Condition::Exists(name.clone()),
                ("attribute_not_exists", [name]) => Condition::Absent(name.clone()),
                ("begins_with", [whole, beginning]) => Condition::BeginsWith(whole.clone(), beginning.clone()),
                _ => panic!("`{}` calls {first}", self.text),
            };
        }
        if self.accept("IN") {
            self.expect("(");
            return Condition::In(first, self.list());
        }
        let comparison = match self.next().as_str() {
            "=" => Comparison::Equal,
            "<>" => Comparison::Unequal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            other => panic!("`{}` compares by {other}", self.text),
        };
        Condition::Compare(first, comparison, self.next())
    }

    fn list(&mut self) -> Vec<String> {
        let mut list = Vec::new();
        while !self.accept(")") {
            list.push(self.next());
        }
        list
    }

    fn accept(&mut self, token: &str) -> bool {
        let is_next = self.tokens.get(self.place) == Some(&token);
        self.place += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, token: &str) {
        assert!(self.accept(token), "`{}` lacks a {token} at token {}", self.text, self.place);
    }

    fn next(&mut self) -> String {
        let token = self.tokens.get(self.place).unwrap_or_else(|| panic!("`{}` ends too soon", self.text));
        self.place += 1;
        (*token).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Expression, number, text};

    fn holds(expression: &Expression, item: &Item) -> bool {
        let (names, values) = (expression.names().unwrap_or_default(), expression.values().unwrap_or_default());
        Condition::parse(&expression.condition().unwrap()).holds(item, Meaning { names: &names, values: &values })
    }

    #[test]
    fn what_is_absent_equals_nothing_and_differs_from_everything() {
        let item = Item::from([("rev".to_owned(), number(7))]);
        let when = |condition: &str| Expression::new().when(condition).number(":seen", 7).text(":name", "x");
        assert!(holds(&when("#rev = :seen"), &item) && !holds(&when("#rev <> :seen"), &item));
        assert!(!holds(&when("#none = :name"), &item) && holds(&when("#none <> :name"), &item));
        assert!(holds(&when("attribute_not_exists(#none) AND attribute_exists(#rev)"), &item));
        assert!(!holds(&when("#none < :seen"), &item));
    }

    #[test]
    fn numbers_compare_by_their_worth_and_brackets_bind() {
        let item = Item::from([("at".to_owned(), number(9)), ("phase".to_owned(), text("running"))]);
        let when = |condition: &str| Expression::new().when(condition).number(":ten", 10).text(":running", "running").text(":ru", "ru");
        assert!(holds(&when("#at <= :ten"), &item), "as texts, 9 would come after 10");
        assert!(holds(&when("#at > :ten OR #phase IN (:ten, :running)"), &item));
        assert!(!holds(&when("#at > :ten").when("begins_with(#phase, :ru)"), &item));
        assert!(holds(&when("(#at > :ten OR #at < :ten) AND begins_with(#phase, :ru)"), &item));
    }

    #[test]
    #[should_panic(expected = "calls size")]
    fn what_is_not_understood_is_not_passed_over() {
        Condition::parse("size(#journal) = :ten");
    }
}
