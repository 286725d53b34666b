use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;

use crate::chain::Chain;

/// A secret of the platform could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[error("the platform's secret {name} could not be read: {why}")]
    Unreadable {
        /// The secret's name.
        name: String,
        /// Why.
        why: String,
    },
    /// It is not what it should be. What it is, is not said.
    #[error("the platform's secret {name} is not {expected}")]
    Malformed {
        /// The secret's name.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// The platform's own secrets: the provider's token and the deployment's keys.
#[derive(Debug, Clone)]
pub struct PlatformSecrets {
    client: Client,
}

impl PlatformSecrets {
    /// Reads through this client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The text of a secret.
    ///
    /// # Errors
    /// If Secrets Manager does not answer, or has no such secret, or the secret holds no text.
    pub async fn text(&self, name: &str) -> Result<SecretString, SecretError> {
        let unreadable = |why: String| SecretError::Unreadable { name: name.to_owned(), why };
        let answer = self.client.get_secret_value().secret_id(name).send().await;
        let answer = answer.map_err(|error| unreadable(Chain(&error).to_string()))?;
        let text = answer.secret_string().ok_or_else(|| unreadable("it holds bytes, not text".to_owned()))?;
        Ok(SecretString::from(text.to_owned()))
    }
}
