//! Adversity on request: what the embedded services never do by themselves and AWS does every day.

use std::time::Duration;

use serde_json::{Value, json};

/// A simulated service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Tables.
    DynamoDb,
    /// Queues.
    Sqs,
    /// Secrets.
    SecretsManager,
}

impl Service {
    /// The service's name as AWS's endpoints and this crate's ledger write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
            Self::SecretsManager => "secretsmanager",
        }
    }
}

/// One request of a client, before it reaches its service. A client's own retries are calls of their own.
#[derive(Debug)]
pub struct Call<'a> {
    /// Whom it is for.
    pub service: Service,
    /// What it asks, for example `TransactWriteItems`.
    pub operation: &'a str,
    /// The request as sent.
    pub body: &'a Value,
    /// Its number among the calls since the fault was set, from 1.
    pub number: u64,
    /// The access key that signed it.
    pub caller: &'a str,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is carried out and answered.
    Pass,
    /// It is refused and has no effect.
    Refuse(Refusal),
    /// It never arrives: the client sees a broken connection, nothing happened.
    LoseRequest,
    /// It is carried out, but the client sees a broken connection.
    LoseAnswer,
    /// It is carried out at once and answered late.
    Slow(Duration),
    /// It is not carried out; the client gets this body as a success, for example an earlier answer of an index that lags.
    Answer(Value),
}

/// How AWS refuses a call that was nobody's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another transaction touches the same item: `TransactionConflict` as the first cancellation reason of a transaction,
    /// `TransactionConflictException` otherwise.
    TransactionConflict,
    /// Too many requests: `ThrottlingError` as the first cancellation reason of a transaction, `ThrottlingException` otherwise.
    Throttled,
    /// The service itself failed with status 500. For a write that says nothing about the effect; here there was none.
    InternalError,
    /// Any other refusal.
    Other {
        /// HTTP status.
        status: u16,
        /// AWS's error code.
        code: String,
        /// AWS's message.
        message: String,
    },
}

impl Refusal {
    /// Status and body as AWS would send them for this call.
    pub(crate) fn render(&self, call: &Call<'_>) -> (u16, Value) {
        let transaction = call.body.get("TransactItems").and_then(Value::as_array).map(Vec::len);
        match (self, transaction) {
            (Self::TransactionConflict, Some(items)) => cancelled(items, "TransactionConflict", "Transaction is ongoing for the item"),
            (Self::Throttled, Some(items)) => cancelled(items, "ThrottlingError", "Throughput exceeds the current capacity of your table"),
            (Self::TransactionConflict, None) => error(400, "TransactionConflictException", "Transaction is ongoing for the item"),
            (Self::Throttled, None) => error(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput."),
            (Self::InternalError, _) => error(500, "InternalServerError", "Internal server error"),
            (Self::Other { status, code, message }, _) => error(*status, code, message),
        }
    }
}

/// An error in the JSON protocols' form.
pub(crate) fn error(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({ "__type": code, "message": message }))
}

/// A cancelled transaction whose first item is to blame; the others would have succeeded.
fn cancelled(items: usize, code: &str, message: &str) -> (u16, Value) {
    let reasons: Vec<Value> =
        (0..items).map(|place| if place == 0 { json!({ "Code": code, "Message": message }) } else { json!({ "Code": "None" }) }).collect();
    let codes = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect::<Vec<_>>().join(", ");
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"),
        "CancellationReasons": reasons,
    });
    (400, body)
}
