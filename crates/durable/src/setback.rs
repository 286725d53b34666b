use std::time::Duration;

/// Why a step did not give its result this time. Expected refusals ("the region is full") are values of the step, not setbacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Setback {
    /// The world is not there yet: look again after this long. Not an attempt; bounded by the step's deadline.
    #[error("not yet: {why}")]
    NotYet {
        /// How long to wait before looking again.
        look_again_in: Duration,
        /// What is being waited for, for the timeline.
        why: String,
    },
    /// It failed in a way that may pass. Counts as an attempt; backs off unless the remote side said when to come back.
    #[error("will be tried again: {why}")]
    Retry {
        /// What the remote side asked for, if it did.
        after: Option<Duration>,
        /// What failed, for the timeline.
        why: String,
    },
    /// It will never work: the way forward ends here.
    #[error("{why}")]
    Fatal {
        /// What failed, for the timeline.
        why: String,
    },
}

/// One try of a step.
pub type Attempt<T> = Result<T, Setback>;

impl Setback {
    /// Look again in so many seconds.
    pub fn not_yet(seconds: u64, why: impl Into<String>) -> Self {
        Self::NotYet { look_again_in: Duration::from_secs(seconds), why: why.into() }
    }

    /// Try again with the engine's own back-off.
    pub fn retry(why: impl Into<String>) -> Self {
        Self::Retry { after: None, why: why.into() }
    }

    /// Give up.
    pub fn fatal(why: impl Into<String>) -> Self {
        Self::Fatal { why: why.into() }
    }

    /// What to show in the timeline.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::NotYet { why, .. } | Self::Retry { why, .. } | Self::Fatal { why } => why,
        }
    }
}
