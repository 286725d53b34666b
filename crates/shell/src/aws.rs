//! AWS clients without `aws-config`: in a Lambda, region and credentials come from the environment, and building the whole credential
//! chain costs several times the initialisation of the rest.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::aws_http;
use crate::settings::Reader;

/// How AWS is reached.
/// Variables: <https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html>.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// The region's name.
    pub region: String,
    /// Who calls.
    pub credentials: Credentials,
    /// Addresses instead of AWS's own: of DynamoDB, SQS and Secrets Manager.
    pub endpoints: [Option<String>; 3],
}

const SERVICES: [&str; 3] = ["DYNAMODB", "SQS", "SECRETS_MANAGER"];

impl AwsSettings {
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL[_<SERVICE>]`.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        let everywhere = reader.optional("AWS_ENDPOINT_URL");
        Self {
            region: reader.text("AWS_REGION"),
            credentials: Credentials::new(
                reader.text("AWS_ACCESS_KEY_ID"),
                reader.text("AWS_SECRET_ACCESS_KEY"),
                reader.optional("AWS_SESSION_TOKEN"),
                None,
                "environment",
            ),
            endpoints: SERVICES.map(|service| reader.optional(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| everywhere.clone())),
        }
    }
}

/// Builds clients when they are first wanted.
#[derive(Debug, Clone)]
pub struct Aws {
    settings: AwsSettings,
    http: SharedHttpClient,
}

macro_rules! client {
    ($(#[$doc:meta])* $name:ident, $sdk:ident, $endpoint:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> $sdk::Client {
            let mut config = $sdk::Config::builder()
                .http_client(self.http.clone())
                .behavior_version($sdk::config::BehaviorVersion::latest())
                .region($sdk::config::Region::new(self.settings.region.clone()))
                .credentials_provider(self.settings.credentials.clone())
                .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
                .timeout_config(timeouts());
            config.set_endpoint_url(self.settings.endpoints[$endpoint].clone());
            $sdk::Client::from_conf(config.build())
        }
    };
}

impl Aws {
    /// Clients that speak to AWS over the process's HTTP client.
    #[must_use]
    pub fn new(settings: AwsSettings, http: reqwest::Client) -> Self {
        Self { settings, http: aws_http::over(http) }
    }

    /// Clients that speak through another HTTP client, for example one that carries AWS in this process.
    #[must_use]
    pub const fn through(settings: AwsSettings, http: SharedHttpClient) -> Self {
        Self { settings, http }
    }

    client!(
        /// DynamoDB.
        dynamodb, aws_sdk_dynamodb, 0
    );
    client!(
        /// SQS.
        sqs, aws_sdk_sqs, 1
    );
    client!(
        /// Secrets Manager.
        secrets_manager, aws_sdk_secretsmanager, 2
    );
}

/// Bounded far below the shortest function's time-out, so that a hung connection is tried again and not waited out.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(12))
        .build()
}
