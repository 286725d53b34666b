use std::sync::Arc;

use shell::{Assembly, AssemblyError, Aws, AwsSettings, DeploymentSettings, Environment, Reader, StoreSettings, SystemClock};

use crate::{HealthChecker, Probe};

/// The settings of this function: its part of the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    aws: AwsSettings,
    store: StoreSettings,
    deployment: DeploymentSettings,
}

impl Settings {
    /// Reads all of them.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self { aws: AwsSettings::read(reader), store: StoreSettings::read(reader), deployment: DeploymentSettings::read(reader) }
    }

    fn assemble(self) -> Result<HealthChecker, AssemblyError> {
        let clock = Arc::new(SystemClock);
        let store = shell::store(&Aws::new(self.aws, shell::http_client()?), &self.store, &self.deployment, clock.clone());
        Ok(HealthChecker { store, probe: Probe::new()?, clock })
    }
}

/// The worker of this environment, put together when a message first wants it.
pub fn from_environment(environment: Environment<'_>) -> Assembly<HealthChecker> {
    Assembly::new(shell::read_settings(environment, Settings::read), |settings| Box::pin(std::future::ready(settings.assemble())))
}
