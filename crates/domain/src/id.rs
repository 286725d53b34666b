//! Identifiers with a prefix, so that one can never be passed where another is meant, in code or in a support ticket.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an identifier of the form {prefix}_ followed by 32 lowercase hexadecimal digits")]
pub struct IdError {
    prefix: &'static str,
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// What every identifier of this kind begins with, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier (UUID version 7, RFC 9562): later ones sort after earlier ones.
            #[must_use]
            pub fn generate() -> Self {
                Self(fresh())
            }

            /// The identifier of a given UUID, for those that are derived from something else.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The 32 hexadecimal digits alone: fit for a DNS label.
            #[must_use]
            pub fn digits(&self) -> String {
                self.0.simple().to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let refused = || IdError { prefix: $prefix, text: text.chars().take(64).collect() };
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or_else(refused)?;
                let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !canonical {
                    return Err(refused());
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| refused())
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

id!(
    /// An organisation: the owner of instances and the unit of billing.
    OrganisationId,
    "org"
);
id!(
    /// An instance: one hosted gateway with its machine, its volume and its secrets.
    InstanceId,
    "ins"
);
id!(
    /// An operation as a customer sees it. It is the identifier of the durable run behind it.
    OperationId,
    "op"
);

fn fresh() -> Uuid {
    #[cfg(feature = "testing")]
    if let Some(planned) = crate::testing::planned() {
        return planned;
    }
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_survives_its_text_form() {
        let id = InstanceId::generate();
        assert_eq!(id.to_string().parse::<InstanceId>(), Ok(id));
    }

    #[test]
    fn the_wrong_prefix_case_or_length_is_refused() {
        let digits = "0190c5a0a1b27c3d8e4f5a6b7c8d9e0f";
        assert!(format!("ins_{digits}").parse::<InstanceId>().is_ok());
        for text in [digits, &format!("org_{digits}"), &format!("ins_{}", digits.to_uppercase()), "ins_0190", "ins_", ""] {
            assert!(text.parse::<InstanceId>().is_err(), "{text} was accepted");
        }
    }
}
