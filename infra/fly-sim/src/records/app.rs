use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::certificate::Certificate;

/// An app, with all that dies with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) network: String,
    pub(crate) created_at: Timestamp,
    /// Deleted apps stay as a name: calls on them are answered otherwise than calls on names that never existed.
    pub(crate) deleted: bool,
    /// It belongs to another organisation.
    pub(crate) foreign: bool,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) secrets_version: u64,
    pub(crate) ips: Vec<IpAssignment>,
    pub(crate) certificates: BTreeMap<String, Certificate>,
    /// Tokens that are good for this app alone.
    #[serde(default)]
    pub(crate) deploy_tokens: Vec<DeployToken>,
}

impl App {
    pub(crate) fn new(id: String, number: u32, name: String, network: String, now: Timestamp) -> Self {
        Self {
            id,
            number,
            name,
            network,
            created_at: now,
            deleted: false,
            foreign: false,
            secrets: BTreeMap::new(),
            secrets_version: 0,
            ips: Vec::new(),
            certificates: BTreeMap::new(),
            deploy_tokens: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeployToken {
    pub(crate) token: String,
    pub(crate) expires_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) value: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IpAssignment {
    pub(crate) ip: String,
    /// As asked for: `v4`, `shared_v4`, `v6`, `private_v6`.
    pub(crate) kind: String,
    pub(crate) region: String,
    pub(crate) service_name: String,
    /// The network that a `private_v6` is reached from.
    #[serde(default)]
    pub(crate) network: String,
    pub(crate) created_at: Timestamp,
}
