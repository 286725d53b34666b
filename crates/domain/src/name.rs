use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The customer's name for an instance: a DNS label (RFC 1123, section 2.1; RFC 1035, section 2.3.4), unique within its organisation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(String);

/// Why a text cannot be an instance's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No character at all.
    #[error("a name needs at least one character")]
    Empty,
    /// More than a DNS label may hold.
    #[error("a name has at most {max} characters, this one has {length}")]
    TooLong {
        /// Characters given.
        length: usize,
        /// Characters allowed.
        max: usize,
    },
    /// Not a DNS label.
    #[error("a name consists of lowercase letters, digits and dashes, and begins and ends with a letter or digit")]
    NotALabel,
}

impl InstanceName {
    /// Characters that a DNS label may have.
    pub const MAX: usize = 63;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let length = text.chars().count();
        if length == 0 {
            return Err(NameError::Empty);
        }
        if length > Self::MAX {
            return Err(NameError::TooLong { length, max: Self::MAX });
        }
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !text.bytes().all(inner) || text.starts_with('-') || text.ends_with('-') {
            return Err(NameError::NotALabel);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for InstanceName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> String {
        name.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_labels_are_names() {
        for good in ["a", "7", "my-assistant", &"x".repeat(63)] {
            assert!(good.parse::<InstanceName>().is_ok(), "{good} was refused");
        }
        for bad in ["-a", "a-", "A", "a_b", "a.b", "ä", " a", "a\n"] {
            assert_eq!(bad.parse::<InstanceName>(), Err(NameError::NotALabel), "{bad:?}");
        }
        assert_eq!("".parse::<InstanceName>(), Err(NameError::Empty));
        assert_eq!("x".repeat(64).parse::<InstanceName>(), Err(NameError::TooLong { length: 64, max: 63 }));
    }
}
