use std::sync::Arc;

use edge::Cursors;
use identity::{Settings, Verifier};
use lambda_http::Error;
use secrecy::ExposeSecret as _;
use shell::{
    Aws, AwsSettings, DeploymentSettings, Environment, FlowQueue, IdentitySettings, KeySettings, PlatformSecrets, QueueSettings,
    SecretError, SqsQueue, StoreSettings, SystemClock,
};

use crate::Api;

/// Builds the API from the environment.
///
/// # Errors
/// One error that names every setting that is missing or malformed, or the secret that cannot be read.
pub async fn from_environment(environment: Environment<'_>) -> Result<Api, Error> {
    let (aws, store, deployment, flow, keys, identity) = shell::read_settings(environment, |reader| {
        (
            AwsSettings::read(reader),
            StoreSettings::read(reader),
            DeploymentSettings::read(reader),
            QueueSettings::flow(reader),
            KeySettings::read(reader),
            IdentitySettings::read(reader),
        )
    })?;
    let (aws, clock) = (Aws::new(aws), Arc::new(SystemClock));
    let secrets = PlatformSecrets::new(aws.secrets_manager());
    let store = shell::store(&aws, &store, &deployment, clock.clone());
    let wake = FlowQueue(SqsQueue::new(aws.sqs(), &flow));
    let settings = Settings { audience: identity.audience, allowed_parties: identity.parties, ..Settings::of_issuer(identity.issuer) };
    Ok(Api {
        verifier: Verifier::over_http(settings, shell::http_client()?)?,
        engine: shell::waking_engine(store.clone(), wake, clock),
        store,
        deployment: deployment.deployment,
        signer: Arc::new(shell::signer(&secrets, &keys.access_secret).await?),
        cursors: cursors(&secrets, &keys.cursor_secret).await?,
    })
}

/// The text of the secret is the key as it stands, in whatever alphabet its 32 random bytes were written down.
async fn cursors(secrets: &PlatformSecrets, name: &str) -> Result<Cursors, SecretError> {
    let key = secrets.text(name).await?;
    let key = key.expose_secret().as_bytes();
    if key.len() < 32 {
        return Err(SecretError::Malformed { name: name.to_owned(), expected: "a random text of at least 32 characters" });
    }
    Ok(Cursors::new(key))
}
