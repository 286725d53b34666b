use domain::{InstanceId, Release};
use serde::{Deserialize, Serialize};

/// What distinguishes this deployment from others in the same accounts: fixed settings, nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Keeps two environments of one Fly organisation apart: `prod`, `staging`, `local`. A DNS label of at most 20 characters.
    pub name: String,
    /// The origin of an app, with `{app}` in the place of its name: `https://{app}.fly.dev`.
    pub address: String,
    /// The repository of the tenant image, without a tag: `registry.fly.io/rockpool-tenant`.
    pub image_repository: String,
}

impl Deployment {
    /// The app of an instance: deterministic, so that a lost answer never makes a second one.
    #[must_use]
    pub fn app(&self, instance: &InstanceId) -> String {
        format!("rp-{}-{}", self.name, instance.digits())
    }

    /// The origin at which an app is reached. Recorded with the instance when it is planned and never computed again.
    #[must_use]
    pub fn origin(&self, app: &str) -> String {
        self.address.replace("{app}", app)
    }

    /// The secret of an instance in the vault.
    #[must_use]
    pub fn secret(&self, instance: &InstanceId) -> String {
        format!("rockpool/{}/instances/{instance}", self.name)
    }

    /// The image of a release: by digest where the pins know it, otherwise by tag.
    #[must_use]
    pub fn image(&self, release: &Release) -> String {
        match gateway::find(release) {
            Ok(pin) => pin.image(&self.image_repository),
            Err(_) => format!("{}:{}-{}", self.image_repository, release.family, release.version),
        }
    }
}
