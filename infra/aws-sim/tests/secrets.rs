//! Secrets Manager, over restarts.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aws_sdk_secretsmanager::Client;
use aws_sim::{AwsSim, OpenError, Options};

async fn open(folder: &Path) -> Client {
    AwsSim::open(Options { data: Some(folder.to_owned()) }).await.unwrap().secrets_manager()
}

async fn value(secrets: &Client, name: &str) -> Option<String> {
    secrets.get_secret_value().secret_id(name).send().await.ok()?.secret_string
}

#[tokio::test]
async fn a_secret_is_on_disk_before_it_is_answered_and_readable_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = open(folder.path()).await;
    secrets.create_secret().name("ins/one").secret_string("first").send().await.unwrap();
    secrets.put_secret_value().secret_id("ins/one").secret_string("second").send().await.unwrap();
    // Nothing is closed: this is what a killed process leaves behind.
    let reopened = open(folder.path()).await;
    assert_eq!(value(&reopened, "ins/one").await.as_deref(), Some("second"));

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("secrets.json")), 0o600);
    assert_eq!(mode(folder.path()), 0o700);
}

#[tokio::test]
async fn a_deleted_secret_can_be_restored_within_its_window_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = open(folder.path()).await;
    secrets.create_secret().name("ins/one").secret_string("hush").send().await.unwrap();
    let refused = secrets.delete_secret().secret_id("ins/one").recovery_window_in_days(3).send().await;
    assert!(refused.unwrap_err().into_service_error().is_invalid_parameter_exception());
    secrets.delete_secret().secret_id("ins/one").recovery_window_in_days(7).send().await.unwrap();
    assert_eq!(value(&secrets, "ins/one").await, None);

    let secrets = open(folder.path()).await;
    assert_eq!(value(&secrets, "ins/one").await, None);
    secrets.restore_secret().secret_id("ins/one").send().await.unwrap();
    assert_eq!(value(&secrets, "ins/one").await.as_deref(), Some("hush"));

    secrets.delete_secret().secret_id("ins/one").force_delete_without_recovery(true).send().await.unwrap();
    let gone = open(folder.path()).await.restore_secret().secret_id("ins/one").send().await;
    assert!(gone.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn a_secret_that_cannot_be_written_to_disk_is_refused_and_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = open(folder.path()).await;
    // A folder in the place of the new file stops even root.
    std::fs::create_dir(folder.path().join("secrets.json.new")).unwrap();
    let refused = secrets.create_secret().name("ins/one").secret_string("hush").send().await;
    assert!(refused.unwrap_err().into_service_error().is_internal_service_error());
    assert_eq!(value(&secrets, "ins/one").await, None);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_named_when_it_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secrets.json"), "garbage").unwrap();
    let error = AwsSim::open(Options { data: Some(folder.path().to_owned()) }).await.err().unwrap();
    assert!(matches!(&error, OpenError::Secrets { path, .. } if path.ends_with("secrets.json")), "{error}");
}
