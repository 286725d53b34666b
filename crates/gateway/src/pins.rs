use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::{Family, Release};
use serde::Deserialize;

/// A release that Rockpool runs, and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The line of programs.
    pub family: Family,
    /// The version, exactly as its npm package writes it. For `clawdbot`, semver holds `2026.1.24-3` to be older than `2026.1.24`.
    pub version: String,
    /// The version of Node.js that runs it.
    pub node: String,
    /// The version of npm that installs it and, at run time, OpenClaw's channel plugins.
    pub npm: String,
    /// The least memory of a machine that it runs on, in MiB. Measured: see `infra/image/pins.toml`.
    pub memory_floor_mb: u32,
    /// The version of its WebSocket protocol.
    pub protocol: u32,
    /// The tenant image's digest (`sha256:…`), once it has been pushed.
    #[serde(default)]
    pub image_digest: Option<String>,
    /// npm overrides (<https://docs.npmjs.com/cli/v11/configuring-npm/package-json#overrides>) that its installation needs.
    #[serde(default)]
    pub overrides: BTreeMap<String, String>,
}

/// A release cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseRefused {
    /// Rockpool does not run this version.
    #[error("{release} is not among the gateways that can be run: {}", known.join(", "))]
    UnknownVersion {
        /// What was asked for.
        release: Release,
        /// What there is.
        known: Vec<String>,
    },
    /// The machine is too small for it.
    #[error("{release} needs a machine with at least {floor_mb} MB of memory, this one has {memory_mb} MB")]
    TooSmall {
        /// What was asked for.
        release: Release,
        /// The machine's memory in MiB.
        memory_mb: u32,
        /// The least memory in MiB.
        floor_mb: u32,
    },
}

static PINS: LazyLock<Vec<Pin>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        gateway: Vec<Pin>,
    }
    let file: File = toml::from_str(include_str!("../../../infra/image/pins.toml")).expect("a test of this crate reads the file of pins");
    file.gateway
});

/// Every release that Rockpool runs; of each family the one that new instances get comes first.
#[must_use]
pub fn pins() -> &'static [Pin] {
    &PINS
}

/// The release of a family that new instances get.
#[must_use]
pub fn pin(family: Family) -> &'static Pin {
    pins().iter().find(|pin| pin.family == family).expect("a test of this crate finds a pin for every family")
}

/// The pin of a release.
///
/// # Errors
/// [`ReleaseRefused::UnknownVersion`] where Rockpool does not run it.
pub fn find(release: &Release) -> Result<&'static Pin, ReleaseRefused> {
    pins().iter().find(|pin| pin.family == release.family && pin.version == release.version).ok_or_else(|| {
        let known = pins().iter().map(|pin| pin.release().to_string()).collect();
        ReleaseRefused::UnknownVersion { release: release.clone(), known }
    })
}

impl Pin {
    /// The release itself.
    #[must_use]
    pub fn release(&self) -> Release {
        Release { family: self.family, version: self.version.clone() }
    }

    /// The tenant image in a registry, for example `registry.fly.io/rockpool-tenant:openclaw-2026.9.6`. Where the digest is known it is
    /// part of the reference, so that a tag that moved is not followed.
    #[must_use]
    pub fn image(&self, repository: &str) -> String {
        let digest = self.image_digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{repository}:{}-{}{digest}", self.family, self.version)
    }

    /// Whether it runs on a machine with this much memory, in MiB.
    ///
    /// # Errors
    /// [`ReleaseRefused::TooSmall`] where it does not.
    pub fn fits(&self, memory_mb: u32) -> Result<(), ReleaseRefused> {
        if memory_mb < self.memory_floor_mb {
            return Err(ReleaseRefused::TooSmall { release: self.release(), memory_mb, floor_mb: self.memory_floor_mb });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_pins_has_both_families_with_the_floors_that_were_measured() {
        let floors: Vec<_> = Family::ALL.into_iter().map(|family| (pin(family).family, pin(family).memory_floor_mb)).collect();
        assert_eq!(floors, [(Family::Openclaw, 2048), (Family::Clawdbot, 1024)]);
    }

    #[test]
    fn a_version_that_is_not_pinned_is_refused_naming_those_that_are() {
        let error = find(&Release { family: Family::Openclaw, version: "2026.9.5".into() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "openclaw 2026.9.5 is not among the gateways that can be run: openclaw 2026.9.6, clawdbot 2026.1.24-3"
        );
        let foreign = Release { family: Family::Clawdbot, version: "2026.9.6".into() };
        assert!(find(&foreign).is_err(), "a version of the other family was accepted");
        for known in pins() {
            assert_eq!(find(&known.release()), Ok(known));
        }
    }

    #[test]
    fn a_machine_below_the_floor_is_refused_and_one_on_it_accepted() {
        let openclaw = pin(Family::Openclaw);
        assert_eq!(openclaw.fits(2048), Ok(()));
        assert_eq!(
            openclaw.fits(2047).unwrap_err().to_string(),
            "openclaw 2026.9.6 needs a machine with at least 2048 MB of memory, this one has 2047 MB"
        );
    }

    #[test]
    fn an_image_is_named_by_its_release_and_held_by_its_digest() {
        let mut pin = pin(Family::Openclaw).clone();
        pin.image_digest = None;
        assert_eq!(pin.image("registry.fly.io/rockpool-tenant"), "registry.fly.io/rockpool-tenant:openclaw-2026.9.6");
        pin.image_digest = Some("sha256:aa".into());
        assert_eq!(pin.image("r/t"), "r/t:openclaw-2026.9.6@sha256:aa");
    }
}
