use serde::{Deserialize, Serialize};

use crate::State;

/// What a restart restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartScope {
    /// The gateway's process, inside its machine: the quickest.
    #[default]
    Process,
    /// The whole machine.
    Machine,
}

/// What a customer may ask of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Want it running.
    Start,
    /// Want it stopped.
    Stop,
    /// Restart it, process or machine.
    Restart,
    /// A token and a link to its gateway.
    Access,
    /// Want it gone.
    Delete,
}

/// What an instance in a certain state does with a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Do it: a run is started, or a token given.
    Run,
    /// The wish is recorded; the run that is under way, or the one that follows it, fulfils it.
    Absorbed,
    /// Already so.
    Nothing,
    /// Not now: a run is under way.
    Busy,
    /// Not in this state.
    Forbidden,
    /// For its owner it no longer exists.
    Gone,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 5] = [Self::Start, Self::Stop, Self::Restart, Self::Access, Self::Delete];

    /// The verb as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Access => "access",
            Self::Delete => "delete",
        }
    }

    /// The states in which the verb is accepted, for the sentence that refuses it.
    pub fn states(self) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |state| matches!(state.allows(self), Verdict::Run | Verdict::Absorbed | Verdict::Nothing))
    }
}

impl State {
    /// The table of states and verbs. `docs/architecture.md` shows the same table to people.
    #[must_use]
    pub const fn allows(self, verb: Verb) -> Verdict {
        use Verdict::{Absorbed, Busy, Forbidden, Gone, Nothing, Run};
        match (self, verb) {
            (Self::Deleting, _) => Gone,
            (Self::Provisioning, Verb::Restart | Verb::Access) => Busy,
            (Self::Provisioning, _) => Absorbed,
            (Self::Running | Self::Degraded, Verb::Start) => Nothing,
            (Self::Running | Self::Degraded, _) => Run,
            (Self::Stopping | Self::Starting | Self::Restarting | Self::Repairing, Verb::Restart) => Busy,
            (Self::Stopping | Self::Starting | Self::Restarting | Self::Repairing, Verb::Access) => Run,
            (Self::Stopping | Self::Starting | Self::Restarting | Self::Repairing, _) => Absorbed,
            (Self::Stopped, Verb::Start | Verb::Delete) => Run,
            (Self::Stopped, Verb::Stop) => Nothing,
            (Self::Stopped, Verb::Restart | Verb::Access) => Forbidden,
            (Self::Failed, Verb::Delete) => Run,
            (Self::Failed, _) => Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_in_the_architecture() {
        use Verdict::{Absorbed, Busy, Forbidden, Gone, Nothing, Run};
        let table = [
            (State::Provisioning, [Absorbed, Absorbed, Busy, Busy, Absorbed]),
            (State::Running, [Nothing, Run, Run, Run, Run]),
            (State::Degraded, [Nothing, Run, Run, Run, Run]),
            (State::Stopping, [Absorbed, Absorbed, Busy, Run, Absorbed]),
            (State::Starting, [Absorbed, Absorbed, Busy, Run, Absorbed]),
            (State::Restarting, [Absorbed, Absorbed, Busy, Run, Absorbed]),
            (State::Repairing, [Absorbed, Absorbed, Busy, Run, Absorbed]),
            (State::Stopped, [Run, Nothing, Forbidden, Forbidden, Run]),
            (State::Failed, [Forbidden, Forbidden, Forbidden, Forbidden, Run]),
            (State::Deleting, [Gone; 5]),
        ];
        assert_eq!(table.len(), State::ALL.len());
        for (state, verdicts) in table {
            assert_eq!(Verb::ALL.map(|verb| state.allows(verb)), verdicts, "{state}");
        }
    }
}
