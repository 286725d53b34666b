//! AWS on this machine: the table, the queues with their dead-letter queues, and the platform's own secrets.

use std::collections::HashMap;
use std::path::Path;

use access::SigningKey;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_sim::{AwsSim, Options};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shell::{Aws, AwsSettings, Mapping};

use crate::error::{StartError, starting};

/// The table's name.
pub const TABLE: &str = "rockpool-local";

/// The secret that holds the provider's token.
pub const FLY_TOKEN: &str = "rockpool/local/fly-token";
/// The secret that holds the key of instance tokens.
pub const ACCESS_KEY: &str = "rockpool/local/access-key";
/// The secret that holds the key of orders to supervisors.
pub const CONTROL_KEY: &str = "rockpool/local/control-key";
/// The secret that holds the key of cursors.
pub const CURSOR_KEY: &str = "rockpool/local/cursor-key";

/// AWS on this machine.
pub struct Cloud {
    /// The services themselves.
    pub sim: AwsSim,
    /// Clients of them.
    pub aws: Aws,
    /// The queue of runs to move on.
    pub flow_queue: String,
    /// The queue of shards to check.
    pub health_queue: String,
    /// The queue of what has something to say.
    pub notice_queue: String,
    /// The provider's token, which the simulated provider demands.
    pub fly_token: String,
}

impl Cloud {
    /// Opens what the folder holds, and makes what is missing.
    ///
    /// # Errors
    /// If the folder or what is in it cannot be used.
    pub async fn open(folder: &Path) -> Result<Self, StartError> {
        let sim = AwsSim::open(Options { data: Some(folder.to_owned()) }).await.map_err(starting("the simulated AWS"))?;
        let settings = AwsSettings { region: AwsSim::REGION.to_owned(), credentials: AwsSim::credentials(), endpoints: [None, None, None] };
        let aws = Aws::through(settings, sim.http_client());
        dynamo::create_table(&aws.dynamodb(), TABLE).await.map_err(starting("the table"))?;
        let sqs = aws.sqs();
        let flow_queue = queue(&sqs, &shell::FLOWS).await?;
        let health_queue = queue(&sqs, &shell::HEALTH).await?;
        let notice_queue = queue(&sqs, &shell::NOTICES).await?;
        let secrets = aws.secrets_manager();
        let key = || SigningKey::generate().map(|key| key.expose_text()).map_err(starting("a signing key"));
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        secret(&secrets, ACCESS_KEY, key()?).await?;
        secret(&secrets, CONTROL_KEY, key()?).await?;
        secret(&secrets, CURSOR_KEY, random()).await?;
        let fly_token = secret(&secrets, FLY_TOKEN, random()).await?;
        Ok(Self { sim, aws, flow_queue, health_queue, notice_queue, fly_token })
    }
}

/// A queue and its dead-letter queue; queues are not durable here, so both are made at every start.
async fn queue(sqs: &aws_sdk_sqs::Client, mapping: &Mapping) -> Result<String, StartError> {
    let name = mapping.name;
    let dead = create(sqs, &format!("rockpool-local-{name}-dead"), HashMap::new()).await?;
    let asked = sqs.get_queue_attributes().queue_url(&dead).attribute_names(QueueAttributeName::QueueArn).send().await;
    let attributes = asked.map_err(starting("a queue"))?.attributes.unwrap_or_default();
    let arn = attributes.get(&QueueAttributeName::QueueArn).ok_or_else(|| starting("a queue")(format!("{dead} has no ARN")))?;
    let redrive = serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": mapping.receives.to_string() });
    let attributes = HashMap::from([
        (QueueAttributeName::VisibilityTimeout, mapping.visibility.as_secs().to_string()),
        (QueueAttributeName::RedrivePolicy, redrive.to_string()),
    ]);
    create(sqs, &format!("rockpool-local-{name}"), attributes).await
}

async fn create(sqs: &aws_sdk_sqs::Client, name: &str, attributes: HashMap<QueueAttributeName, String>) -> Result<String, StartError> {
    let created = sqs.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await.map_err(starting("a queue"))?;
    created.queue_url.ok_or_else(|| starting("a queue")(format!("{name} has no address")))
}

/// Keeps the secret that is there, or makes it with this value. Returns what it holds.
async fn secret(client: &aws_sdk_secretsmanager::Client, name: &str, value: String) -> Result<String, StartError> {
    match client.get_secret_value().secret_id(name).send().await {
        Ok(found) => return found.secret_string.ok_or_else(|| starting("a secret of the platform")(format!("{name} holds no text"))),
        Err(error) if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) => {}
        // It may well be there; another one in its place would make worthless whatever was signed with it.
        Err(error) => return Err(starting("a secret of the platform")(error)),
    }
    client.create_secret().name(name).secret_string(&value).send().await.map_err(starting("a secret of the platform"))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use aws_sim::{Refusal, Service, Verdict};

    use super::*;

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_is_not_taken_for_absent() {
        let sim = AwsSim::open(Options { data: None }).await.unwrap();
        let client = sim.secrets_manager();
        assert_eq!(secret(&client, "a", "first".to_owned()).await.unwrap(), "first");
        assert_eq!(secret(&client, "a", "second".to_owned()).await.unwrap(), "first");
        sim.set_fault(|call| match (call.service, call.operation) {
            (Service::SecretsManager, "GetSecretValue") => {
                Verdict::Refuse(Refusal::Other { status: 400, code: "DecryptionFailure".to_owned(), message: "the key is gone".to_owned() })
            }
            _ => Verdict::Pass,
        });
        assert!(secret(&client, "b", "third".to_owned()).await.is_err(), "a failed read ends the start");
        sim.clear_fault();
        assert_eq!(secret(&client, "b", "fourth".to_owned()).await.unwrap(), "fourth", "it was made although it could not be read");
    }
}
