//! Reading what Fly.io sends where it is looser than its description: `null` for an empty list, an absent or unreadable time.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `null` reads as the type's default, which `#[serde(default)]` alone gives only to an absent field.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A time that is absent, `null` or not RFC 3339 reads as none: one odd record must not hide a whole list.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

/// An identifier that may be absent, `null` or empty, all of which mean that there is none.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// An identifier that must be there. It becomes a part of addresses and is recorded, so that it consists of letters, digits, dashes and
/// underscores, and is not long; Fly.io's own have up to 24 characters.
pub(crate) fn own_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    let fits = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits { Ok(id) } else { Err(D::Error::custom("not an identifier")) }
}

/// A text that must not be shown.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(id(deserializer)?.map(SecretString::from))
}
