//! The issuer's keys as last seen.
//!
//! A Lambda function is frozen between requests, so nothing is refreshed in the background: the request that finds the keys old asks for
//! new ones, while the others go on with those at hand.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::MutexGuard;

use crate::keys::{Algorithm, Found, Key, KeySet};
use crate::verifier::{Refusal, VerifyError};

/// Keys younger than this are used without asking.
const FRESH: SignedDuration = SignedDuration::from_mins(60);
/// Keys older than this are not used any more, even if the issuer cannot be reached: a key withdrawn after a leak must not live on for ever.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two fetches for unknown keys. Without it anybody could make us flood the issuer with invented `kid`s.
const COOL_DOWN: SignedDuration = SignedDuration::from_secs(30);
/// The least time between two fetches after a failure: short, as callers are waiting for the issuer to come back.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// Where an issuer's key set comes from.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The key set's JSON (RFC 7517, section 5). It must end within a few seconds: requests wait for it.
    ///
    /// # Errors
    /// The issuer cannot be reached, or answers with something else.
    async fn fetch(&self) -> Result<Vec<u8>, FetchError>;
}

/// An issuer's keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer, or not in time.
    #[error("no answer from {url}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that is no success.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that is too long to be what it should be.
    #[error("the answer of {url} is longer than {limit} bytes")]
    TooLong {
        /// What was asked.
        url: String,
        /// Bytes accepted.
        limit: usize,
    },
    /// The issuer's metadata contradicts the settings, or points to an insecure place.
    #[error("the issuer's metadata at {url} cannot be used: {reason}")]
    Metadata {
        /// What was asked.
        url: String,
        /// Why it is not believed.
        reason: &'static str,
    },
    /// A key set without a key for us.
    #[error("the issuer publishes no usable key")]
    NoUsableKey,
}

pub(crate) struct KeyCache {
    source: Arc<dyn KeySource>,
    held: Mutex<Held>,
    /// Held while asking the issuer, so that one request asks at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Held {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    tried_at: Option<Timestamp>,
    failure: Option<Arc<FetchError>>,
}

impl Held {
    /// The keys at hand that are younger than `age`.
    fn keys(&self, age: SignedDuration, now: Timestamp) -> Option<&KeySet> {
        self.keys.as_ref().filter(|(_, at)| now.duration_since(*at) < age).map(|(keys, _)| &**keys)
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let pause = if self.failure.is_some() { RETRY } else { COOL_DOWN };
        // A clock that was set back must not silence us.
        self.tried_at.is_none_or(|at| now < at || now.duration_since(at) >= pause)
    }

    /// What is known about the key without asking any more.
    fn answer(&self, kid: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Result<Key, VerifyError> {
        match (self.keys(STALE, now).map(|keys| keys.find(kid, algorithm)), &self.failure) {
            (Some(Found::Key(key)), _) => Ok(key.clone()),
            (Some(Found::OtherAlgorithm), _) => Err(Refusal::Algorithm.into()),
            // The issuer may have published the key meanwhile: nothing bad can be said about the token.
            (_, Some(failure)) => Err(VerifyError::IssuerUnreachable(Arc::clone(failure))),
            (_, None) => Err(Refusal::UnknownKey.into()),
        }
    }
}

impl KeyCache {
    pub(crate) fn new(source: Arc<dyn KeySource>) -> Self {
        Self { source, held: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The key for a token's header: from what is at hand, or after asking the issuer once.
    pub(crate) async fn find(&self, kid: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Result<Key, VerifyError> {
        let held = self.held();
        match held.keys(FRESH, now).map(|keys| keys.find(kid, algorithm)) {
            Some(Found::Key(key)) => return Ok(key.clone()),
            Some(Found::OtherAlgorithm) => return Err(Refusal::Algorithm.into()),
            Some(Found::Nothing) | None => {}
        }
        let old_one_will_do = held.keys(STALE, now).is_some_and(|keys| matches!(keys.find(kid, algorithm), Found::Key(_)));
        let turn = if old_one_will_do { self.asking.try_lock().ok() } else { Some(self.asking.lock().await) };
        if let Some(turn) = turn {
            self.ask(turn, held.tried_at, now).await;
        }
        self.held().answer(kid, algorithm, now)
    }

    /// Fetches the keys, unless somebody has done so since `seen` or did so too lately.
    async fn ask(&self, _turn: MutexGuard<'_, ()>, seen: Option<Timestamp>, now: Timestamp) {
        let held = self.held();
        if held.tried_at != seen || !held.may_ask(now) {
            return;
        }
        let fetched = self.source.fetch().await.and_then(|json| KeySet::parse(&json).ok_or(FetchError::NoUsableKey));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.tried_at = Some(now);
        match fetched {
            Ok(keys) => {
                held.keys = Some((Arc::new(keys), now));
                held.failure = None;
            }
            Err(failure) => {
                tracing::warn!(failure = %failure, source = ?std::error::Error::source(&failure), "the issuer's keys could not be fetched");
                held.failure = Some(Arc::new(failure));
            }
        }
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
