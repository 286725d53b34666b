use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A Fly.io region: its code and the city it stands for.
///
/// Source: <https://fly.io/docs/reference/regions/>, read 2026-08.
pub const REGIONS: [(&str, &str); 18] = [
    ("ams", "Amsterdam, Netherlands"),
    ("arn", "Stockholm, Sweden"),
    ("bom", "Mumbai, India"),
    ("cdg", "Paris, France"),
    ("dfw", "Dallas, Texas (US)"),
    ("ewr", "Secaucus, NJ (US)"),
    ("fra", "Frankfurt, Germany"),
    ("gru", "Sao Paulo, Brazil"),
    ("iad", "Ashburn, Virginia (US)"),
    ("jnb", "Johannesburg, South Africa"),
    ("lax", "Los Angeles, California (US)"),
    ("lhr", "London, United Kingdom"),
    ("nrt", "Tokyo, Japan"),
    ("ord", "Chicago, Illinois (US)"),
    ("sin", "Singapore, Singapore"),
    ("sjc", "San Jose, California (US)"),
    ("syd", "Sydney, Australia"),
    ("yyz", "Toronto, Canada"),
];

/// A region that Rockpool sells, written as its code of three lowercase letters. Inside, its place in [`REGIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(u8);

/// A text is not the code of a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a region; `GET /v1/regions` lists them")]
pub struct RegionError(String);

impl Region {
    /// The code, for example `fra`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        REGIONS[self.0 as usize].0
    }

    /// The city, for people.
    #[must_use]
    pub const fn city(self) -> &'static str {
        REGIONS[self.0 as usize].1
    }

    /// Every region, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).zip(REGIONS).map(|(place, _)| Self(place))
    }
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        Self::all().find(|region| region.code() == text).ok_or_else(|| RegionError(text.chars().take(32).collect()))
    }
}

impl TryFrom<String> for Region {
    type Error = RegionError;

    fn try_from(text: String) -> Result<Self, RegionError> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> String {
        region.code().to_owned()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
