use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A line of gateway programs with its own configuration, protocol and exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// OpenClaw, the program's name since 2026.1.29.
    Openclaw,
    /// Clawdbot, its name before.
    Clawdbot,
}

/// A text names no family of gateways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a gateway family; use `openclaw` or `clawdbot`")]
pub struct UnknownFamily(String);

impl Family {
    /// Every family.
    pub const ALL: [Self; 2] = [Self::Openclaw, Self::Clawdbot];

    /// The family's name, which is also that of its npm package and of its command.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openclaw => "openclaw",
            Self::Clawdbot => "clawdbot",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(text: &str) -> Result<Self, UnknownFamily> {
        Self::ALL.into_iter().find(|family| family.as_str() == text).ok_or_else(|| UnknownFamily(text.chars().take(32).collect()))
    }
}

/// A version of a gateway, such as `openclaw 2026.9.6`. Which releases exist, and what each needs, the crate `gateway` knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    /// The line of programs.
    pub family: Family,
    /// The version within it, exactly as its npm package writes it.
    pub version: String,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.version)
    }
}
