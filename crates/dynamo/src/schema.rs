//! The version of the items' form. Every item carries it, so that code which does not know a form refuses it and writes nothing on a
//! guess, during a deployment and after a roll-back.
//!
//! Attributes that older code may ignore, and would keep, are added without a new version. Any other change raises [`SCHEMA`] in two
//! deployments: one that reads both forms, and when nothing older runs, one that writes the new.

use crate::error::StoreError;
use crate::expression::number;
use crate::read::{key_of, number_of};
use crate::write::Item;

/// The form in which this code writes, and the newest that it reads.
pub(crate) const SCHEMA: u32 = 1;

const ATTRIBUTE: &str = "schema";

/// The item as it is put.
pub(crate) fn stamped(mut item: Item) -> Item {
    item.insert(ATTRIBUTE.to_owned(), number(SCHEMA));
    item
}

/// The item, if this code may read it. An index may leave the attribute out; what it points to has it.
pub(crate) fn known(item: Item) -> Result<Item, StoreError> {
    if number_of::<u32>(&item, ATTRIBUTE).is_some_and(|schema| schema > SCHEMA) {
        return Err(StoreError::corrupt(&key_of(&item), format!("newer code wrote it; this code knows forms up to {SCHEMA}")));
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_newer_code_wrote_is_refused_and_all_else_is_read() {
        let item = |schema: Option<u32>| Item::from_iter(schema.map(|schema| (ATTRIBUTE.to_owned(), number(schema))));
        for good in [None, Some(SCHEMA)] {
            assert_eq!(known(item(good)), Ok(item(good)));
        }
        assert_eq!(known(stamped(Item::new())), Ok(item(Some(SCHEMA))));
        let error = known(item(Some(SCHEMA + 1))).expect_err("nobody knows what it would mean");
        assert!(error.to_string().contains("newer code wrote it"), "{error}");
    }
}
