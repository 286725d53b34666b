//! Changes: one small item for each thing that was done to an instance, which is both the audit and the list of its operations.
//!
//! Its identifier is that of the run it started, or a fresh one, so that changes of an instance sort by time.

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{Instance, OperationId};
use jiff::SignedDuration;

use crate::Store;
use crate::expression::{Expression, text};
use crate::keys::{self, EXPIRES_AT};
use crate::moment::{Moment, expiry};

/// How long a change is kept: a year and a month, so that a yearly audit finds the whole of it.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What was done.
pub(crate) struct Change<'a> {
    /// The run it started, or a fresh identifier.
    pub(crate) id: OperationId,
    /// In one word: `create`, `stop`, `rename`.
    pub(crate) what: &'a str,
    /// Whether it started the run of its name.
    pub(crate) started: bool,
}

impl Store {
    /// The write of a change, for the transaction that makes it.
    pub(crate) fn change(&self, instance: &Instance, change: &Change<'_>) -> TransactWriteItem {
        let now = self.clock.now();
        let mut item = keys::change(&instance.organisation, &instance.id, &change.id).attributes();
        item.insert("what".to_owned(), text(change.what));
        item.insert("at".to_owned(), Moment::value(now));
        item.insert(EXPIRES_AT.to_owned(), expiry(now + KEPT));
        if change.started {
            item.insert("operation".to_owned(), text(change.id.to_string()));
        }
        self.putting(item, &Expression::new())
    }
}
