//! The part of AWS that Rockpool stands on, inside the process: DynamoDB, SQS and Secrets Manager for the AWS SDK's own clients.
//!
//! The clients are the real ones; only their HTTP client is replaced by one that answers without a network. DynamoDB is `dynoxide-rs`
//! (SQLite), SQS and Secrets Manager are `winterbaume`. With a folder, DynamoDB and Secrets Manager write through before they answer;
//! queues are never kept, because whoever relies on a message must be able to live without it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use aws_sim::{AwsSim, Options};
//!
//! let aws = AwsSim::open(Options::default()).await.expect("memory is always there");
//! aws.secrets_manager().create_secret().name("ins/one").secret_string("hush").send().await.expect("created");
//! assert_eq!(aws.consumed().calls("secretsmanager.CreateSecret"), 1);
//! # }
//! ```
//!
//! [`AwsSim::serve`] answers on a listener as well, for programs of their own; [`AwsSim::used`] says which access key did what to which
//! resource, so that the policy of whoever has the key can be held against it.
//!
//! Known to differ from AWS: DynamoDB's indexes never lag and it never raises `TransactionConflict` by itself (a [`Verdict`] does); SQS reads
//! the wall clock; Secrets Manager forgets the requested recovery window and ignores `ClientRequestToken` of `CreateSecret`, so that the
//! repetition of a lost answer is refused as `ResourceExistsException`.

mod connector;
mod dynamodb;
mod fault;
mod hidden;
mod ledger;
mod listener;
mod secrets;
mod sqs;
mod used;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::connector::Connector;
pub use crate::fault::{Call, Refusal, Service, Verdict};
pub use crate::ledger::Ledger;
pub use crate::used::Used;

/// Where the simulated services keep what must survive a restart.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A folder of their own, created if absent: `dynamodb.sqlite` and `secrets.json`. Without one everything is in memory.
    pub data: Option<PathBuf>,
}

/// The simulated services could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made or closed to others.
    #[error("the folder {path} cannot be prepared")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The database file cannot be opened.
    #[error("the database {path} cannot be opened")]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: dynoxide::DynoxideError,
    },
    /// The file of secrets cannot be read or is not one.
    #[error("the secrets in {path} cannot be read")]
    Secrets {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        #[source]
        source: std::io::Error,
    },
}

/// The simulated services. Clones share everything.
#[derive(Clone)]
pub struct AwsSim {
    connector: Arc<Connector>,
}

/// Each SDK has builders of its own, alike in all but their crate.
macro_rules! client {
    ($(#[$doc:meta])* $name:ident, $sdk:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> $sdk::Client {
            use $sdk::config::{BehaviorVersion, Builder, Region, StalledStreamProtectionConfig, retry::RetryConfig};
            let config = Builder::new()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::from_static(Self::REGION))
                .credentials_provider(Self::credentials())
                .retry_config(RetryConfig::standard().with_initial_backoff(RETRY_BACKOFF))
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .http_client(self.http_client())
                .build();
            $sdk::Client::from_conf(config)
        }
    };
}

impl AwsSim {
    /// The account that everything belongs to.
    pub const ACCOUNT: &str = winterbaume_core::DEFAULT_ACCOUNT_ID;

    /// The region that clients made here name. Whatever region a client of its own making names, it meets the same services.
    pub const REGION: &str = "us-east-1";

    /// Opens the services, and reads back what the folder holds.
    ///
    /// # Errors
    /// The folder, the database or the file of secrets cannot be used.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        if let Some(folder) = &options.data {
            prepare(folder).map_err(|source| OpenError::Folder { path: folder.clone(), source })?;
        }
        let folder = options.data.as_deref();
        let dynamodb = dynamodb::DynamoDb::open(folder.map(|folder| folder.join("dynamodb.sqlite")))?;
        let secrets = secrets::Secrets::open(folder.map(|folder| folder.join("secrets.json"))).await?;
        Ok(Self { connector: Arc::new(Connector::new(dynamodb, sqs::Queues::new(), secrets)) })
    }

    client!(
        /// A DynamoDB client.
        dynamodb,
        aws_sdk_dynamodb
    );
    client!(
        /// An SQS client.
        sqs,
        aws_sdk_sqs
    );
    client!(
        /// A Secrets Manager client.
        secrets_manager,
        aws_sdk_secretsmanager
    );

    /// The HTTP client behind all of them, for code that builds its own SDK clients. Calls are told apart by their `X-Amz-Target`, so any
    /// endpoint and region will do.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(connector::InProcess(self.connector.clone()))
    }

    /// Answers on a listener what clients elsewhere ask, until it is dropped; connections that are open then are closed.
    pub async fn serve(self, listener: tokio::net::TcpListener) {
        listener::serve(self.connector, listener).await;
    }

    /// Credentials that name nobody: the simulated services check none, but a client refuses to sign without.
    #[must_use]
    pub fn credentials() -> Credentials {
        Credentials::from_keys("AKIDROCKPOOLSIMULATED", "not-a-secret", None)
    }

    /// What was called and consumed since the start or the last [`reset_ledger`](Self::reset_ledger).
    #[must_use]
    pub fn consumed(&self) -> Ledger {
        self.connector.ledger()
    }

    /// Starts counting anew.
    pub fn reset_ledger(&self) {
        self.connector.reset_ledger();
    }

    /// What each access key has ever done to which resource.
    #[must_use]
    pub fn used(&self) -> BTreeSet<Used> {
        self.connector.used()
    }

    /// From now on every call is shown to `fault` first, which decides what becomes of it. It replaces an earlier one.
    pub fn set_fault(&self, fault: impl Fn(&Call<'_>) -> Verdict + Send + Sync + 'static) {
        self.connector.set_fault(Some(Arc::new(fault)));
    }

    /// Lets every call pass again.
    pub fn clear_fault(&self) {
        self.connector.set_fault(None);
    }

    /// Deletes what DynamoDB's time to live has expired, as AWS does within some days: how many items went.
    ///
    /// # Errors
    /// The database failed.
    pub async fn expire_items(&self) -> Result<usize, dynoxide::DynoxideError> {
        self.connector.dynamodb().expire().await
    }
}

/// The SDK waits a random part of this before its first retry. AWS's own default of a second is meant for a network.
const RETRY_BACKOFF: Duration = Duration::from_millis(5);

/// Makes the folder and closes it to other users: it holds customers' secrets.
fn prepare(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}
