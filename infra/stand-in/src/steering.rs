use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Misbehaviour on request. Read once at the start: from `stand-in.json` in the state folder, else from the environment variables named
/// at each field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Steering {
    /// Milliseconds before it listens (`STAND_IN_START_DELAY_MS`).
    pub start_delay_ms: u64,
    /// It listens and never becomes ready (`STAND_IN_NEVER_READY=1`).
    pub never_ready: bool,
    /// Milliseconds after which it exits with 1; 0 is before it listens (`STAND_IN_CRASH_AFTER_MS`).
    pub crash_after_ms: Option<u64>,
    /// It does not heed SIGTERM (`STAND_IN_IGNORE_SIGTERM=1`).
    pub ignore_sigterm: bool,
    /// Milliseconds of work that a drain waits for (`STAND_IN_DRAIN_MS`).
    pub drain_ms: u64,
    /// Milliseconds that its doctor takes (`STAND_IN_DOCTOR_MS`).
    pub doctor_ms: u64,
}

impl Steering {
    /// The file's name in the state folder.
    pub const FILE: &'static str = "stand-in.json";

    pub(crate) fn read(state: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let path = state.join(Self::FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::from_environment(variable),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Result<Option<u64>, String> {
            variable(name).map(|text| text.parse().map_err(|_| format!("{name} is not a number of milliseconds"))).transpose()
        };
        let flag = |name: &str| variable(name).is_some_and(|text| text == "1");
        Ok(Self {
            start_delay_ms: number("STAND_IN_START_DELAY_MS")?.unwrap_or(0),
            never_ready: flag("STAND_IN_NEVER_READY"),
            crash_after_ms: number("STAND_IN_CRASH_AFTER_MS")?,
            ignore_sigterm: flag("STAND_IN_IGNORE_SIGTERM"),
            drain_ms: number("STAND_IN_DRAIN_MS")?.unwrap_or(0),
            doctor_ms: number("STAND_IN_DOCTOR_MS")?.unwrap_or(0),
        })
    }

    pub(crate) const fn start_delay(&self) -> Duration {
        Duration::from_millis(self.start_delay_ms)
    }

    pub(crate) const fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    pub(crate) const fn examination(&self) -> Duration {
        Duration::from_millis(self.doctor_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_outweighs_the_environment_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let variable = |name: &str| (name == "STAND_IN_START_DELAY_MS").then(|| "7".to_owned());
        assert_eq!(Steering::read(folder.path(), variable).unwrap().start_delay_ms, 7);
        std::fs::write(folder.path().join(Steering::FILE), r#"{"never_ready":true}"#).unwrap();
        assert_eq!(Steering::read(folder.path(), variable), Ok(Steering { never_ready: true, ..Steering::default() }));
        std::fs::write(folder.path().join(Steering::FILE), r#"{"never_redy":true}"#).unwrap();
        assert!(Steering::read(folder.path(), variable).is_err());
        assert!(Steering::from_environment(|_| Some("soon".into())).is_err());
    }
}
