use domain::{InstanceId, State, Trouble};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a flow on a machine has brought it to: the value with which it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// `running`, `degraded` or `stopped`.
    pub state: State,
    /// Why it is degraded.
    pub trouble: Option<String>,
}

impl Observed {
    /// The gateway answers.
    #[must_use]
    pub const fn running() -> Self {
        Self { state: State::Running, trouble: None }
    }

    /// The machine is off.
    #[must_use]
    pub const fn stopped() -> Self {
        Self { state: State::Stopped, trouble: None }
    }

    /// The gateway does not answer, for this reason.
    #[must_use]
    pub fn degraded(trouble: impl Into<String>) -> Self {
        Self { state: State::Degraded, trouble: Some(trouble.into()) }
    }

    pub(crate) fn into_trouble(self, since: Timestamp) -> Option<Trouble> {
        self.trouble.map(|message| Trouble { message, since })
    }
}

/// What a flow says to the owner; it becomes a [`domain::Notice`] when the run ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// What it is about.
    pub instance: InstanceId,
    /// What happened, in the past tense.
    pub event: String,
    /// One sentence without its beginning: that is the name which the instance has when the run ends.
    pub message: String,
}

impl Announcement {
    /// Something happened to an instance.
    #[must_use]
    pub fn new(instance: InstanceId, event: &str, message: impl Into<String>) -> Self {
        Self { instance, event: event.to_owned(), message: message.into() }
    }
}
