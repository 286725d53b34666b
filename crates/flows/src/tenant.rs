//! What a tenant's machine is made of.

use std::collections::BTreeMap;

use domain::Region;
use gateway::{Settings, environment as env, render, stop_timeout};

use crate::plan::ProvisionPlan;
use crate::ports::MachineSpec;
use crate::world::TenantKeys;

/// The secrets that are generated for an instance when it is made.
pub const GENERATED_SECRETS: [&str; 1] = [env::SESSION_KEY];

/// What the provider's check asks. It answers as long as the supervisor runs: a sick gateway must not unroute its machine, or nobody
/// could reach it to repair it.
const CHECK_PATH: &str = "/_rockpool/live";

/// The machine of a provision, once its volume is placed.
#[must_use]
pub fn machine_spec(plan: &ProvisionPlan, keys: &TenantKeys, region: Region, volume: &str, secrets_version: u64) -> MachineSpec {
    let config = render(&Settings::of_machine(plan.release.clone(), plan.address.as_str()));
    let stop = stop_timeout(plan.release.family);
    MachineSpec {
        app: plan.app.clone(),
        name: plan.machine.clone(),
        region,
        volume: volume.to_owned(),
        mount_path: env::DATA.to_owned(),
        size: plan.size,
        image: plan.image.clone(),
        env: map([
            (env::INSTANCE, plan.target.instance.to_string()),
            (env::FAMILY, plan.release.family.to_string()),
            (env::VERSION, plan.release.version.clone()),
            (env::ADDRESS, plan.address.clone()),
            (env::ACCESS_KEYS, keys.access.clone()),
            (env::CONTROL_KEYS, keys.control.clone()),
        ]),
        files: map([(env::CONFIG, config.to_string())]),
        metadata: map([
            ("rockpool_deployment", plan.deployment.clone()),
            ("rockpool_instance", plan.target.instance.to_string()),
            ("rockpool_generation", plan.generation.to_string()),
        ]),
        internal_port: env::SERVICE_PORT,
        metrics_port: env::METRICS_PORT,
        check_path: CHECK_PATH.to_owned(),
        stop_timeout_seconds: u32::try_from(stop.as_secs()).unwrap_or(u32::MAX),
        min_secrets_version: secrets_version,
    }
}

fn map<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
