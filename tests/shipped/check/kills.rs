//! Processes die whenever it pleases them, and everything that was wanted still happens.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use shipped::{FUNCTIONS, Platform};
use tokio_util::sync::CancellationToken;

use crate::Check;
use crate::customer::Customer;

/// Instances that are made, restarted and deleted.
const INSTANCES: usize = 6;

/// Kills while one kind of operation is worked off: more, and each would find less to kill.
const KILLS: usize = 20;

/// As long as it takes the emulator to end a process.
pub(crate) const GONE: Duration = Duration::from_millis(50);

pub(crate) async fn nothing_is_lost(check: &mut Check) {
    let platform = check.platform(Some(Duration::from_secs(2))).await;
    let customer = Customer::new(&platform);
    let mut chance = StdRng::seed_from_u64(check.seed);
    println!("  seed {}", check.seed);

    let mut kills = Vec::new();
    let created = under_fire(&platform, &mut chance, &mut kills, async {
        let mut created = Vec::new();
        for name in (0..INSTANCES).map(|number| format!("number-{number}")) {
            created.push(customer.create(&name).await);
        }
        all_succeed(&customer, &created).await;
        created
    })
    .await;
    let instances: Vec<_> = created.iter().map(|created| created["instance"]["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(platform.fly.inventory().apps.len(), INSTANCES, "one app for each, and none besides");

    let ask = async |method: Method, verb: &str, body: Option<Value>| {
        let mut asked = Vec::new();
        for instance in &instances {
            let path = format!("/v1/instances/{instance}{verb}");
            asked.push(customer.ask(method.clone(), &path, body.clone(), &format!("{method}:{path}")).await);
        }
        all_succeed(&customer, &asked).await;
    };
    under_fire(&platform, &mut chance, &mut kills, ask(Method::POST, "/restart", Some(json!({ "scope": "machine" })))).await;
    under_fire(&platform, &mut chance, &mut kills, ask(Method::DELETE, "", None)).await;

    println!("  killed: {}", kills.join(" "));
    assert!(kills.iter().filter(|killed| *killed == "flow-runner").count() >= 3, "hardly any run was interrupted: {kills:?}");
    customer.eventually("something is left at the provider", async || platform.fly.inventory().is_empty()).await;
    // A notice whose message died with its worker is found by a sweep after a minute.
    customer.eventually("a notice was lost", async || ready(&platform) == instances.iter().cloned().collect()).await;
    nobody_gave_up(&platform).await;
    check.end(platform).await;
}

async fn all_succeed(customer: &Customer<'_>, answers: &[Value]) {
    for answer in answers {
        let ended = customer.ended(answer["operation"]["id"].as_str().unwrap()).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
    }
}

/// Who was told that their instance is ready.
fn ready(platform: &Platform) -> BTreeSet<String> {
    let notices = platform.outbox.notices();
    notices.iter().filter(|notice| notice.event == "instance_ready").map(|notice| notice.instance.to_string()).collect()
}

/// Does something while processes are killed, most of them flow runners, at moments and in an order that the seed decides.
async fn under_fire<T>(platform: &Platform, chance: &mut StdRng, kills: &mut Vec<String>, work: impl Future<Output = T>) -> T {
    let done = CancellationToken::new();
    let killer = async {
        let before = kills.len();
        while kills.len() - before < KILLS && !done.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(chance.random_range(20..300))).await;
            let function = if chance.random_bool(0.6) { "flow-runner" } else { FUNCTIONS[chance.random_range(0..FUNCTIONS.len())] };
            let Some(event) = platform.function(function).kill(chance.random_range(0..100)) else { continue };
            kills.push(function.to_owned());
            let event: Value = serde_json::from_slice(&event).unwrap();
            if let ("flow-runner", Some(run)) = (function, event["Records"][0]["body"].as_str()) {
                tokio::time::sleep(GONE).await;
                let_the_lease_run_out(platform, run).await;
            }
        }
    };
    let working = async {
        let worked = work.await;
        done.cancel();
        worked
    };
    tokio::join!(working, killer).0
}

/// A dead worker's lease runs out after 150 s. What has to wait for that is a matter of the engine's own tests, under virtual time; here
/// it is over at once.
pub(crate) async fn let_the_lease_run_out(platform: &Platform, run: &str) {
    let now = AttributeValue::N(Timestamp::now().as_nanosecond().to_string());
    let update = platform.cloud.aws.dynamodb().update_item().table_name(local::parts::TABLE);
    let update = update.key("pk", AttributeValue::S(run.to_owned())).key("sk", AttributeValue::S("RUN".to_owned()));
    let update = update.update_expression("SET lease_until = :now, overdue_at = :now").condition_expression("lease_until > :now");
    match update.expression_attribute_values(":now", now).send().await {
        Ok(_) => {}
        // It had ended or paused before its worker died.
        Err(error) if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {}
        Err(error) => panic!("{error:?}"),
    }
}

/// No message was failed so often that it was put aside.
async fn nobody_gave_up(platform: &Platform) {
    let sqs = platform.cloud.aws.sqs();
    for name in ["flows", "health", "notices"] {
        let queue = platform.queue(&format!("rockpool-local-{name}"));
        let asked = sqs.get_queue_attributes().queue_url(format!("{queue}-dead")).attribute_names(QueueAttributeName::All);
        let attributes = asked.send().await.unwrap().attributes.unwrap();
        assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessages], "0", "dead letters of {name}");
    }
}
