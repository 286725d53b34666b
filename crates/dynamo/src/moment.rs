//! Points in time as DynamoDB keeps them: numbers of nanoseconds since 1970, which sort as they should and lose nothing.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time inside an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl Moment {
    pub(crate) fn value(at: Timestamp) -> AttributeValue {
        AttributeValue::N(at.as_nanosecond().to_string())
    }

    pub(crate) fn parse(value: &AttributeValue) -> Option<Timestamp> {
        Timestamp::from_nanosecond(value.as_n().ok()?.parse().ok()?).ok()
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Nanoseconds fit into 64 bits until the year 2262.
        i64::try_from(self.0.as_nanosecond()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nanoseconds = i64::deserialize(deserializer)?;
        Timestamp::from_nanosecond(i128::from(nanoseconds)).map(Self).map_err(D::Error::custom)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// When an item may go, as DynamoDB's time to live reads it: whole seconds.
pub(crate) fn expiry(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_second().to_string())
}

/// Whether an item's time has passed, whatever DynamoDB has got round to.
pub(crate) fn expired(expires_at: Option<i64>, now: Timestamp) -> bool {
    expires_at.is_some_and(|at| at <= now.as_second())
}
