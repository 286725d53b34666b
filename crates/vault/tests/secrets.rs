//! The vault on a simulated Secrets Manager, in good times and in bad.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use aws_sim::{AwsSim, Options, Refusal, Verdict};
use durable::{Attempt, Setback};
use flows::ports::{SecretValues, SecretVault};
use vault::SecretsManager;

const NAME: &str = "rockpool/test/instances/ins_1";
const KEYS: [&str; 2] = ["ROCKPOOL_SESSION_KEY", "ANOTHER_KEY"];

async fn vault() -> (AwsSim, SecretsManager) {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let vault = SecretsManager::new(aws.secrets_manager());
    (aws, vault)
}

fn value(values: &SecretValues) -> &str {
    &values.0[KEYS[0]]
}

fn will_be_tried_again<T: std::fmt::Debug>(attempt: Attempt<T>) -> String {
    match attempt {
        Err(Setback::Retry { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn is_fatal<T: std::fmt::Debug>(attempt: Attempt<T>) -> String {
    match attempt {
        Err(Setback::Fatal { why }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_secret_has_32_fresh_bytes_under_each_name() {
    let (_, vault) = vault().await;
    vault.ensure_secret(NAME, &KEYS).await.unwrap();
    vault.ensure_secret("rockpool/test/instances/ins_2", &KEYS).await.unwrap();
    let (one, other) = (vault.read_secret(NAME).await.unwrap(), vault.read_secret("rockpool/test/instances/ins_2").await.unwrap());
    assert_eq!(one.0.keys().map(String::as_str).collect::<Vec<_>>(), ["ANOTHER_KEY", "ROCKPOOL_SESSION_KEY"]);
    let all: std::collections::BTreeSet<_> = one.0.values().chain(other.0.values()).collect();
    assert_eq!(all.len(), 4, "no value is used twice");
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(all.iter().all(|value| value.len() == 43 && value.bytes().all(alphabet)), "base64url of 32 bytes, without padding");
}

#[tokio::test]
async fn a_secret_that_is_there_keeps_what_it_has() {
    let (_, vault) = vault().await;
    vault.ensure_secret(NAME, &KEYS).await.unwrap();
    let first = vault.read_secret(NAME).await.unwrap();
    vault.ensure_secret(NAME, &KEYS).await.unwrap();
    assert_eq!(vault.read_secret(NAME).await.unwrap().0, first.0);
}

#[tokio::test]
async fn a_secret_is_deleted_once_and_a_second_time_and_where_none_was() {
    let (aws, vault) = vault().await;
    vault.delete_secret(NAME).await.expect("there is nothing to delete");
    vault.ensure_secret(NAME, &KEYS).await.unwrap();
    vault.delete_secret(NAME).await.unwrap();
    vault.delete_secret(NAME).await.unwrap();
    let left = aws.secrets_manager().describe_secret().secret_id(NAME).send().await.unwrap();
    assert!(left.deleted_date().is_some(), "it rests in its recovery window");
    assert!(vault.read_secret(NAME).await.is_err(), "and is read no more");
}

#[tokio::test]
async fn a_second_delete_is_content_when_the_recovery_window_has_just_ended() {
    let (aws, vault) = vault().await;
    let refusal = |code: &str| Verdict::Refuse(Refusal::Other { status: 400, code: code.to_owned(), message: "no".to_owned() });
    aws.set_fault(move |call| match call.operation {
        "DeleteSecret" => refusal("InvalidRequestException"),
        _ => refusal("ResourceNotFoundException"),
    });
    assert_eq!(vault.delete_secret(NAME).await, Ok(()));
}

#[tokio::test]
async fn a_delete_that_is_refused_for_another_reason_is_not_taken_for_done() {
    let (aws, vault) = vault().await;
    vault.ensure_secret(NAME, &KEYS).await.unwrap();
    aws.set_fault(|call| match call.operation {
        "DeleteSecret" => Verdict::Refuse(Refusal::Other {
            status: 400,
            code: "InvalidRequestException".to_owned(),
            message: "The secret is managed by another service.".to_owned(),
        }),
        _ => Verdict::Pass,
    });
    assert!(vault.delete_secret(NAME).await.is_err());
}

#[tokio::test]
async fn what_can_pass_is_tried_again_and_then_works() {
    let refusals =
        [Verdict::Refuse(Refusal::Throttled), Verdict::Refuse(Refusal::InternalError), Verdict::LoseRequest, Verdict::LoseAnswer];
    for refusal in refusals {
        let (aws, vault) = vault().await;
        let fault = refusal.clone();
        aws.set_fault(move |_| fault.clone());
        let why = will_be_tried_again(vault.ensure_secret(NAME, &KEYS).await);
        assert!(why.starts_with("the instance's secret could not be made"), "{why}");
        aws.clear_fault();
        vault.ensure_secret(NAME, &KEYS).await.unwrap();
        let first = vault.read_secret(NAME).await.unwrap();

        let fault = refusal.clone();
        aws.set_fault(move |_| fault.clone());
        will_be_tried_again(vault.read_secret(NAME).await);
        aws.clear_fault();
        assert_eq!(vault.read_secret(NAME).await.unwrap().0, first.0, "after {refusal:?}");

        aws.set_fault(move |_| refusal.clone());
        will_be_tried_again(vault.delete_secret(NAME).await);
        aws.clear_fault();
        vault.delete_secret(NAME).await.unwrap();
    }
}

#[tokio::test]
async fn one_lost_answer_is_not_even_noticed_and_makes_no_second_value() {
    let (aws, vault) = vault().await;
    aws.set_fault(|call| if call.number == 1 { Verdict::LoseAnswer } else { Verdict::Pass });
    vault.ensure_secret(NAME, &KEYS).await.unwrap();
    assert_eq!(aws.consumed().calls("secretsmanager.CreateSecret"), 2);
    assert_eq!(value(&vault.read_secret(NAME).await.unwrap()).len(), 43);
    aws.set_fault(|call| if call.number == 1 { Verdict::LoseAnswer } else { Verdict::Pass });
    vault.delete_secret(NAME).await.unwrap();
}

#[tokio::test]
async fn what_can_never_work_is_not_tried_again() {
    let (aws, vault) = vault().await;
    is_fatal(vault.ensure_secret("", &KEYS).await);
    for code in ["AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "DecryptionFailure"] {
        let refusal = Refusal::Other { status: 400, code: code.to_owned(), message: "No.".to_owned() };
        aws.set_fault(move |_| Verdict::Refuse(refusal.clone()));
        assert!(is_fatal(vault.ensure_secret(NAME, &KEYS).await).ends_with(code));
        assert!(is_fatal(vault.read_secret(NAME).await).ends_with(code));
        assert!(is_fatal(vault.delete_secret(NAME).await).ends_with(code));
    }
}

/// Reads may be answered by a replica that has not heard of the secret yet.
#[tokio::test]
async fn a_secret_that_cannot_be_found_is_looked_for_again() {
    let (_, vault) = vault().await;
    will_be_tried_again(vault.read_secret(NAME).await);
}
