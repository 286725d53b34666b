use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;
use winterbaume_core::{DEFAULT_ACCOUNT_ID, MockResponse, MockService, StatefulService};
use winterbaume_secretsmanager::SecretsManagerService;
use winterbaume_secretsmanager::views::SecretsmanagerStateView;

use crate::connector::forwarded;
use crate::fault::error;
use crate::{AwsSim, OpenError};

/// Secrets Manager (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/>): the embedded service, with every change on disk
/// before it is answered.
pub(crate) struct Secrets {
    service: SecretsManagerService,
    /// One change at a time, so that the file never goes back to an older state.
    file: Mutex<Option<PathBuf>>,
}

/// The longest recovery window there is. The embedded service does not remember which one was asked for.
const LONGEST_RECOVERY: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Secrets {
    pub(crate) async fn open(path: Option<PathBuf>) -> Result<Self, OpenError> {
        let service = SecretsManagerService::new();
        if let Some(path) = &path {
            let unreadable = |source| OpenError::Secrets { path: path.clone(), source };
            let view = load(path).map_err(unreadable)?;
            service.restore(DEFAULT_ACCOUNT_ID, AwsSim::REGION, view).await.map_err(|error| unreadable(io::Error::other(error)))?;
        }
        Ok(Self { service, file: Mutex::new(path) })
    }

    pub(crate) async fn call(&self, operation: &str, body: &Value) -> (u16, Value) {
        if READS.contains(&operation) {
            return self.forward(operation, body).await;
        }
        let file = self.file.lock().await;
        let Some(path) = file.clone() else {
            return self.forward(operation, body).await;
        };
        let before = self.service.snapshot(DEFAULT_ACCOUNT_ID, AwsSim::REGION).await;
        let (status, answer) = self.forward(operation, body).await;
        if status != 200 {
            return (status, answer);
        }
        let after = self.service.snapshot(DEFAULT_ACCOUNT_ID, AwsSim::REGION).await;
        let saved = match tokio::task::spawn_blocking(move || save(&path, &after)).await {
            Ok(saved) => saved,
            Err(panic) => Err(io::Error::other(panic)),
        };
        match saved {
            Ok(()) => (status, answer),
            Err(cause) => {
                tracing::error!(%cause, "secrets could not be written to disk");
                // What is not on disk must not be seen either: the caller was told that it failed.
                let undone = self.service.restore(DEFAULT_ACCOUNT_ID, AwsSim::REGION, before).await;
                if let Err(cause) = undone {
                    tracing::error!(%cause, "secrets in memory are ahead of the disk");
                }
                error(500, "InternalServiceError", "An error occurred on the server side.")
            }
        }
    }

    async fn forward(&self, operation: &str, body: &Value) -> (u16, Value) {
        let MockResponse { status, body, .. } =
            self.service.handle(forwarded("secretsmanager", &format!("secretsmanager.{operation}"), body)).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

/// Operations that change nothing.
const READS: [&str; 7] = [
    "GetSecretValue",
    "BatchGetSecretValue",
    "DescribeSecret",
    "ListSecrets",
    "ListSecretVersionIds",
    "GetRandomPassword",
    "GetResourcePolicy",
];

/// What the file holds, without the secrets that no recovery window can still hold.
fn load(path: &Path) -> io::Result<SecretsmanagerStateView> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => b"{}".to_vec(),
        Err(error) => return Err(error),
    };
    let mut view: SecretsmanagerStateView = serde_json::from_slice(&bytes)?;
    let oldest = Timestamp::now() - LONGEST_RECOVERY;
    view.secrets.retain(|_, secret| {
        let deleted = secret.deleted_date.as_deref().and_then(|date| date.parse::<Timestamp>().ok());
        deleted.is_none_or(|deleted| deleted > oldest)
    });
    Ok(view)
}

/// Replaces the file as a whole: a reader finds the old state or the new one, whenever the power goes.
fn save(path: &Path, view: &SecretsmanagerStateView) -> io::Result<()> {
    let fresh = path.with_extension("json.new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(view)?)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    let folder = path.parent().ok_or_else(|| io::Error::other("the file of secrets is in no folder"))?;
    std::fs::File::open(folder)?.sync_all()
}
