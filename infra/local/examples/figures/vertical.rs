//! The platform as `cargo run` puts it together, on a provider whose machines are virtual and whose latencies are known.

use std::collections::HashMap;
use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{Signer, SigningKey};
use api::Api;
use aws_sim::AwsSim;
use axum::Router;
use durable::{Driven, Engine};
use dynamo::memory::MemoryTable;
use edge::Cursors;
use flow_runner::FlowRunner;
use flows::{Deployment, Flows};
use fly_sim::{HostLatencies, Simulator, VirtualHost};
use identity::testing::Issuer;
use local::{EventSource, Function};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shell::{
    Aws, AwsSettings, DeploymentSettings, FlowQueue, FlySettings, KeySettings, QueueSettings, SqsQueue, StoreSettings, SystemClock,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Outcome;
use crate::journal::Metered;

pub(crate) const TABLE: &str = "rockpool";
const FLY_TOKEN: &str = "fly-token";
const ACCESS_KEY: &str = "access-key";
const CONTROL_KEY: &str = "control-key";

/// Everything between the customer's request and the provider.
pub(crate) struct Vertical {
    pub(crate) sim: AwsSim,
    pub(crate) simulator: Simulator,
    pub(crate) store: dynamo::Store,
    pub(crate) journal: Metered,
    runner: EventSource,
    work: Option<(CancellationToken, JoinHandle<()>)>,
    turns: mpsc::UnboundedReceiver<Turn>,
    address: String,
    issuer: Arc<Issuer>,
    http: reqwest::Client,
    pub(crate) aws: Aws,
    stop: CancellationToken,
    _stop_with_this: DropGuard,
}

/// What may differ between two of them.
pub(crate) struct Setup<'a> {
    /// AWS in this folder, or in memory.
    pub(crate) folder: Option<&'a Path>,
    /// What virtual machines take.
    pub(crate) machines: HostLatencies,
    /// Whether the journal counts what each call consumes.
    pub(crate) metered: bool,
    /// The store's table in memory, in the place of the embedded DynamoDB.
    pub(crate) table: Option<MemoryTable>,
    /// Whether the provider keeps its limits.
    pub(crate) rate_limits: bool,
    /// What stands before the provider.
    pub(crate) provider: Box<dyn FnOnce(Router) -> Router + Send>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        let provider = Box::new(|router| router);
        Self { folder: None, machines: HostLatencies::default(), metered: false, table: None, rate_limits: false, provider }
    }
}

/// One invocation of the flow runner.
pub(crate) struct Turn {
    pub(crate) begun: Instant,
    pub(crate) driven: Driven,
}

impl Vertical {
    /// Starts the API, AWS in memory or in a folder, and the provider in memory. `metered` has its
    /// journal count what each call consumes. The flow runner waits for [`Vertical::begin_work`].
    pub(crate) async fn start(folder: Option<&Path>, machines: HostLatencies, metered: bool) -> Outcome<Self> {
        Self::start_with(Setup { folder, machines, metered, ..Setup::default() }).await
    }

    /// The same, with everything that may differ.
    pub(crate) async fn start_with(setup: Setup<'_>) -> Outcome<Self> {
        let Setup { folder, machines, metered, table, rate_limits, provider } = setup;
        let stop = CancellationToken::new();
        let sim = AwsSim::open(aws_sim::Options { data: folder.map(|folder| folder.join("aws")) }).await?;
        let settings = AwsSettings { region: AwsSim::REGION.to_owned(), credentials: AwsSim::credentials(), endpoints: [None, None, None] };
        let aws = Aws::through(settings, sim.http_client());
        dynamo::create_table(&aws.dynamodb(), TABLE).await?;
        let queue = async |name: &str| -> Outcome<SqsQueue> {
            let url = aws.sqs().create_queue().queue_name(name).send().await?.queue_url.unwrap_or_default();
            Ok(SqsQueue::new(aws.sqs(), &QueueSettings { url }))
        };
        let (wake, notices) = (FlowQueue(queue("flows").await?), queue("notices").await?);

        let host = Arc::new(VirtualHost::new(machines));
        let options = fly_sim::Options { token: Some("token".to_owned()), rate_limits, ..fly_sim::Options::new(host) };
        let simulator = Simulator::open(options).await?;
        let provider = serve(provider(simulator.router()), &stop).await?;
        // A supervisor's answer to everything that flows ask of it: the gateway is ready at once.
        let ready = json!({ "gateway": { "phase": "ready" } });
        let supervisors = serve(Router::new().fallback(move || ready_answer(ready.clone())), &stop).await?;
        let port = supervisors.rsplit_once(':').map_or("", |(_, port)| port);
        let deployment = Deployment {
            name: "figures".to_owned(),
            address: format!("http://{{app}}.localhost:{port}"),
            image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
        };

        let secrets = HashMap::from([
            (FLY_TOKEN, "token".to_owned()),
            (ACCESS_KEY, SigningKey::generate()?.expose_text()),
            (CONTROL_KEY, SigningKey::generate()?.expose_text()),
        ]);
        for (name, value) in secrets {
            aws.secrets_manager().create_secret().name(name).secret_string(value).send().await?;
        }
        let (clock, http) = (Arc::new(SystemClock), shell::http_client()?);
        let settings = DeploymentSettings { deployment: deployment.clone() };
        let store = match table {
            Some(table) => dynamo::Store::in_memory(table, deployment.clone(), clock.clone()),
            None => shell::store(&aws, &StoreSettings { table: TABLE.to_owned() }, &settings, clock.clone()),
        };
        let fly = FlySettings { api: provider, organisation: "personal".to_owned(), token_secret: FLY_TOKEN.to_owned() };
        let keys = KeySettings { access_secret: ACCESS_KEY.to_owned(), control_secret: CONTROL_KEY.to_owned() };
        let world = shell::world(&aws, &fly, &keys, http.clone(), clock.clone()).await?;
        let journal = Metered::new(store.clone(), metered.then(|| sim.clone()));
        let engine = Engine::new(Arc::new(journal.clone()), Arc::new(wake.clone()), clock.clone(), Arc::new(Flows::new(world)));
        let (turned, turns) = mpsc::unbounded_channel();
        let runner = FlowRunner { engine, notices: Arc::new(notices) };
        let url = aws.sqs().get_queue_url().queue_name("flows").send().await?.queue_url.unwrap_or_default();
        let runner = EventSource {
            queue_url: url,
            batch_size: 1,
            concurrency: shell::FLOWS.concurrency.try_into()?,
            timeout: shell::FLOWS.timeout,
            function: function(runner, turned),
        };

        let issuer = Issuer::start();
        let api = Api {
            verifier: issuer.verifier(),
            store: store.clone(),
            engine: shell::waking_engine(store.clone(), wake, clock),
            deployment,
            signer: Arc::new(Signer::new(SigningKey::generate()?)),
            cursors: Cursors::new(&[7; 32]),
        };
        let address = serve(api::router(api), &stop).await?;
        let stop_with_this = stop.clone().drop_guard();
        Ok(Self {
            sim,
            simulator,
            store,
            journal,
            runner,
            work: None,
            turns,
            address,
            issuer,
            http,
            aws,
            stop,
            _stop_with_this: stop_with_this,
        })
    }

