//! Signs anything, sensible or not, without the library that is under test.

use access::{KeySet, SigningKey, Verifier};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const INSTANCE: &str = "ins_1";

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

/// Believes key 1 at [`INSTANCE`].
pub(crate) fn verifier() -> Verifier {
    Verifier::new(KeySet::of([key(1).public()]), INSTANCE)
}

pub(crate) fn sign(seed: u8, header: &Value, claims: &Value) -> String {
    sign_text(seed, &header.to_string(), &claims.to_string())
}

pub(crate) fn sign_text(seed: u8, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
