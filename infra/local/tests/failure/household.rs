//! What somebody asked of the platform, whatever became of the answers, and whether it came true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::remains::{Held, Remains, app_of};
use crate::support::{PATIENCE, Platform, processes_of};

/// Instances that are wanted at most at the same time.
const MOST: usize = 4;

/// Something asked for, again and again until it was answered.
#[derive(Debug, Clone)]
enum Request {
    /// A new instance. Its name is also its idempotency key.
    Create(String),
    /// The end of an instance.
    Delete(String),
}

/// Whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Household {
    names: usize,
    /// Asked for and not answered.
    open: Vec<Request>,
    /// Instances that are wanted.
    pub(crate) wanted: BTreeSet<String>,
    /// Instances that are not wanted any more.
    pub(crate) unwanted: BTreeSet<String>,
    /// Operations that were promised.
    operations: BTreeSet<String>,
}

impl Household {
    /// Decides what to ask for next: one or two things.
    pub(crate) fn decide(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.below(2) {
            let creating = self.open.iter().filter(|request| matches!(request, Request::Create(_))).count();
            let present = self.wanted.len();
            if present > 0 && (present + creating >= MOST || dice.below(3) == 0) {
                let chosen = self.wanted.iter().nth(dice.below(present)).cloned().expect("one of those present");
                self.give_up(&chosen);
            } else {
                self.want_another();
            }
        }
    }

    /// Asks for another instance.
    pub(crate) fn want_another(&mut self) {
        self.names += 1;
        self.open.push(Request::Create(format!("cut-{}", self.names)));
    }

    /// Asks for the end of an instance.
    pub(crate) fn give_up(&mut self, instance: &str) {
        self.wanted.remove(instance);
        self.unwanted.insert(instance.to_owned());
        self.open.push(Request::Delete(instance.to_owned()));
    }

    /// Asks for the end of every instance.
    pub(crate) fn give_up_everything(&mut self) {
        for instance in self.wanted.clone() {
            self.give_up(&instance);
        }
    }

    /// Sends everything that is open at once, calls `meanwhile`, and takes note of the answers that came all the same.
    pub(crate) async fn ask(&mut self, platform: &mut Platform, meanwhile: impl AsyncFnOnce(&mut Platform)) {
        let open = std::mem::take(&mut self.open);
        let sent = open.iter().map(|request| tokio::spawn(send(platform, request))).collect::<Vec<_>>();
        meanwhile(platform).await;
        let answers = join_all(sent).await;
        for (request, answer) in open.into_iter().zip(answers) {
            match answer.expect("the request was sent") {
                Some((status, body)) => self.hear(request, status, &body),
                None => self.open.push(request),
            }
        }
    }

    fn hear(&mut self, request: Request, status: StatusCode, body: &Value) {
        match request {
            // It was accepted before, and that answer was lost.
            Request::Delete(_) if status == StatusCode::NOT_FOUND => return,
            // Those that are being deleted still count, so that a quick succession of both comes to the plan's limit. It is not asked again.
            Request::Create(_) if status == StatusCode::CONFLICT && body["limit"].is_number() => return,
            Request::Delete(_) | Request::Create(_) => assert_eq!(status, StatusCode::ACCEPTED, "{request:?}: {body}"),
        }
        let id = |what: &str| body[what]["id"].as_str().map(str::to_owned);
        self.operations.extend(id("operation"));
        if let Request::Create(_) = request {
            self.wanted.insert(id("instance").expect("a new instance has an identifier"));
        }
    }

    /// Waits until everything promised came true: operations ended, what is wanted answers, and what is not wanted left nothing.
    /// `others` are processes that are none of the platform's business.
    pub(crate) async fn is_served(&mut self, platform: &mut Platform, data: &Path, others: &[u32]) {
        self.ask(platform, async |_| {}).await;
        assert!(self.open.is_empty(), "not answered: {:?}", self.open);
        for operation in &self.operations {
            let ended = platform.ended(operation, PATIENCE).await;
            assert!(ended["state"] == "succeeded" || ended["state"] == "cancelled", "{ended}");
        }
        for instance in &self.wanted {
            let running = platform.settled(instance, "running", PATIENCE).await;
            platform.until_it_answers(running["address"].as_str().expect("it has an address")).await;
        }
        for instance in &self.unwanted {
            let path = format!("/v1/instances/{instance}");
            assert_eq!(platform.call(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND, "{instance}");
        }
        self.left_nothing_else(data, others).await;
    }

    /// Waits until there is one of everything for what is wanted, and nothing besides.
    async fn left_nothing_else(&self, data: &Path, others: &[u32]) {
        let one = || Held { machines: 1, volumes: 1 };
        let apps: BTreeMap<_, _> = self.wanted.iter().map(|instance| (app_of(instance), one())).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let remains = Remains::of(data);
            let programs = programs(data, others);
            let announced = |instance: &&String| remains.announced.iter().filter(|told| told == instance).count();
            let once = self.wanted.iter().all(|instance| announced(&instance) == 1);
            let served = remains.apps == apps
                && remains.secrets == self.wanted.iter().cloned().collect::<Vec<_>>()
                && programs == [self.wanted.len(); 3]
                && once
                && self.unwanted.iter().all(|instance| announced(&instance) <= 1);
            if served {
                return;
            }
            // Notices and the end of processes follow the end of an operation within moments; more machines than one would stay.
            let all = processes_of(data);
            assert!(Instant::now() < deadline, "wanted are {:?}, there is {remains:?}, and {programs:?} of {all:?}", self.wanted);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Processes, supervisors and gateways in the folder's machines. Each machine has one supervisor and one gateway, and whatever else runs
/// there would show in a sum that is not theirs.
fn programs(data: &Path, others: &[u32]) -> [usize; 3] {
    let there: Vec<_> = processes_of(data).into_iter().filter(|(id, _)| !others.contains(id)).collect();
    let count = |what: &str| there.iter().filter(|(_, line)| line.contains(what)).count();
    [there.len().div_ceil(2), count(" supervisor"), count(" stand-in")]
}

/// Sends a request; none if there was no answer.
fn send(platform: &Platform, request: &Request) -> impl Future<Output = Option<(StatusCode, Value)>> + Send + 'static {
    let request = match request {
        Request::Create(name) => {
            let body = json!({ "name": name, "plan": "team", "region": "fra" });
            platform.request(Method::POST, "/v1/instances", Some(body)).header("idempotency-key", name)
        }
        Request::Delete(instance) => platform.request(Method::DELETE, &format!("/v1/instances/{instance}"), None),
    };
    async move {
        let answer = request.send().await.ok()?;
        let status = answer.status();
        Some((status, serde_json::from_str(&answer.text().await.ok()?).unwrap_or_default()))
    }
}