    /// Connects the queue with the flow runner.
    pub(crate) fn begin_work(&mut self) {
        let stop = self.stop.child_token();
        self.work = Some((stop.clone(), tokio::spawn(self.runner.clone().run(self.aws.sqs(), stop))));
    }

    /// The queue between the API and the flow runner.
    pub(crate) fn flow_queue(&self) -> &str {
        &self.runner.queue_url
    }

    /// Disconnects them, once the invocations under way are over.
    pub(crate) async fn end_work(&mut self) -> Outcome<()> {
        if let Some((stop, work)) = self.work.take() {
            stop.cancel();
            work.await?;
        }
        Ok(())
    }

    /// Waits for the end of a run, and returns the invocations that brought it there.
    pub(crate) async fn ended(&mut self) -> Outcome<Vec<Turn>> {
        let mut turns = Vec::new();
        loop {
            let turn = tokio::time::timeout(Duration::from_secs(60), self.turns.recv()).await?.ok_or("the flow runner is gone")?;
            let over = matches!(turn.driven, Driven::Ended { .. } | Driven::Parked { .. });
            turns.push(turn);
            if over {
                return Ok(turns);
            }
        }
    }

    /// A call of a person, and how long it took from the first byte sent to the last one read.
    pub(crate) async fn call(
        &self,
        person: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Outcome<(StatusCode, Value, Duration)> {
        let token = self.issuer.token(person);
        self.call_with(&token, method, path, body).await
    }

    /// The same with a token that was made before.
    pub(crate) async fn call_with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Outcome<(StatusCode, Value, Duration)> {
        let mut request = self.http.request(method, format!("{}{path}", self.address)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let sent = Instant::now();
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        let took = sent.elapsed();
        if !status.is_success() {
            return Err(format!("{path} was answered {status}: {text}").into());
        }
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null), took))
    }

    pub(crate) fn token(&self, person: &str) -> String {
        self.issuer.token(person)
    }
}

/// What a customer asks for.
pub(crate) fn wish(name: &str) -> Value {
    json!({ "name": name, "plan": "enterprise", "region": "fra" })
}

fn ready_answer(report: Value) -> std::future::Ready<axum::Json<Value>> {
    ready(axum::Json(report))
}

/// The flow runner behind its queue, and a note of each of its turns.
fn function(runner: FlowRunner, turned: mpsc::UnboundedSender<Turn>) -> Function {
    let runner = Arc::new(runner);
    Arc::new(move |event, deadline| {
        let (runner, turned) = (runner.clone(), turned.clone());
        let handle = move |body: String| {
            let (runner, turned) = (runner.clone(), turned.clone());
            async move {
                let begun = Instant::now();
                let driven = runner.handle(&body, deadline).await?;
                let turn = Turn { begun, driven };
                if turned.send(turn).is_err() {
                    tracing::debug!("nobody waits for this run");
                }
                Ok::<_, flow_runner::FlowRunnerError>(())
            }
        };
        Box::pin(shell::each_record(event, handle))
    })
}

/// Serves a router on a port of the system's choosing until the end.
async fn serve(router: Router, stop: &CancellationToken) -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let stop = stop.clone();
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "a server ended");
        }
    });
    Ok(address)
}
