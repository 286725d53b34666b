use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// The expressions of one write, and what their placeholders stand for.
///
/// Every attribute is written as `#name`, so that none of DynamoDB's 573 reserved words can ever be one of ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    set: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
}

impl Expression {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets an attribute to a value.
    pub(crate) fn set(mut self, attribute: &str, value: AttributeValue) -> Self {
        let placeholder = format!(":{attribute}");
        self.set.push(format!("#{attribute} = {placeholder}"));
        self.names.insert(format!("#{attribute}"), attribute.to_owned());
        self.values.insert(placeholder, value);
        self
    }

    /// Sets an attribute, or removes it if there is no value.
    pub(crate) fn put(self, attribute: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(attribute, value),
            None => self.remove(attribute),
        }
    }

    /// Sets by an expression: `#misses = #misses + :one`.
    pub(crate) fn assign(mut self, assignment: &str) -> Self {
        self.name(assignment);
        self.set.push(assignment.to_owned());
        self
    }

    /// Removes an attribute.
    pub(crate) fn remove(mut self, attribute: &str) -> Self {
        self.names.insert(format!("#{attribute}"), attribute.to_owned());
        self.remove.push(format!("#{attribute}"));
        self
    }

    /// Requires a condition, besides those required already.
    pub(crate) fn when(mut self, condition: &str) -> Self {
        self.name(condition);
        self.conditions.push(format!("({condition})"));
        self
    }

    /// Makes `#attribute` known to a filter.
    pub(crate) fn name_of(mut self, attribute: &str) -> Self {
        self.names.insert(format!("#{attribute}"), attribute.to_owned());
        self
    }

    /// Says what a placeholder of [`assign`](Self::assign) or [`when`](Self::when) stands for.
    pub(crate) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    pub(crate) fn text(self, placeholder: &str, value: impl Into<String>) -> Self {
        self.value(placeholder, AttributeValue::S(value.into()))
    }

    pub(crate) fn number(self, placeholder: &str, value: impl ToString) -> Self {
        self.value(placeholder, number(value))
    }

    pub(crate) fn update(&self) -> String {
        let mut clauses = Vec::new();
        if !self.set.is_empty() {
            clauses.push(format!("SET {}", self.set.join(", ")));
        }
        if !self.remove.is_empty() {
            clauses.push(format!("REMOVE {}", self.remove.join(", ")));
        }
        clauses.join(" ")
    }

    pub(crate) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn name(&mut self, expression: &str) {
        for token in expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '#' || c == '_')) {
            if let Some(attribute) = token.strip_prefix('#') {
                self.names.insert(token.to_owned(), attribute.to_owned());
            }
        }
    }
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_named_wherever_they_stand() {
        let expression = Expression::new()
            .set("phase", text("done"))
            .assign("#rev = #rev + :one")
            .number(":one", 1)
            .remove("lease_until")
            .when("attribute_not_exists(#pk) OR #expires_at <= :now")
            .when("#rev = :seen");
        assert_eq!(expression.update(), "SET #phase = :phase, #rev = #rev + :one REMOVE #lease_until");
        assert_eq!(expression.condition().unwrap(), "(attribute_not_exists(#pk) OR #expires_at <= :now) AND (#rev = :seen)");
        let mut names: Vec<_> = expression.names().unwrap().into_keys().collect();
        names.sort();
        assert_eq!(names, ["#expires_at", "#lease_until", "#phase", "#pk", "#rev"]);
    }
}
