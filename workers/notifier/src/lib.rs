//! Delivers notices. A message names what caused them, usually a run; what is to be said was recorded exactly once, with the run's end,
//! and is delivered at least once, each under an identifier that the receiver can know it by.

mod lambda;
mod outbox;

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Notice, OrganisationId};
use dynamo::{Store, StoreError};
pub use lambda::{Settings, from_environment};
pub use outbox::Outbox;

/// Where notices go: mail, a webhook, or the outbox of a machine without either.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Delivers a notice. Called again with the same one if it is not known to have been taken; the receiver drops what it has, by `id`.
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError>;
}

/// A notice was not taken.
#[derive(Debug, thiserror::Error)]
#[error("the notice was not taken: {0}")]
pub struct SinkError(pub String);

/// What the worker works with.
pub struct Notifier {
    /// The state.
    pub store: Store,
    /// Where notices go.
    pub sink: Arc<dyn Sink>,
}

/// A message was not handled.
#[derive(Debug, thiserror::Error)]
pub enum NotifierError {
    /// It names nothing that could have something to say.
    #[error("the message names no cause of notices")]
    NotACause,
    /// The notices could not be read, or their delivery not recorded.
    #[error("the notices could not be read or marked")]
    Store(#[from] StoreError),
    /// One was not taken; those before it were.
    #[error("a notice was not delivered")]
    Sink(#[from] SinkError),
}

impl Notifier {
    /// Delivers what a cause has to say and nobody has taken yet.
    ///
    /// # Errors
    /// [`NotifierError`]; the message is then delivered again, and what was taken is not repeated.
    pub async fn handle(&self, cause: &str) -> Result<usize, NotifierError> {
        // Everything that has something to say belongs to an organisation, whose identifier it begins with.
        if !cause.split_once('.').is_some_and(|(organisation, rest)| organisation.parse::<OrganisationId>().is_ok() && !rest.is_empty()) {
            return Err(NotifierError::NotACause);
        }
        let mut delivered = 0;
        for (notice, taken) in self.store.notices_of(cause).await? {
            if taken {
                continue;
            }
            self.sink.deliver(&notice).await?;
            // Whoever is faster: twice delivered is harmless, twice recorded is impossible.
            self.store.delivered(&notice.id).await?;
            tracing::info!(organisation = %notice.organisation, instance = %notice.instance, notice = notice.id, event = notice.event, "a notice was delivered");
            delivered += 1;
        }
        Ok(delivered)
    }
}
