//! The seven calls of the store, as the SDK would make them: up to three tries each.

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::error::{Failure, StoreError};
use crate::expression::Expression;
use crate::keys::Key;
use crate::memory::MemoryTable;
use crate::memory::index::primary;
use crate::memory::shelf::{Change, Effect, Shelf};
use crate::memory::weather::{Fate, Forecast};
use crate::read::{Found, Query};
use crate::write::{Item, Refusals, Refused};

/// The SDK's standard mode tries three times: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>.
const TRIES: u32 = 3;

impl MemoryTable {
    pub(crate) async fn update(&self, action: &'static str, key: &Key, expression: &Expression) -> Result<Result<Item, Refused>, Failure> {
        let effect = |shelf: &mut Shelf| Effect::Update(shelf.update(&expression.update()));
        let written = self.write("UpdateItem", action, key, expression, effect).await?;
        Ok(written.map(Option::unwrap_or_default))
    }

    pub(crate) async fn put(&self, action: &'static str, item: &Item, expression: &Expression) -> Result<Result<(), Refused>, Failure> {
        let (pk, sk) = primary(item);
        let written = self.write("PutItem", action, &Key { pk, sk }, expression, |_| Effect::Put(item.clone())).await?;
        Ok(written.map(|_| ()))
    }

    pub(crate) async fn delete(&self, action: &'static str, key: &Key, expression: &Expression) -> Result<Result<(), Refused>, Failure> {
        let written = self.write("DeleteItem", action, key, expression, |_| Effect::Delete).await?;
        Ok(written.map(|_| ()))
    }

    pub(crate) async fn transact(
        &self,
        action: &'static str,
        token: &str,
        writes: &[TransactWriteItem],
    ) -> Result<Result<(), Refusals>, Failure> {
        self.call("TransactWriteItems", action, |shelf, forecast| {
            if shelf.tokens.contains(token) {
                return Ok(());
            }
            let changes: Vec<Change> = writes.iter().map(|write| change(shelf, write)).collect();
            let refused: Vec<_> = changes.iter().map(|change| shelf.admits(change).err()).collect();
            if refused.iter().any(Option::is_some) {
                return Err(Refusals::new(refused));
            }
            let seen_at = Shelf::seen_at(self.clock.now(), forecast.lag);
            for change in changes {
                shelf.carry_out(change, seen_at);
            }
            shelf.tokens.insert(token.to_owned());
            Ok(())
        })
        .await
    }

    pub(crate) async fn get(&self, action: &'static str, key: &Key) -> Result<Option<Item>, Failure> {
        let key = (key.pk.clone(), key.sk.clone());
        self.call("GetItem", action, |shelf, _| shelf.get(&key).cloned()).await
    }

    pub(crate) async fn get_all(&self, action: &'static str, wanted: &[Key]) -> Result<Vec<Item>, Failure> {
        let found = |shelf: &mut Shelf| wanted.iter().filter_map(|key| shelf.get(&(key.pk.clone(), key.sk.clone())).cloned()).collect();
        self.call("BatchGetItem", action, |shelf, _| found(shelf)).await
    }

    pub(crate) async fn query(&self, action: &'static str, query: &Query) -> Result<Found, Failure> {
        self.call("Query", action, |shelf, _| shelf.query(query, self.clock.now())).await
    }

    async fn write(
        &self,
        operation: &'static str,
        action: &'static str,
        key: &Key,
        expression: &Expression,
        effect: impl Fn(&mut Shelf) -> Effect,
    ) -> Result<Result<Option<Item>, Refused>, Failure> {
        self.call(operation, action, |shelf, forecast| {
            let change = Change {
                key: (key.pk.clone(), key.sk.clone()),
                condition: shelf.condition(expression.condition().as_deref()),
                names: expression.names().unwrap_or_default(),
                values: expression.values().unwrap_or_default(),
                effect: effect(shelf),
            };
            shelf.admits(&change)?;
            Ok(shelf.carry_out(change, Shelf::seen_at(self.clock.now(), forecast.lag)))
        })
        .await
    }

    /// One call with its tries. A lost answer is followed by the same call again, which meets what the first one did.
    async fn call<T>(
        &self,
        operation: &'static str,
        action: &'static str,
        mut apply: impl FnMut(&mut Shelf, Forecast) -> T,
    ) -> Result<T, Failure> {
        let mut why = "";
        for _ in 0..TRIES {
            let forecast = self.weather.forecast(operation);
            if !forecast.there.is_zero() {
                self.clock.sleep(forecast.there).await;
            }
            let answer = match forecast.fate {
                Fate::Pass => Some(apply(&mut self.shelf(), forecast)),
                Fate::LoseAnswer => {
                    apply(&mut self.shelf(), forecast);
                    why = "the answer was lost";
                    None
                }
                Fate::LoseRequest => {
                    why = "the request was lost";
                    None
                }
                Fate::Throttled if operation == "TransactWriteItems" => return Err(Failure::Contention("ThrottlingError".to_owned())),
                Fate::Throttled => {
                    why = "throttled";
                    None
                }
                // A read meets none.
                Fate::Conflict if matches!(operation, "GetItem" | "BatchGetItem" | "Query") => Some(apply(&mut self.shelf(), forecast)),
                Fate::Conflict => return Err(Failure::Contention("TransactionConflict".to_owned())),
            };
            if !forecast.back.is_zero() {
                self.clock.sleep(forecast.back).await;
            }
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        Err(Failure::Final(StoreError::Unavailable { action, why: why.to_owned() }))
    }
}

/// A write of a transaction, from the SDK's form.
fn change(shelf: &mut Shelf, write: &TransactWriteItem) -> Change {
    if let Some(put) = write.put() {
        return Change {
            key: primary(put.item()),
            condition: shelf.condition(put.condition_expression()),
            names: put.expression_attribute_names().cloned().unwrap_or_default(),
            values: put.expression_attribute_values().cloned().unwrap_or_default(),
            effect: Effect::Put(put.item().clone()),
        };
    }
    if let Some(update) = write.update() {
        return Change {
            key: primary(update.key()),
            condition: shelf.condition(update.condition_expression()),
            names: update.expression_attribute_names().cloned().unwrap_or_default(),
            values: update.expression_attribute_values().cloned().unwrap_or_default(),
            effect: Effect::Update(shelf.update(update.update_expression())),
        };
    }
    let delete = write.delete().expect("a write is a put, an update or a delete");
    Change {
        key: primary(delete.key()),
        condition: shelf.condition(delete.condition_expression()),
        names: delete.expression_attribute_names().cloned().unwrap_or_default(),
        values: delete.expression_attribute_values().cloned().unwrap_or_default(),
        effect: Effect::Delete,
    }
}
