use std::sync::Arc;

use access::{Signer, SigningKey};
use api::Api;
use bytes::Bytes;
use domain::{Instance, InstanceId, OperationId, OrganisationId};
use durable::{Clock, Driven, Record, RunId};
use edge::Cursors;
use flow_runner::FlowRunner;
use fly_sim::{Options, Simulator};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use identity::Caller;
use identity::testing::Issuer;
use jiff::SignedDuration;
use serde_json::Value;
use shell::{FlySettings, KeySettings};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{Bench, Supervisors};
use crate::document::Description;

/// Time that the clock may move before a run counts as stuck: longer than any deadline of a flow.
const PATIENCE: SignedDuration = SignedDuration::from_hours(3);

const FLY_TOKEN: &str = "a-token-of-the-provider";

/// The whole vertical: the API, a flow runner, the simulated provider behind a socket, and supervisors.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    pub(crate) supervisors: Supervisors,
    pub(crate) fly: Simulator,
    pub(crate) runner: FlowRunner,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) api: Api,
    description: Description,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let supervisors = Supervisors::start().await;
        let bench = Bench::at(&supervisors.origin()).await;
        let options = Options { token: Some(FLY_TOKEN.to_owned()), organisation: "acme".to_owned(), ..Options::virtual_machines() };
        let fly = Simulator::open(options).await.unwrap();
        let settings = FlySettings { api: serve(&fly).await, organisation: "acme".to_owned(), token_secret: "platform/fly".to_owned() };
        let keys = KeySettings { access_secret: "platform/access".to_owned(), control_secret: "platform/control".to_owned() };
        let access = SigningKey::generate().unwrap();
        let secrets = [
            (&settings.token_secret, FLY_TOKEN.to_owned()),
            (&keys.access_secret, access.expose_text()),
            (&keys.control_secret, SigningKey::generate().unwrap().expose_text()),
        ];
        for (name, text) in secrets {
            bench.aws.secrets_manager().create_secret().name(name).secret_string(text).send().await.unwrap();
        }
        let clock = Arc::new(bench.clock.clone());
        let world = shell::world(&bench.aws, &settings, &keys, shell::http_client().unwrap(), clock.clone()).await.unwrap();
        let runner = FlowRunner {
            engine: shell::engine(bench.store.clone(), bench.wake(), clock.clone(), world),
            notices: Arc::new(bench.queue(Bench::NOTICES)),
        };
        let issuer = Issuer::start();
        let api = Api {
            verifier: issuer.verifier(),
            store: bench.store.clone(),
            engine: shell::waking_engine(bench.store.clone(), bench.wake(), clock),
            deployment: bench.deployment.clone(),
            signer: Arc::new(Signer::new(access)),
            cursors: Cursors::new(&[7; 32]),
        };
        bench.sim.reset_ledger();
        Self { bench, supervisors, fly, runner, issuer, api, description: Description::read() }
    }

    /// A request of Alice. What is answered is what the description promises for it, or the test ends here.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>, key: Option<&str>) -> Answer {
        let token = self.issuer.token("alice");
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let answer = api::router(self.api.clone()).oneshot(request.body(Full::new(body)).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let json = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        self.description.check(method, path, status, &json);
        Answer { status, json }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, None, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json);
        answer.json
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.call("POST", path, None, None).await
    }

    /// Alice's new instance, recorded and not made yet, and its run.
    pub(crate) async fn create(&self, name: &str) -> (InstanceId, RunId) {
        let wish = serde_json::json!({ "name": name, "plan": "team", "region": "fra" });
        let answer = self.call("POST", "/v1/instances", Some(wish), None).await;
        assert_eq!(answer.status, 202, "{}", answer.json);
        (answer.text("/instance/id").parse().unwrap(), answer.run())
    }

    /// Alice's new instance, made.
    pub(crate) async fn running(&self, name: &str) -> InstanceId {
        let (id, run) = self.create(name).await;
        self.drive(&run).await;
        assert_eq!(self.instance(&id).await.state.as_str(), "running");
        id
    }

    /// Works on a run until it is over, and on the one that follows it. Whenever it waits, time passes.
    pub(crate) async fn drive(&self, run: &RunId) -> Record {
        let (mut run, begun) = (run.clone(), self.bench.now());
        loop {
            let deadline = self.bench.now() + SignedDuration::from_secs(120);
            match self.runner.handle(&run.0, deadline).await.unwrap() {
                Driven::Paused { until } => self.bench.clock.advance_to(until),
                Driven::Ended { follow_up: Some(next), .. } => run = next,
                Driven::Ended { .. } | Driven::Parked { .. } => return self.record(&run).await,
                other => panic!("{run}: {other:?}"),
            }
            assert!(self.bench.clock.now().duration_since(begun) < PATIENCE, "{run} is stuck: {:?}", self.record(&run).await);
        }
    }

    pub(crate) async fn record(&self, run: &RunId) -> Record {
        let (organisation, operation) = flows::parse_run_id(run).unwrap();
        self.bench.store.operation(&organisation, &operation).await.unwrap().expect("it is there")
    }

    pub(crate) async fn instance(&self, id: &InstanceId) -> Instance {
        self.bench.store.instance(&alice(), id).await.unwrap().expect("it is there")
    }

    /// How often the provider was asked for an action.
    pub(crate) fn asked(&self, action: &str) -> usize {
        self.fly.calls().iter().filter(|call| call.action == action).count()
    }
}

impl Answer {
    /// The text at a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {}", self.json))
    }

    /// The run behind the operation that was answered.
    pub(crate) fn run(&self) -> RunId {
        flows::run_id(&alice(), &self.text("/operation/id").parse::<OperationId>().unwrap())
    }
}

/// Alice's own organisation.
pub(crate) fn alice() -> OrganisationId {
    Caller::personal_organisation(Issuer::ADDRESS, "alice")
}

/// Serves the provider's API on a port of the system's choosing.
async fn serve(fly: &Simulator) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = fly.router();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                // A connection that the script breaks ends with an error, as it should.
                Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    address
}
