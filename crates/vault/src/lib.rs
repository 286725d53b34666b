//! AWS Secrets Manager behind the port [`flows::ports::SecretVault`]: one secret per instance, a JSON object of environment names and
//! values.
//!
//! Values are generated here, read here and handed to the provider; they are in no plan, no journal, no log and no error.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/Welcome.html>.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use durable::{Attempt, Setback};
use flows::ports::{SecretValues, SecretVault};

/// Days for which a deleted secret can be brought back; 7 is the least that Secrets Manager takes.
const RECOVERY_DAYS: i64 = 7;

/// Bytes of a generated value.
const GENERATED_BYTES: usize = 32;

/// Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
}

impl SecretsManager {
    /// The vault behind a client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl SecretVault for SecretsManager {
    async fn ensure_secret(&self, name: &str, generated: &[&str]) -> Attempt<()> {
        let values: BTreeMap<_, _> = generated.iter().map(|key| (*key, fresh())).collect();
        let text = serde_json::to_string(&values).map_err(|_| Setback::fatal("a secret's values are not JSON"))?;
        match self.client.create_secret().name(name).secret_string(text).send().await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some("ResourceExistsException") => Ok(()),
            Err(error) => Err(setback("made", &error)),
        }
    }

    async fn read_secret(&self, name: &str) -> Attempt<SecretValues> {
        let answer = self.client.get_secret_value().secret_id(name).send().await.map_err(|error| setback("read", &error))?;
        let text = answer.secret_string().unwrap_or_default();
        // The parser's own message may quote what it read, which here is a secret.
        let values = serde_json::from_str(text).map_err(|_| Setback::fatal("the instance's secret is not a JSON object of texts"))?;
        Ok(SecretValues(values))
    }

    async fn delete_secret(&self, name: &str) -> Attempt<()> {
        match self.client.delete_secret().secret_id(name).recovery_window_in_days(RECOVERY_DAYS).send().await {
            Ok(_) => Ok(()),
            Err(error) => match code(&error) {
                Some("ResourceNotFoundException") => Ok(()),
                Some("InvalidRequestException") if self.is_deleted(name).await? => Ok(()),
                _ => Err(setback("deleted", &error)),
            },
        }
    }
}

impl SecretsManager {
    /// A second delete is refused as an invalid request, as is much else: the secret itself says whether it is on its way out.
    async fn is_deleted(&self, name: &str) -> Attempt<bool> {
        match self.client.describe_secret().secret_id(name).send().await {
            Ok(secret) => Ok(secret.deleted_date().is_some()),
            Err(error) if code(&error) == Some("ResourceNotFoundException") => Ok(true),
            Err(error) => Err(setback("looked up", &error)),
        }
    }
}

fn fresh() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; GENERATED_BYTES]>())
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.code()
}

/// Secrets Manager's calls are safe to repeat (a create finds what it made), so all that can pass is tried again. A secret that is not
/// found is among that: no flow reads one that it has not made, and a replica may lag.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>, and the errors of each action.
fn setback<E, R>(what: &str, error: &SdkError<E, R>) -> Setback
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let code = error.code().unwrap_or("no answer");
    tracing::warn!(code, error = chain(error), "the instance's secret could not be {what}");
    let why = format!("the instance's secret could not be {what}: {code}");
    match code {
        "AccessDeniedException"
        | "InvalidParameterException"
        | "InvalidRequestException"
        | "ValidationException"
        | "EncryptionFailure"
        | "DecryptionFailure" => Setback::fatal(why),
        _ => Setback::retry(why),
    }
}

/// The error with its causes, each in its own words. Never in their `Debug` forms, as the SDK's own helper writes them: they hold the
/// whole answer where it could not be read, and with it the secret.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
