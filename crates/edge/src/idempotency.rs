use axum::extract::OptionalFromRequestParts;
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;

/// The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header): a request that carries the key of an earlier one gets that
/// one's answer. Taken as `Option<IdempotencyKey>`, for it may be missing.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    key: String,
    address: Sha256,
}

impl IdempotencyKey {
    /// The key as it came: 1 to 255 visible ASCII characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// What the whole request is recognised by when it comes again: SHA-256 over its method, its path and the digest of its body, as 64
    /// hexadecimal digits.
    #[must_use]
    pub fn digest(&self, body: Option<[u8; 32]>) -> String {
        let digest = self.address.clone().chain_update(body.unwrap_or_default()).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        let mut headers = parts.headers.get_all("idempotency-key").iter();
        let Some(header) = headers.next() else { return Ok(None) };
        let bytes = header.as_bytes();
        if headers.next().is_some() || !(1..=255).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(Problem::invalid_idempotency_key());
        }
        let address = Sha256::new().chain_update(parts.method.as_str()).chain_update([0]).chain_update(parts.uri.path()).chain_update([0]);
        // What was just found to be ASCII needs no second way to fail.
        Ok(Some(Self { key: String::from_utf8_lossy(bytes).into_owned(), address }))
    }
}
