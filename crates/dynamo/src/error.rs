use std::error::Error as _;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use domain::{OperationId, State};

/// The store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work another time: no answer, throttled, or others kept writing the same item.
    #[error("{action} was not possible now: {why}")]
    Unavailable {
        /// What was attempted.
        action: &'static str,
        /// What DynamoDB, or the way to it, said.
        why: String,
    },
    /// DynamoDB refuses the request as such: a mistake in this program or in the table.
    #[error("DynamoDB refuses {action}: {why}")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// What DynamoDB said.
        why: String,
    },
    /// An item is not of the form in which this program writes it.
    #[error("the item {key} cannot be read: {why}")]
    Corrupt {
        /// Its key.
        key: String,
        /// Why.
        why: String,
    },
}

impl StoreError {
    /// The parser's message may quote what stands in the item: it becomes one line of bounded length, as logs want it.
    pub(crate) fn corrupt(key: &crate::keys::Key, why: impl ToString) -> Self {
        const LONGEST: usize = 500;
        let plain = |c: char| if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) { ' ' } else { c };
        Self::Corrupt { key: format!("{} {}", key.pk, key.sk), why: why.to_string().chars().take(LONGEST).map(plain).collect() }
    }
}

/// An instance was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Another instance of the organisation has the name.
    #[error("the name `{name}` is taken")]
    NameTaken {
        /// The name.
        name: domain::InstanceName,
    },
    /// The organisation has as many instances as it may.
    #[error("the organisation already has {limit} instances")]
    QuotaExceeded {
        /// How many it may have.
        limit: u32,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An instance was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The organisation has no such instance.
    #[error("there is no such instance")]
    NotFound,
    /// Another instance of the organisation has the name.
    #[error("the name `{name}` is taken")]
    NameTaken {
        /// The name.
        name: domain::InstanceName,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was asked of an instance is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The organisation has no such instance.
    #[error("there is no such instance")]
    NotFound,
    /// A run is under way.
    #[error("the instance is busy with {operation:?}")]
    Busy {
        /// The run, where the instance names one.
        operation: Option<OperationId>,
    },
    /// Not in this state.
    #[error("the instance is {state}")]
    Forbidden {
        /// Its state.
        state: State,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an answer of DynamoDB means for the one who called.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody else writes the same items, or DynamoDB wants a pause: the same call again, a little later.
    Contention(String),
    /// It is of no use to repeat it here.
    Final(StoreError),
}

/// Sorts what is not a decision: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>.
///
/// The SDK has already repeated what is safe to repeat (lost connections, 5xx, throttling), three times, with a transaction's token.
pub(crate) fn classify<E>(action: &'static str, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let why = chain(error);
    match error.code() {
        Some("TransactionConflictException" | "TransactionInProgressException") => Failure::Contention(why),
        Some(
            "ThrottlingException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "InternalServerError"
            | "ServiceUnavailable"
            // Somebody's to mend, and mended without this program: no table, no rights, credentials that are over.
            | "ResourceNotFoundException"
            | "AccessDeniedException"
            | "UnrecognizedClientException"
            | "ExpiredTokenException",
        )
        | None => Failure::Final(StoreError::Unavailable { action, why }),
        Some(_) => Failure::Final(StoreError::Refused { action, why }),
    }
}

/// The error with its causes, on one line.
pub(crate) fn chain<E: std::error::Error + 'static>(error: &SdkError<E>) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
