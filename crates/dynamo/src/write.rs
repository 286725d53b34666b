//! Conditional writes and transactions: what is repeated, and what is a decision.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use backon::{ExponentialBuilder, Retryable};
use uuid::Uuid;

use crate::error::{Failure, StoreError, classify};
use crate::expression::Expression;
use crate::keys::Key;
use crate::schema::stamped;
use crate::{Store, Way};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A condition did not hold; this is the item as it stands, unless there is none.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Option<Item>);

/// A transaction was not carried out because conditions did not hold.
#[derive(Debug)]
pub(crate) struct Refusals(Vec<Option<Refused>>);

impl Refusals {
    #[cfg(feature = "testing")]
    pub(crate) const fn new(refused: Vec<Option<Refused>>) -> Self {
        Self(refused)
    }

    /// The refusal of one of its writes, by its place.
    pub(crate) fn at(&self, place: usize) -> Option<&Refused> {
        self.0.get(place)?.as_ref()
    }
}

/// How the same call is repeated while others write the same items: six times within about a second, apart from each other by chance.
fn contention() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(300))
        .with_factor(2.0)
        .with_max_times(6)
        .with_jitter()
}

impl Store {
    /// Updates one item and returns it as it is now.
    pub(crate) async fn update_item(
        &self,
        action: &'static str,
        key: &Key,
        expression: &Expression,
    ) -> Result<Result<Item, Refused>, StoreError> {
        let send = || async {
            let client = match &self.way {
                Way::Dynamo(client) => client,
                #[cfg(feature = "testing")]
                Way::Memory(table) => return table.update(action, key, expression).await,
            };
            let sent = client
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .update_expression(expression.update())
                .set_condition_expression(expression.condition())
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(answer) => Ok(Ok(answer.attributes.unwrap_or_default())),
                Err(SdkError::ServiceError(error)) => match error.err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => Ok(Err(Refused(failed.item().cloned()))),
                    _ => Err(classify(action, &SdkError::ServiceError(error))),
                },
                Err(error) => Err(classify(action, &error)),
            }
        };
        repeated(action, send).await
    }

    /// Puts one item.
    pub(crate) async fn put_item(
        &self,
        action: &'static str,
        item: Item,
        expression: &Expression,
    ) -> Result<Result<(), Refused>, StoreError> {
        let item = stamped(item);
        let send = || async {
            let client = match &self.way {
                Way::Dynamo(client) => client,
                #[cfg(feature = "testing")]
                Way::Memory(table) => return table.put(action, &item, expression).await,
            };
            let sent = client
                .put_item()
                .table_name(&*self.table)
                .set_item(Some(item.clone()))
                .set_condition_expression(expression.condition())
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(_) => Ok(Ok(())),
                Err(SdkError::ServiceError(error)) => match error.err() {
                    PutItemError::ConditionalCheckFailedException(failed) => Ok(Err(Refused(failed.item().cloned()))),
                    _ => Err(classify(action, &SdkError::ServiceError(error))),
                },
                Err(error) => Err(classify(action, &error)),
            }
        };
        repeated(action, send).await
    }

    /// Deletes one item.
    pub(crate) async fn delete_item(
        &self,
        action: &'static str,
        key: &Key,
        expression: &Expression,
    ) -> Result<Result<(), Refused>, StoreError> {
        let send = || async {
            let client = match &self.way {
                Way::Dynamo(client) => client,
                #[cfg(feature = "testing")]
                Way::Memory(table) => return table.delete(action, key, expression).await,
            };
            let sent = client
                .delete_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .set_condition_expression(expression.condition())
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(_) => Ok(Ok(())),
                Err(SdkError::ServiceError(error)) => match error.err() {
                    DeleteItemError::ConditionalCheckFailedException(failed) => Ok(Err(Refused(failed.item().cloned()))),
                    _ => Err(classify(action, &SdkError::ServiceError(error))),
                },
                Err(error) => Err(classify(action, &error)),
            }
        };
        repeated(action, send).await
    }

    /// Carries out all of the writes or none. Its token makes a repetition after a lost answer the same transaction
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>).
    pub(crate) async fn transact(&self, action: &'static str, writes: &[TransactWriteItem]) -> Result<Result<(), Refusals>, StoreError> {
        let token = Uuid::new_v4().to_string();
        let send = || async {
            let client = match &self.way {
                Way::Dynamo(client) => client,
                #[cfg(feature = "testing")]
                Way::Memory(table) => return table.transact(action, &token, writes).await,
            };
            let sent = client.transact_write_items().set_transact_items(Some(writes.to_vec())).client_request_token(&token).send().await;
            match sent {
                Ok(_) => Ok(Ok(())),
                Err(SdkError::ServiceError(error)) => match error.err() {
                    TransactWriteItemsError::TransactionCanceledException(cancelled) => read(action, cancelled.cancellation_reasons()),
                    TransactWriteItemsError::TransactionInProgressException(_) => {
                        Err(Failure::Contention("the same transaction is still in progress".to_owned()))
                    }
                    _ => Err(classify(action, &SdkError::ServiceError(error))),
                },
                Err(error) => Err(classify(action, &error)),
            }
        };
        repeated(action, send).await
    }

    /// A put inside a transaction.
    pub(crate) fn putting(&self, item: Item, expression: &Expression) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(stamped(item)))
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("a put has its table and its item");
        TransactWriteItem::builder().put(put).build()
    }

    /// An update inside a transaction.
    pub(crate) fn updating(&self, key: &Key, expression: &Expression) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&*self.table)
            .set_key(Some(key.attributes()))
            .update_expression(expression.update())
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("an update has its table, its key and its expression");
        TransactWriteItem::builder().update(update).build()
    }

    /// A delete inside a transaction.
    pub(crate) fn deleting(&self, key: &Key, expression: &Expression) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .set_key(Some(key.attributes()))
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("a delete has its table and its key");
        TransactWriteItem::builder().delete(delete).build()
    }
}

/// What the reasons of a cancelled transaction say, one by one. A condition that did not hold is a decision, even beside a conflict;
/// conflicts and throttling alone are repeated.
fn read(action: &'static str, reasons: &[CancellationReason]) -> Result<Result<(), Refusals>, Failure> {
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    let codes = || reasons.iter().map(code).collect::<Vec<_>>().join(", ");
    if reasons.iter().any(|reason| code(reason) == "ConditionalCheckFailed") {
        let refused = |reason: &CancellationReason| (code(reason) == "ConditionalCheckFailed").then(|| Refused(reason.item().cloned()));
        return Ok(Err(Refusals(reasons.iter().map(refused).collect())));
    }
    let passing = ["None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    if reasons.iter().all(|reason| passing.contains(&code(reason).as_str())) {
        return Err(Failure::Contention(codes()));
    }
    let messages: Vec<_> = reasons.iter().filter_map(CancellationReason::message).collect();
    Err(Failure::Final(StoreError::Refused { action, why: format!("{}: {}", codes(), messages.join("; ")) }))
}

async fn repeated<T, F, S>(action: &'static str, send: S) -> Result<T, StoreError>
where
    S: FnMut() -> F,
    F: Future<Output = Result<T, Failure>>,
{
    let done = send.retry(contention()).when(|failure| matches!(failure, Failure::Contention(_))).await;
    done.map_err(|failure| match failure {
        Failure::Contention(why) => StoreError::Unavailable { action, why },
        Failure::Final(error) => error,
    })
}
