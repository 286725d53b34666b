//! One function per route: extract, one call, map.

pub(crate) mod actions;
pub(crate) mod catalogue;
pub(crate) mod description;
pub(crate) mod health;
pub(crate) mod instances;
pub(crate) mod operations;

use edge::IdempotencyKey;

/// The key as the store remembers it: with the digest of the request that it came with.
fn remembered(key: Option<IdempotencyKey>, body: Option<[u8; 32]>) -> Option<dynamo::IdempotencyKey> {
    key.map(|key| dynamo::IdempotencyKey { key: key.as_str().to_owned(), digest: key.digest(body) })
}
