//! Bearer tokens and key sets as somebody would write them who wants in.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod keys;
mod tokens;

use std::sync::Arc;

use identity::{Caller, Clock, KeySource, Refusal, Settings, Verifier, VerifyError};
use jiff::Timestamp;

const NOW: i64 = 1_790_000_000;

fn clock() -> Clock {
    Arc::new(|| Timestamp::from_second(NOW).unwrap())
}

/// What a verifier of these settings and keys says at [`NOW`].
fn verdict(source: Arc<dyn KeySource>, settings: Settings, token: &str) -> Result<Caller, Refusal> {
    let verifier = Verifier::with_clock(settings, source, clock()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(verifier.verify(token)) {
        Ok(caller) => Ok(caller),
        Err(VerifyError::Refused(refusal)) => Err(refusal),
        // The keys are at hand in these tests, or are none at all: then nothing is said about the token.
        Err(VerifyError::IssuerUnreachable(_)) => Err(Refusal::UnknownKey),
    }
}
