//! What the store refuses, in the words of the API.

use std::time::Duration;

use domain::{PlanId, Verb};
use durable::JournalError;
use dynamo::{AskError, CreateError, StoreError, UpdateError};
use edge::Problem;

/// How soon a caller may try again when the store does not answer.
const SOON: Duration = Duration::from_secs(2);

pub(crate) fn no_instance() -> Problem {
    Problem::not_found("such instance")
}

pub(crate) fn no_operation() -> Problem {
    Problem::not_found("such operation")
}

pub(crate) fn store(error: StoreError) -> Problem {
    match error {
        StoreError::Unavailable { .. } => Problem::unavailable(SOON).caused_by(error),
        StoreError::Refused { .. } | StoreError::Corrupt { .. } => Problem::internal(error),
    }
}

pub(crate) fn journal(error: JournalError) -> Problem {
    match error {
        JournalError::Unavailable(_) => Problem::unavailable(SOON).caused_by(error),
        JournalError::Corrupt { .. } => Problem::internal(error),
    }
}

pub(crate) fn create(error: CreateError, plan: PlanId) -> Problem {
    match error {
        CreateError::NameTaken { name } => Problem::name_taken(name.as_str()),
        CreateError::QuotaExceeded { limit } => Problem::quota_exceeded(plan, limit),
        CreateError::KeyReused => Problem::idempotency_key_reused(),
        CreateError::Store(error) => store(error),
    }
}

pub(crate) fn update(error: UpdateError) -> Problem {
    match error {
        UpdateError::NotFound => no_instance(),
        UpdateError::NameTaken { name } => Problem::name_taken(name.as_str()),
        UpdateError::Store(error) => store(error),
    }
}

pub(crate) fn ask(error: AskError, verb: Verb) -> Problem {
    match error {
        AskError::NotFound => no_instance(),
        AskError::Busy { operation: Some(operation) } => Problem::busy(operation),
        // The run ended between the two reads: the next try will find the instance free.
        AskError::Busy { operation: None } => Problem::unavailable(SOON),
        AskError::Forbidden { state } => Problem::state_forbids(verb.as_str(), state, verb.states()),
        AskError::KeyReused => Problem::idempotency_key_reused(),
        AskError::Store(error) => store(error),
    }
}
