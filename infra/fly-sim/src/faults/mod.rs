//! Adversity by chance that replays: what goes wrong in an environment, decided from nothing but a seed and what is asked.

mod calls;
mod chance;
mod dice;
mod profile;
mod weather;

use std::fmt;
use std::str::FromStr;

pub(crate) use chance::Chance;

use self::profile::{PROFILES, Profile};

/// A generator of faults: an environment's profile and a seed.
///
/// Every decision is pure. What happens to a call depends on the seed, the call's number among those of its action, and the action; what
/// happens to a region or a host, on the seed and the time since the simulator was opened. The same calls at the same times meet the same
/// faults.
///
/// ```
/// use fly_sim::Faults;
/// let faults: Faults = "bad-day:7".parse()?;
/// assert_eq!(faults.to_string(), "bad-day:7");
/// assert_eq!(faults.strike(3, "create_machine"), Faults::profile("bad-day", 7)?.strike(3, "create_machine"));
/// # Ok::<(), fly_sim::UnknownProfile>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    profile: &'static Profile,
    seed: u64,
    region: Option<String>,
}

/// There is no such profile of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownProfile {
    /// The name is none of [`Faults::names`].
    #[error("`{0}` is no profile of faults: there are calm, bad-day and regional-outage")]
    Name(String),
    /// The seed is no number.
    #[error("`{0}` is no seed: it must be a number")]
    Seed(String),
}

impl Faults {
    /// The faults of a profile: `calm`, `bad-day` or `regional-outage`.
    ///
    /// # Errors
    ///
    /// There is no profile of this name.
    pub fn profile(name: &str, seed: u64) -> Result<Self, UnknownProfile> {
        let profile = PROFILES.into_iter().find(|profile| profile.name == name).ok_or_else(|| UnknownProfile::Name(name.to_owned()))?;
        Ok(Self { profile, seed, region: None })
    }

    /// The names of the profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PROFILES.into_iter().map(|profile| profile.name)
    }

    /// Regional outages strike this region, instead of one in which there are machines when they begin.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self { region: Some(region.to_owned()), ..self }
    }

    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.profile.name
    }

    /// The seed, with which all of it happens again.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// `PROFILE` with a seed that is drawn now, or `PROFILE:SEED`.
impl FromStr for Faults {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        match text.split_once(':') {
            Some((name, seed)) => Self::profile(name, seed.parse().map_err(|_| UnknownProfile::Seed(seed.to_owned()))?),
            // Short enough to be typed again.
            None => Self::profile(text, u64::from(rand::random::<u16>())),
        }
    }
}

/// As it is parsed.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_written_with_or_without_its_seed() {
        assert_eq!("calm:12".parse(), Faults::profile("calm", 12));
        assert_eq!("calm".parse::<Faults>().unwrap().name(), "calm");
        assert_eq!("storm:1".parse::<Faults>(), Err(UnknownProfile::Name("storm".to_owned())));
        assert_eq!("calm:x".parse::<Faults>(), Err(UnknownProfile::Seed("x".to_owned())));
        let drawn: Faults = "bad-day".parse().unwrap();
        assert_eq!(drawn.to_string().parse(), Ok(drawn), "what is printed brings the same again");
    }
}
