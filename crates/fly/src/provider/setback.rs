use std::error::Error;
use std::time::Duration;

use durable::Setback;

use super::LISTS_LAG;
use crate::error::CallError;
use crate::refusal::Refusal;

/// Between two looks at something that is on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// When a full host may have room again.
const FULL_HOST: Duration = Duration::from_secs(30);

/// The longest pause that is made at the provider's word: whoever says "in a century" is asked again all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// What a flow does about a call that did not succeed, unless the port knows better.
pub(super) fn setback(error: CallError) -> Setback {
    let why = with_sources(&error);
    let not_yet = |look_again_in| Setback::NotYet { look_again_in, why: why.clone() };
    let retry = |after| Setback::Retry { after, why: why.clone() };
    match error {
        CallError::Unsendable { .. } => Setback::Fatal { why },
        CallError::NotSent { .. } => retry(None),
        CallError::Ambiguous { .. } | CallError::Unreadable { .. } => retry(Some(LISTS_LAG)),
        CallError::RateLimited { retry_after, .. } => {
            not_yet(retry_after.unwrap_or(Duration::ZERO).clamp(Duration::from_secs(1), LONGEST_PAUSE))
        }
        CallError::Refused { refusal, .. } => match refusal {
            Refusal::NotSettled
            | Refusal::StillRunning
            | Refusal::VolumeClaimed
            | Refusal::VolumeBound { .. }
            | Refusal::LeaseHeld
            | Refusal::ConcurrentUpdate
            | Refusal::SnapshotScheduled => not_yet(ON_ITS_WAY),
            Refusal::RegionFull | Refusal::HostFull | Refusal::VolumePlacement => retry(Some(FULL_HOST)),
            // A new app answers 404 or 401 for up to a minute (fly-go polls for that long); and a refusal that nobody has seen yet had no
            // effect, so that asking again, as often as the step allows, is harmless.
            Refusal::NotFound | Refusal::Unauthorised | Refusal::Unknown => retry(Some(LISTS_LAG)),
            Refusal::NameTaken
            | Refusal::MachineNameTaken { .. }
            | Refusal::Destroyed
            | Refusal::BadName
            | Refusal::Forbidden
            | Refusal::Invalid => Setback::Fatal { why },
        },
    }
}

/// An error with what caused it, on one line: a setback keeps no source.
fn with_sources(error: &CallError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
