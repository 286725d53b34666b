//! What happens seldom: machines that do not answer, an incident, notices that nobody takes, a dead worker, answers that are lost. Most
//! of it a function may do only on such days, and it must be allowed to.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sim::Verdict;
use domain::InstanceId;
use dynamo::{Store, Target};
use fly_sim::{Fault, Match};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use shipped::Platform;

use crate::Check;
use crate::customer::{Customer, PATIENCE};
use crate::kills::{GONE, let_the_lease_run_out};

/// The clock ticks once; from then on it is moved by hand.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) async fn a_bad_day(check: &mut Check) {
    let platform = check.platform(Some(LONG)).await;
    let day = Day { customer: Customer::new(&platform), store: platform.store(), platform: &platform };
    let instances = day.three_running().await;
    day.an_incident_opens_and_closes(&instances).await;
    day.an_instance_that_does_not_answer_is_repaired(&instances[0]).await;
    day.a_notice_that_nobody_takes_is_sent_again().await;
    day.a_run_that_waits_wakes_itself().await;
    day.a_run_whose_worker_died_is_woken(&instances[0]).await;
    day.a_run_of_newer_code_is_left_for_it(&instances[2]).await;
    day.a_run_that_does_not_get_on_is_parked(&instances[1]).await;
    day.a_deletion_whose_answer_is_lost_is_looked_up(&instances).await;
    check.end(platform).await;
}

struct Day<'p> {
    platform: &'p Platform,
    customer: Customer<'p>,
    /// The table, as somebody else reads and writes it.
    store: Store,
}

