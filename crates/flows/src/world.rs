use std::sync::Arc;

use crate::ports::{Alarms, Apps, Gateways, Machines, SecretVault, Volumes};

/// Everything outside a run that flows may touch.
#[derive(Clone)]
pub struct World {
    /// Apps, their secrets and addresses.
    pub apps: Arc<dyn Apps>,
    /// Volumes.
    pub volumes: Arc<dyn Volumes>,
    /// Machines.
    pub machines: Arc<dyn Machines>,
    /// The supervisors inside the machines.
    pub gateways: Arc<dyn Gateways>,
    /// Where secrets rest.
    pub vault: Arc<dyn SecretVault>,
    /// Who is called when nothing more can be done.
    pub alarms: Arc<dyn Alarms>,
    /// What every tenant machine is told of this deployment.
    pub keys: TenantKeys,
}

/// The public keys that a tenant machine verifies tokens with: JWK sets (RFC 7517) as JSON texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantKeys {
    /// Of instance tokens and one-time links.
    pub access: String,
    /// Of control tokens.
    pub control: String,
}
