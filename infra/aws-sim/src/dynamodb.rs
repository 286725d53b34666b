use std::path::PathBuf;

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::OpenError;

/// DynamoDB over the embedded engine: its JSON protocol (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/>) in and out.
pub(crate) struct DynamoDb {
    database: Database,
    on_disk: bool,
}

impl DynamoDb {
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, OpenError> {
        let Some(path) = path else {
            let database = Database::memory().map_err(|source| OpenError::Database { path: PathBuf::from(":memory:"), source })?;
            return Ok(Self { database, on_disk: false });
        };
        let text = path.to_string_lossy().into_owned();
        let database = Database::new(&text).map_err(|source| OpenError::Database { path, source })?;
        Ok(Self { database, on_disk: true })
    }

    /// Status, body, and the capacity that was consumed.
    pub(crate) async fn call(&self, operation: &str, mut body: Value) -> (u16, Value, Option<Value>) {
        let asked = body.get("ReturnConsumedCapacity").is_some_and(|mode| mode != "NONE");
        if METERED.contains(&operation)
            && let Some(request) = body.as_object_mut()
        {
            request.insert("ReturnConsumedCapacity".to_owned(), "INDEXES".into());
        }
        match self.carry_out(operation, body).await {
            Ok(mut answer) => {
                let capacity = match answer.as_object_mut() {
                    Some(fields) if !asked => fields.remove("ConsumedCapacity"),
                    Some(fields) => fields.get("ConsumedCapacity").cloned(),
                    None => None,
                };
                (200, answer, capacity)
            }
            Err(error) => {
                tracing::debug!(operation, %error, "DynamoDB refused");
                let body = serde_json::from_str(&error.to_json()).unwrap_or(Value::Null);
                (error.status_code(), body, None)
            }
        }
    }

    /// Removes the items whose time to live has passed.
    pub(crate) async fn expire(&self) -> Result<usize, DynoxideError> {
        let database = self.database.clone();
        blocking(move || database.sweep_ttl()).await
    }

    /// A commit to disk waits for the disk, so it must not hold up the runtime's thread. In memory nothing waits, and staying on the thread
    /// keeps tests under virtual time exact.
    async fn carry_out(&self, operation: &str, body: Value) -> Result<Value, DynoxideError> {
        if !self.on_disk {
            return dispatch(&self.database, operation, body);
        }
        let (database, operation) = (self.database.clone(), operation.to_owned());
        blocking(move || dispatch(&database, &operation, body)).await
    }
}

/// Operations whose answers can say what they consumed.
const METERED: [&str; 10] = [
    "PutItem",
    "GetItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "TransactGetItems",
];

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DynoxideError> + Send + 'static) -> Result<T, DynoxideError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(DynoxideError::InternalServerError(panic.to_string())),
    }
}

fn dispatch(database: &Database, operation: &str, body: Value) -> Result<Value, DynoxideError> {
    match operation {
        "CreateTable" => written(database.create_table(read(body)?)),
        "DeleteTable" => written(database.delete_table(read(body)?)),
        "DescribeTable" => written(database.describe_table(read(body)?)),
        "ListTables" => written(database.list_tables(read(body)?)),
        "UpdateTable" => written(database.update_table(read(body)?)),
        "UpdateTimeToLive" => written(database.update_time_to_live(read(body)?)),
        "DescribeTimeToLive" => written(database.describe_time_to_live(read(body)?)),
        "PutItem" => written(database.put_item(read(body)?)),
        "GetItem" => written(database.get_item(read(body)?)),
        "UpdateItem" => written(database.update_item(read(body)?)),
        "DeleteItem" => written(database.delete_item(read(body)?)),
        "Query" => written(database.query(read(body)?)),
        "Scan" => written(database.scan(read(body)?)),
        "BatchGetItem" => written(database.batch_get_item(read(body)?)),
        "BatchWriteItem" => written(database.batch_write_item(read(body)?)),
        "TransactWriteItems" => written(database.transact_write_items(read(body)?)),
        "TransactGetItems" => written(database.transact_get_items(read(body)?)),
        _ => Err(DynoxideError::ValidationException(format!("{operation} is not simulated"))),
    }
}

/// The engine marks the class of a refusal that happens while a request is read by a prefix of the message.
fn read<T: DeserializeOwned>(body: Value) -> Result<T, DynoxideError> {
    serde_json::from_value(body).map_err(|error| {
        let message = error.to_string();
        match message.strip_prefix("VALIDATION:").or_else(|| message.strip_prefix("VALIDATION_REQUEST:")) {
            Some(message) => DynoxideError::ValidationException(message.to_owned()),
            None => DynoxideError::SerializationException(message),
        }
    })
}

fn written<T: Serialize>(result: Result<T, DynoxideError>) -> Result<Value, DynoxideError> {
    serde_json::to_value(result?).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