impl Day<'_> {
    async fn sweep(&self) {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        self.platform.function("sweep").invoke(json!({ "time": now }).to_string()).await.unwrap();
    }

    /// Sweeps until something is true.
    async fn swept_until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "{what}, after {PATIENCE:?}");
            self.sweep().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn three_running(&self) -> Vec<InstanceId> {
        let mut instances: Vec<InstanceId> = Vec::new();
        for name in ["one", "two", "three"] {
            let created = self.customer.create(name).await;
            instances.push(created["instance"]["id"].as_str().unwrap().parse().unwrap());
        }
        for instance in &instances {
            self.customer.settled(&instance.to_string(), "running").await;
        }
        instances
    }

    async fn target(&self, instance: &InstanceId) -> Target {
        for shard in 0..Store::FLEET_SHARDS {
            if let Some(target) = self.store.fleet(shard).await.unwrap().into_iter().find(|target| target.instance == *instance) {
                return target;
            }
        }
        panic!("{instance} is in no shard of the fleet")
    }

    /// Counts misses of the minutes before this one, as so many checks would have.
    async fn misses(&self, instance: &InstanceId, count: i64) {
        let minute = Timestamp::now().as_second() / 60;
        for ago in (1..=count).rev() {
            self.store.record_miss(&self.target(instance).await, minute - ago, "it is a test").await.unwrap();
        }
    }

    async fn an_incident_opens_and_closes(&self, instances: &[InstanceId]) {
        // Three of three at once are no matter of the instances. Their next check finds them well, so it is seen before or after.
        self.swept_until("no incident opened", async || {
            for instance in instances {
                self.misses(instance, 3).await;
            }
            self.sweep().await;
            self.store.incident().await.unwrap().is_some()
        })
        .await;
        self.swept_until("misses are still held against somebody who is well", async || {
            let mut misses = 0;
            for instance in instances {
                misses += self.target(instance).await.misses;
            }
            misses == 0
        })
        .await;
        let told = async || self.platform.outbox.notices().iter().filter(|notice| notice.event == "provider_incident").count() >= 1;
        self.swept_until("nobody was told of the incident", async || {
            self.make_notices_due().await;
            told().await
        })
        .await;
        // It closes after five quiet minutes; these are over.
        let key = || AttributeValue::S("INCIDENT".to_owned());
        let update = self.platform.cloud.aws.dynamodb().update_item().table_name(local::parts::TABLE).key("pk", key()).key("sk", key());
        let earlier = update.update_expression("SET last_seen_minute = last_seen_minute - :ten");
        earlier.expression_attribute_values(":ten", AttributeValue::N("10".to_owned())).send().await.unwrap();
        self.swept_until("the incident does not close", async || self.store.incident().await.unwrap().is_none()).await;
    }

    async fn an_instance_that_does_not_answer_is_repaired(&self, instance: &InstanceId) {
        let target = self.target(instance).await;
        let app = app_of(&target);
        let machine = self.platform.fly.machine_for_app(&app).unwrap();
        let stop = format!("{}/v1/apps/{app}/machines/{}/stop", self.platform.fly_api, machine.id);
        let http = shell::http_client().unwrap();
        let stopped = http.post(stop).bearer_auth(&self.platform.cloud.fly_token).send().await.unwrap();
        assert!(stopped.status().is_success(), "{stopped:?}");
        self.customer.eventually("the machine does not stop", async || self.platform.fly.routable(&app).is_none()).await;
        self.misses(instance, 2).await;
        // The third is counted by a check.
        let operations = format!("/v1/instances/{instance}/operations");
        self.swept_until("no repair was started", async || {
            let (_, seen) = self.customer.get(&operations).await;
            seen["operations"].as_array().is_some_and(|all| all.iter().any(|operation| operation["kind"] == "repair"))
        })
        .await;
        self.customer.settled(&instance.to_string(), "running").await;
    }

    async fn a_notice_that_nobody_takes_is_sent_again(&self) {
        let notifier = self.platform.function("notifier");
        let mut outbox = String::new();
        notifier.configure(|settings| {
            outbox = settings.environment.insert("ROCKPOOL_OUTBOX".to_owned(), "http://127.0.0.1:9/nowhere".to_owned()).unwrap();
        });
        let created = self.customer.create("four").await;
        let instance = created["instance"]["id"].as_str().unwrap();
        self.customer.settled(instance, "running").await;
        let failed = async || notifier.output().iter().any(|line| line.contains("a message was not handled"));
        self.customer.eventually("the notifier found a receiver", failed).await;
        notifier.configure(|settings| drop(settings.environment.insert("ROCKPOOL_OUTBOX".to_owned(), outbox)));
        self.swept_until("the notice is lost", async || {
            self.make_notices_due().await;
            self.platform.outbox.notices().iter().any(|notice| notice.instance.to_string() == instance)
        })
        .await;
    }

    /// What was not delivered is sent again after a minute; it is over.
    async fn make_notices_due(&self) {
        let far = Timestamp::now() + Duration::from_secs(24 * 3600);
        for notice in self.store.undelivered(far, 100).await.unwrap() {
            let (run, number) = notice.id.rsplit_once('-').unwrap();
            let key = |text: String| AttributeValue::S(text);
            let update = self.platform.cloud.aws.dynamodb().update_item().table_name(local::parts::TABLE);
            let update = update.key("pk", key(run.to_owned())).key("sk", key(format!("NOTICE#{number}")));
            let update = update.update_expression("SET overdue_at = :past").condition_expression("attribute_exists(overdue_at)");
            let past = AttributeValue::N((Timestamp::now() - Duration::from_secs(120)).as_nanosecond().to_string());
            let sent = update.expression_attribute_values(":past", past).send().await;
            // It may have been delivered in this moment.
            drop(sent.map_err(|error| assert!(error.into_service_error().is_conditional_check_failed_exception())));
        }
    }

    /// The provider asks for patience, the run pauses, and sends itself the message that wakes it.
    async fn a_run_that_waits_wakes_itself(&self) {
        let script = self.platform.fly.script();
        script.on(Match::action("create_volume").times(4)).then(Fault::too_many_requests(Some(1)));
        let created = self.customer.create("five").await;
        let ended = self.customer.ended(created["operation"]["id"].as_str().unwrap()).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
    }

    async fn a_run_whose_worker_died_is_woken(&self, instance: &InstanceId) {
        let (operation, run) = self.restart_whose_worker_dies(instance).await;
        self.swept_until("the restart is lost", async || {
            let_the_lease_run_out(self.platform, &run).await;
            self.customer.get(&operation).await.1["state"] == "succeeded"
        })
        .await;
    }

    /// As if the runner had been rolled back while a run of the newer version was under way.
    async fn a_run_of_newer_code_is_left_for_it(&self, instance: &InstanceId) {
        let (operation, run) = self.restart_whose_worker_dies(instance).await;
        let version = async |version: &str| {
            let update = self.platform.cloud.aws.dynamodb().update_item().table_name(local::parts::TABLE);
            let update = update.key("pk", AttributeValue::S(run.clone())).key("sk", AttributeValue::S("RUN".to_owned()));
            let update = update.update_expression("SET #version = :version").expression_attribute_names("#version", "version");
            update.expression_attribute_values(":version", AttributeValue::N(version.to_owned())).send().await.unwrap();
        };
        version("999").await;
        let runner = self.platform.function("flow-runner");
        let left = || runner.output().iter().any(|line| line.contains("unknown_version") && line.contains(&run));
        self.swept_until("the run was not left", async || {
            let_the_lease_run_out(self.platform, &run).await;
            left()
        })
        .await;
        version("1").await;
        self.make_due(&run).await;
        self.swept_until("the run is not taken up again", async || self.customer.get(&operation).await.1["state"] == "succeeded").await;
    }

    /// A run that nobody holds is looked at again now, and not by the sweep of a later minute.
    async fn make_due(&self, run: &str) {
        let update = self.platform.cloud.aws.dynamodb().update_item().table_name(local::parts::TABLE);
        let update = update.key("pk", AttributeValue::S(run.to_owned())).key("sk", AttributeValue::S("RUN".to_owned()));
        let now = AttributeValue::N(Timestamp::now().as_nanosecond().to_string());
        update.update_expression("SET overdue_at = :now").expression_attribute_values(":now", now).send().await.unwrap();
    }

    /// As if a worker had died in each of many claims.
    async fn a_run_that_does_not_get_on_is_parked(&self, instance: &InstanceId) {
        let (operation, run) = self.restart_whose_worker_dies(instance).await;
        let update = self.platform.cloud.aws.dynamodb().update_item().table_name(local::parts::TABLE);
        let update = update.key("pk", AttributeValue::S(run.clone())).key("sk", AttributeValue::S("RUN".to_owned()));
        // Whether this worker had claimed it before it died is up to the moment.
        let update = update.update_expression("SET claims = :many").condition_expression("attribute_exists(overdue_at)");
        update.expression_attribute_values(":many", AttributeValue::N("50".to_owned())).send().await.unwrap();
        self.swept_until("the run is not parked", async || {
            let_the_lease_run_out(self.platform, &run).await;
            self.customer.get(&operation).await.1["state"] == "attention"
        })
        .await;
        let called = || self.platform.function("sweep").output().iter().any(|line| line.contains("run_parked") && line.contains(&run));
        self.swept_until("nobody is called about the parked run", async || called()).await;
    }

    /// A restart's operation and run, its worker killed while it was at it.
    async fn restart_whose_worker_dies(&self, instance: &InstanceId) -> (String, String) {
        let runner = self.platform.function("flow-runner");
        let path = format!("/v1/instances/{instance}/restart");
        let asked = self.customer.ask(Method::POST, &path, Some(json!({ "scope": "machine" })), &path).await;
        let deadline = Instant::now() + PATIENCE;
        let event = loop {
            if let Some(event) = runner.kill(0) {
                break event;
            }
            assert!(Instant::now() < deadline, "nobody works on the restart");
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        let event: Value = serde_json::from_slice(&event).unwrap();
        let run = event["Records"][0]["body"].as_str().unwrap().to_owned();
        tokio::time::sleep(GONE).await;
        (format!("/v1/operations/{}", asked["operation"]["id"].as_str().unwrap()), run)
    }

    /// Secrets Manager refuses to delete what is being deleted; then the flow asks whether it is.
    async fn a_deletion_whose_answer_is_lost_is_looked_up(&self, instances: &[InstanceId]) {
        let lost = std::sync::atomic::AtomicBool::new(false);
        self.platform.cloud.sim.set_fault(move |call| match call.operation {
            "DeleteSecret" if !lost.swap(true, std::sync::atomic::Ordering::SeqCst) => Verdict::LoseAnswer,
            _ => Verdict::Pass,
        });
        for instance in instances {
            let deleted = self.customer.ask(Method::DELETE, &format!("/v1/instances/{instance}"), None, &format!("{instance}")).await;
            let ended = self.customer.ended(deleted["operation"]["id"].as_str().unwrap()).await;
            assert_eq!(ended["state"], "succeeded", "{ended}");
        }
        self.platform.cloud.sim.clear_fault();
    }
}

/// The name of an instance's app, which is the first label of its address.
fn app_of(target: &Target) -> String {
    let host = target.address.split("//").nth(1).unwrap();
    host.split('.').next().unwrap().to_owned()
}
