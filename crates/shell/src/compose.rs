//! How the parts are put together, in one place for AWS and for one machine.

use std::sync::Arc;

use access::{KeySet, Signer, SigningKey};
use durable::{Catalogue, Clock, Engine, Execute, Unknown};
use dynamo::Store;
use flows::{Flows, TenantKeys, World};
use secrecy::ExposeSecret;

use crate::alarms::LoggedAlarms;
use crate::aws::Aws;
use crate::queue::FlowQueue;
use crate::secrets::{PlatformSecrets, SecretError};
use crate::settings::{DeploymentSettings, FlySettings, KeySettings, StoreSettings};
use crate::trace::TraceContext;

/// The state.
#[must_use]
pub fn store(aws: &Aws, settings: &StoreSettings, deployment: &DeploymentSettings, clock: Arc<dyn Clock>) -> Store {
    Store::new(aws.dynamodb(), settings.table.clone(), deployment.deployment.clone(), clock)
}

/// An engine that moves runs on.
#[must_use]
pub fn engine(store: Store, wake: FlowQueue, clock: Arc<dyn Clock>, world: World) -> Engine {
    Engine::new(Arc::new(store), Arc::new(wake), clock, Arc::new(Flows::new(world)))
}

/// An engine for those who start, wake and cancel runs, and never walk one.
#[must_use]
pub fn waking_engine(store: Store, wake: FlowQueue, clock: Arc<dyn Clock>) -> Engine {
    Engine::new(Arc::new(store), Arc::new(wake), clock, Arc::new(NoFlows))
}

struct NoFlows;

impl Catalogue for NoFlows {
    fn open(&self, _kind: &str, _version: u32, _plan: &serde_json::Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        Err(Unknown::Version)
    }
}

/// The deployment's signing keys.
pub struct Keys {
    /// Signs instance tokens and one-time links.
    pub access: Arc<Signer>,
    /// Signs orders to supervisors.
    pub control: Arc<Signer>,
}

impl Keys {
    /// Reads them from Secrets Manager.
    ///
    /// # Errors
    /// If a secret cannot be read or holds no key.
    pub async fn read(secrets: &PlatformSecrets, settings: &KeySettings) -> Result<Self, SecretError> {
        Ok(Self {
            access: Arc::new(signer(secrets, &settings.access_secret).await?),
            control: Arc::new(signer(secrets, &settings.control_secret).await?),
        })
    }

    /// What every tenant machine verifies with.
    #[must_use]
    pub fn public(&self) -> TenantKeys {
        TenantKeys { access: KeySet::of([self.access.public()]).to_jwks(), control: KeySet::of([self.control.public()]).to_jwks() }
    }
}

/// The signer whose key a secret holds.
///
/// # Errors
/// If the secret cannot be read or holds no key.
pub async fn signer(secrets: &PlatformSecrets, name: &str) -> Result<Signer, SecretError> {
    let text = secrets.text(name).await?;
    let key = SigningKey::from_text(text.expose_secret())
        .map_err(|_| SecretError::Malformed { name: name.to_owned(), expected: "an Ed25519 key in base64url" })?;
    Ok(Signer::new(key))
}

/// What flows act on could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A secret of the platform.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The provider's address.
    #[error("the provider's address cannot be read")]
    Address(#[from] url::ParseError),
    /// The provider's client.
    #[error("the provider cannot be reached with these settings")]
    Fly(#[from] fly::SettingsError),
}

/// Everything that flows act on.
///
/// # Errors
/// If a secret of the platform cannot be read, or the provider's settings cannot be used.
pub async fn world(
    aws: &Aws,
    fly: &FlySettings,
    keys: &KeySettings,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
) -> Result<World, WorldError> {
    let secrets = PlatformSecrets::new(aws.secrets_manager());
    let token = secrets.text(&fly.token_secret).await?;
    let keys = Keys::read(&secrets, keys).await?;
    let settings = fly::Settings {
        traceparent: || TraceContext::current().map(TraceContext::traceparent),
        ..fly::Settings::new(fly.api.parse()?, token)
    };
    let client = fly::Client::new(settings, http.clone())?;
    let provider = Arc::new(fly::Provider::new(client, fly.organisation.clone()));
    Ok(World {
        apps: provider.clone(),
        volumes: provider.clone(),
        machines: provider,
        gateways: Arc::new(control::Supervisors::new(http, keys.control.clone(), clock)),
        vault: Arc::new(vault::SecretsManager::new(aws.secrets_manager())),
        alarms: Arc::new(LoggedAlarms),
        keys: keys.public(),
    })
}
