//! No secret where people read. In a program of its own, because what is logged is the whole process's business.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_sim::{AwsSim, Options, Verdict};
use flows::ports::SecretVault;
use serde_json::json;
use vault::SecretsManager;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that anybody could print: the value, and errors of answers that hold one and cannot be read.
#[tokio::test]
async fn no_secret_is_in_any_error_any_log_or_any_debug_form() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::INFO).with_ansi(false);
    let _guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber.with_writer(move || writer.clone()));

    let aws = AwsSim::open(Options::default()).await.unwrap();
    let vault = SecretsManager::new(aws.secrets_manager());
    vault.ensure_secret("ins_1", &["ROCKPOOL_SESSION_KEY"]).await.unwrap();
    let values = vault.read_secret("ins_1").await.unwrap();
    assert!(!format!("{values:?} {vault:?}").contains(&values.0["ROCKPOOL_SESSION_KEY"]));

    let unreadable = [
        json!({ "Name": "ins_1", "SecretString": "hush-hush", "CreatedDate": "yesterday" }),
        json!({ "Name": "ins_1", "SecretString": "{\"ROCKPOOL_SESSION_KEY\": [\"hush-hush\"]}" }),
        json!({ "Name": "ins_1", "SecretString": "hush-hush" }),
        json!({ "Name": "ins_1", "SecretBinary": "aHVzaC1odXNo" }),
    ];
    for answer in unreadable {
        aws.set_fault(move |_| Verdict::Answer(answer.clone()));
        let error = vault.read_secret("ins_1").await.expect_err("this is no secret of an instance");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hush-hush") && !said.contains("aHVzaC1odXNo"), "{said}");
    }
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("could not be read"), "the log shows what went wrong: {said}");
    assert!(!said.contains("hush-hush") && !said.contains("aHVzaC1odXNo"), "{said}");
}
