use std::time::Duration;

use bytes::Bytes;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::sandbox::{Initialisation, InvokeError, Output, Sandbox};

/// What a cold start took, as far as it is the function's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Time and memory.
    pub initialisation: Initialisation,
    /// What the processor did for it, in user and kernel mode, from `exec` to the first request for an event.
    pub cpu: Duration,
}

/// Starts a function's process, and ends it when it asks for its first event.
///
/// The time of the processor is told by the kernel when a child has ended, for all children of this process together: while this runs,
/// nothing else in it may start or end one.
///
/// # Errors
/// If the function does not get as far as that.
pub async fn measure_start(settings: &Settings) -> Result<Start, InvokeError> {
    let before = children();
    let (sandbox, initialisation) = Sandbox::start(settings, &Output::default(), CancellationToken::new()).await?;
    // It is frozen, so that it does nothing more until it is gone.
    sandbox.end().await;
    Ok(Start { initialisation, cpu: children().saturating_sub(before) })
}

/// What the processor did for all children that have ended.
fn children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a process may ask for its own use of resources");
    let microseconds = |time: TimeVal| Duration::from_micros(time.num_microseconds().unsigned_abs());
    microseconds(usage.user_time()) + microseconds(usage.system_time())
}

/// What one invocation took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What the function answered.
    pub answer: Bytes,
    /// What the processor did for it, in user and kernel mode, from the event to the request for the next one. The time of threads that
    /// ended meanwhile is not in it.
    pub cpu: Duration,
}

/// Starts a function's process, gives it these events, one after the other, and ends it.
///
/// # Errors
/// If the function does not start, or does not answer one of them.
pub async fn measure_invocations(settings: &Settings, events: &[Bytes]) -> Result<Vec<Invocation>, InvokeError> {
    let (mut sandbox, _) = Sandbox::start(settings, &Output::default(), CancellationToken::new()).await?;
    let mut invocations = Vec::new();
    for event in events {
        let before = sandbox.cpu_when_frozen().await;
        let deadline = Instant::now() + settings.timeout;
        let answer = sandbox.invoke(settings, event.clone(), deadline).await?;
        sandbox.rest(deadline).await?;
        invocations.push(Invocation { answer, cpu: sandbox.cpu_when_frozen().await.saturating_sub(before) });
    }
    sandbox.end().await;
    Ok(invocations)
}
