use std::time::Duration;

use http::StatusCode;

use crate::api::machines::MachineHandle;
use crate::call::Call;
use crate::error::CallError;

/// A state that can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// Booted.
    Started,
    /// Off.
    Stopped,
    /// Gone.
    Destroyed,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The machine came to the state.
    Reached,
    /// Not within the time.
    NotYet,
}

impl WaitFor {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Destroyed => "destroyed",
        }
    }
}

impl MachineHandle<'_> {
    /// Waits at Fly.io's side until the machine is in a state, for 1 to 60 whole seconds. Idempotent. It is cut short when the client's own
    /// time ends before.
    ///
    /// # Errors
    /// [`CallError`]; that the time ran out is no error.
    pub async fn wait(&self, state: WaitFor, longest: Duration) -> Result<Waited, CallError> {
        let seconds = longest.min(self.app.client.remaining().saturating_sub(MARGIN)).as_secs().clamp(1, 60);
        let call = Call::get("wait_for_machine", &self.path(&["wait"]))
            .query("state", state.as_str())
            .query("timeout", seconds)
            .timeout(Duration::from_secs(seconds) + MARGIN);
        match self.app.client.send(call).await {
            Ok(_) => Ok(Waited::Reached),
            Err(error) if error.status() == Some(StatusCode::REQUEST_TIMEOUT) => Ok(Waited::NotYet),
            Err(CallError::Ambiguous { source: Some(source), .. }) if source.is_timeout() => Ok(Waited::NotYet),
            Err(error) => Err(error),
        }
    }
}

/// What the answer may take beyond the wait itself.
const MARGIN: Duration = Duration::from_secs(2);
