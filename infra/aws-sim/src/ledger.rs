use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What was called, and what DynamoDB consumed: the bill, as a value that tests can compare.
///
/// Units are those that DynamoDB reports for on-demand tables: a write unit is 1 KB (two in a transaction), a read unit 4 KB read consistently.
/// A call that DynamoDB refuses is counted as a call, but the embedded store reports no units for it, although AWS bills a failed condition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    calls: BTreeMap<String, u64>,
    reads: BTreeMap<String, f64>,
    writes: BTreeMap<String, f64>,
}

impl Ledger {
    /// How often an operation was called, retries included: `dynamodb.UpdateItem`, `sqs.SendMessage`.
    #[must_use]
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    /// Every operation that was called, and how often.
    #[must_use]
    pub const fn operations(&self) -> &BTreeMap<String, u64> {
        &self.calls
    }

    /// All calls together.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Read units by table, `rockpool`, and by index, `rockpool/overdue`.
    #[must_use]
    pub const fn reads(&self) -> &BTreeMap<String, f64> {
        &self.reads
    }

    /// Write units by table, `rockpool`, and by index, `rockpool/overdue`.
    #[must_use]
    pub const fn writes(&self) -> &BTreeMap<String, f64> {
        &self.writes
    }

    /// All read units together.
    #[must_use]
    pub fn read_units(&self) -> f64 {
        self.reads.values().fold(0.0, |sum, units| sum + units)
    }

    /// All write units together.
    #[must_use]
    pub fn write_units(&self) -> f64 {
        self.writes.values().fold(0.0, |sum, units| sum + units)
    }

    pub(crate) fn count(&mut self, service: &str, operation: &str) {
        *self.calls.entry(format!("{service}.{operation}")).or_default() += 1;
    }

    /// Adds what one answer of DynamoDB says it consumed. `capacity` is its `ConsumedCapacity`: an object, or a list of them.
    pub(crate) fn consume(&mut self, operation: &str, capacity: &Value) {
        match capacity {
            Value::Array(tables) => tables.iter().for_each(|table| self.consume(operation, table)),
            Value::Object(table) => {
                // A transaction that is answered a second time for the same token costs reads, and says so in a field of its own.
                let replayed = table.get("ReadCapacityUnits").and_then(Value::as_f64).is_some_and(|units| units > 0.0);
                let units = if replayed || READS.contains(&operation) { &mut self.reads } else { &mut self.writes };
                let name = table.get("TableName").and_then(Value::as_str).unwrap_or("?");
                let part =
                    |part: Option<&Value>| part.and_then(|part| part.get("CapacityUnits")).and_then(Value::as_f64).unwrap_or_default();
                add(units, name.to_owned(), part(table.get("Table")));
                for (index, detail) in table.get("GlobalSecondaryIndexes").and_then(Value::as_object).into_iter().flatten() {
                    add(units, format!("{name}/{index}"), part(Some(detail)));
                }
            }
            _ => {}
        }
    }
}

const READS: [&str; 5] = ["GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"];

fn add(units: &mut BTreeMap<String, f64>, name: String, amount: f64) {
    if amount > 0.0 {
        *units.entry(name).or_default() += amount;
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (operation, times) in &self.calls {
            writeln!(f, "{operation}: {times}")?;
        }
        for (name, units) in &self.reads {
            writeln!(f, "{name}: {units} read")?;
        }
        for (name, units) in &self.writes {
            writeln!(f, "{name}: {units} written")?;
        }
        Ok(())
    }
}
