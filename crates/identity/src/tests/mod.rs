//! Tokens, good and bad, through the whole verifier.

mod bad_tokens;
mod good_tokens;
mod http;
mod issuer_trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::testing::Issuer;
use crate::{Clock, Refusal, Settings, Verifier, VerifyError};

/// The moment at which every test begins.
const NOW: i64 = 1_790_000_000;

/// A clock that a test moves.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn at(second: i64) -> Self {
        Self(Arc::new(AtomicI64::new(second)))
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let hand = self.clone();
        Arc::new(move || Timestamp::from_second(hand.0.load(Ordering::SeqCst)).unwrap())
    }
}

fn claims() -> Value {
    json!({ "iss": Issuer::ADDRESS, "sub": "alice", "iat": NOW, "exp": NOW + 300 })
}

fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn settings() -> Settings {
    Settings::of_issuer(Issuer::ADDRESS)
}

fn verifier(issuer: &Arc<Issuer>, settings: Settings, hand: &Hand) -> Verifier {
    Verifier::with_clock(settings, issuer.clone(), hand.clock()).unwrap()
}

/// Verifies one token at [`NOW`].
async fn check(issuer: &Arc<Issuer>, settings: Settings, token: &str) -> Result<crate::Caller, Refusal> {
    match verifier(issuer, settings, &Hand::at(NOW)).verify(token).await {
        Ok(caller) => Ok(caller),
        Err(VerifyError::Refused(refusal)) => Err(refusal),
        Err(error) => panic!("{error:?}"),
    }
}
