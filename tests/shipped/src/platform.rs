//! Everything around the built functions, on this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use aws_sim::AwsSim;
use axum::Router;
use dynamo::Store;
use flows::Deployment;
use fly_sim::Simulator;
use jiff::{SignedDuration, Timestamp};
use lambda_sim::{Function, Settings, http_api};
use local::parts::{Cloud, Folder, Gateways, ISSUER_PATH, ORGANISATION, OUTBOX_PATH, Outbox, Provider};
use local::{EventSource, GatewayChoice, Issuer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::binaries::Binaries;
use crate::template::{Deployed, Source, Template};

/// The deployment's name. It is that of the local platform, whose table, queues and secrets therefore have the names of the template.
const DEPLOYMENT: &str = "local";

/// What an event source waits for longer than the function's own time-out, which the emulator enforces: a start, and a busy machine.
const START: Duration = Duration::from_secs(30);

/// Whatever stops the platform from starting.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// How a platform runs.
pub struct Options {
    /// The functions.
    pub binaries: Binaries,
    /// The program that is also the supervisor and the stand-in gateway of machines.
    pub machine: PathBuf,
    /// Between two ticks of the clock; in the cloud that is a minute. None connects neither the clock nor the queues: then the only events
    /// are those that a test sends.
    pub tick: Option<Duration>,
    /// Values of the template's parameters, besides those that lead to the platform's own parts.
    pub parameters: Vec<(&'static str, String)>,
}

/// A platform that runs. [`Platform::stop`] ends it.
pub struct Platform {
    /// Where the API answers.
    pub address: String,
    /// A bearer token.
    pub token: String,
    /// What is deployed.
    pub deployed: Vec<Deployed>,
    /// AWS: clients of our own, and the services.
    pub cloud: Cloud,
    /// Fly.io.
    pub fly: Simulator,
    /// The root of its API.
    pub fly_api: String,
    /// The notices that were delivered.
    pub outbox: Outbox,
    functions: BTreeMap<String, Function>,
    stop: CancellationToken,
    tasks: TaskTracker,
    _folder: Folder,
    _data: TempDir,
}

impl Platform {
    /// Starts everything but the functions themselves: they start with their first event.
    ///
    /// # Errors
    /// If a part cannot be started.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let data = tempfile::tempdir()?;
        let folder = Folder::open(data.path(), false)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let cloud = Cloud::open(&folder.path("aws")).await?;
        let aws = TcpListener::bind("127.0.0.1:0").await?;
        let aws_address = format!("http://{}", aws.local_addr()?);
        let (services, stopped) = (cloud.sim.clone(), stop.clone());
        tasks.spawn(async move { stopped.run_until_cancelled_owned(services.serve(aws)).await });

        let edge = TcpListener::bind("127.0.0.1:0").await?;
        let instances = format!("http://{{app}}.localhost:{}", edge.local_addr()?.port());
        let gateways = Gateways::new(GatewayChoice::StandIn, options.machine, folder.path("gateways"))?;
        let provider = Provider::start(&folder.path("fly"), &cloud.fly_token, gateways, None, edge, &stop, &tasks).await?;

        let door = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", door.local_addr()?);
        let issuer = Issuer::open(&folder, &address)?;
        let outbox = Outbox::open(folder.path("outbox.sqlite"))?;
        let notices = format!("{address}{OUTBOX_PATH}");
        let mut parameters = vec![
            ("Deployment", DEPLOYMENT),
            ("FlyOrganisation", ORGANISATION),
            ("FlyApi", &provider.api),
            ("InstanceAddress", &instances),
            ("ImageRepository", "registry.fly.io/rockpool-tenant"),
            ("OidcIssuer", issuer.issuer()),
            ("OidcAudience", local::AUDIENCE),
            ("NoticeAddress", &notices),
        ];
        parameters.extend(options.parameters.iter().map(|(name, value)| (*name, value.as_str())));
        let deployed = deploy(&cloud, &parameters).await?;
        let functions: BTreeMap<_, _> =
            deployed.iter().map(|deployed| (deployed.function.clone(), function(deployed, &options.binaries, &aws_address))).collect();

        let token = issuer.token("owner", "You", SignedDuration::from_hours(24))?;
        let routes = Router::new().nest(ISSUER_PATH, issuer.router()).nest(OUTBOX_PATH, outbox.router());
        let routes = routes.fallback_service(http_api(functions["api"].clone()));
        let stopped = stop.clone();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(door, routes).with_graceful_shutdown(stopped.cancelled_owned()).await {
                tracing::error!(%error, "the door ended");
            }
        });
        let platform = Self {
            address,
            token,
            deployed,
            cloud,
            fly: provider.simulator,
            fly_api: provider.api,
            outbox,
            functions,
            stop,
            tasks,
            _folder: folder,
            _data: data,
        };
        if let Some(tick) = options.tick {
            platform.connect(tick);
        }
        Ok(platform)
    }

    /// A function, by the name of its program.
    #[must_use]
    pub fn function(&self, name: &str) -> &Function {
        &self.functions[name]
    }

    /// Every function.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &Function)> {
        self.functions.iter().map(|(name, function)| (name.as_str(), function))
    }

    /// The table, for somebody who is none of the functions.
    #[must_use]
    pub fn store(&self) -> Store {
        let deployment = Deployment { name: DEPLOYMENT.to_owned(), address: String::new(), image_repository: String::new() };
        Store::new(self.cloud.aws.dynamodb(), local::parts::TABLE, deployment, Arc::new(shell::SystemClock))
    }

    /// Ends everything. What the functions are at is cut off.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.functions.values().for_each(Function::end);
        self.fly.shutdown().await;
        if tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.is_err() {
            tracing::debug!("some connections were still open");
        }
    }

    /// Connects queues and clock with their functions, as the template says.
    fn connect(&self, tick: Duration) {
        for deployed in &self.deployed {
            let function = self.functions[&deployed.function].clone();
            match &deployed.source {
                Source::HttpApi => {}
                Source::Schedule { input } => {
                    let (input, stop) = (input.clone(), self.stop.clone());
                    self.tasks.spawn(async move { stop.run_until_cancelled(every(tick, input, function)).await });
                }
                Source::Queue { name, batch_size, concurrency } => {
                    let source = EventSource {
                        queue_url: self.queue(name),
                        batch_size: i32::try_from(*batch_size).unwrap_or(1),
                        concurrency: *concurrency,
                        timeout: deployed.timeout + START,
                        function: Arc::new(move |event, _| Box::pin(handed_over(function.clone(), event))),
                    };
                    self.tasks.spawn(source.run(self.cloud.aws.sqs(), self.stop.clone()));
                }
            }
        }
    }

    /// The URL of a queue.
    ///
    /// # Panics
    /// If there is none of this name.
    #[must_use]
    pub fn queue(&self, name: &str) -> String {
        queue(&self.cloud, name).unwrap_or_else(|| panic!("the platform has no queue {name}"))
    }
}

fn queue(cloud: &Cloud, name: &str) -> Option<String> {
    let urls = [&cloud.flow_queue, &cloud.health_queue, &cloud.notice_queue];
    urls.into_iter().find(|url| url.rsplit('/').next() == Some(name)).cloned()
}

/// Reads the template, with references to what the simulated AWS has.
async fn deploy(cloud: &Cloud, parameters: &[(&str, &str)]) -> Result<Vec<Deployed>, Error> {
    let mut template = Template::read(parameters)?;
    for (id, name) in template.named("AWS::SQS::Queue", "QueueName")? {
        if let Some(url) = queue(cloud, &name) {
            template.refer(&id, url);
        }
    }
    for (id, name) in template.named("AWS::SecretsManager::Secret", "Name")? {
        let secret = cloud.aws.secrets_manager().describe_secret().secret_id(&name).send().await?;
        template.refer(&id, secret.arn.ok_or("a secret without an ARN")?);
    }
    Ok(template.functions()?)
}

fn function(deployed: &Deployed, binaries: &Binaries, aws: &str) -> Function {
    let mut environment = deployed.environment.clone();
    let key = access_key(&deployed.function);
    let ours = [
        ("AWS_REGION", AwsSim::REGION),
        ("AWS_DEFAULT_REGION", AwsSim::REGION),
        ("AWS_ACCESS_KEY_ID", &key),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
        ("AWS_SESSION_TOKEN", "not-a-token"),
        ("AWS_ENDPOINT_URL", aws),
    ];
    environment.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Function::new(Settings {
        name: format!("rockpool-{DEPLOYMENT}-{}", deployed.function),
        bootstrap: binaries.program(&deployed.function),
        memory_mb: deployed.memory_mb,
        timeout: deployed.timeout,
        concurrency: match deployed.source {
            Source::Queue { concurrency, .. } => concurrency,
            Source::HttpApi => 8,
            Source::Schedule { .. } => 1,
        },
        environment,
    })
}

/// The access key that a function signs with.
#[must_use]
pub fn access_key(function: &str) -> String {
    format!("AKID{}", function.replace('-', "").to_uppercase())
}

/// What the poller of a queue does with a batch. Whatever fails as a whole, or is answered with something else than what was agreed,
/// fails every message.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>
async fn handed_over(function: Function, event: SqsEvent) -> SqsBatchResponse {
    let invoked = match serde_json::to_vec(&event) {
        Ok(body) => function.invoke(body).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match invoked.and_then(|answer| serde_json::from_slice(&answer).map_err(|error| error.to_string())) {
        Ok(response) => response,
        Err(error) => {
            tracing::info!(error, "a whole batch has failed");
            let mut response = SqsBatchResponse::default();
            for record in event.records {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = record.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
            response
        }
    }
}

/// EventBridge Scheduler: asynchronous, and never again for the same moment.
async fn every(tick: Duration, input: String, function: Function) {
    loop {
        // The scheduler tells whole seconds.
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let event = input.replace("<aws.scheduler.scheduled-time>", &now.to_string());
        if let Err(error) = function.invoke(event).await {
            tracing::info!(%error, "a tick was lost");
        }
        tokio::time::sleep(tick).await;
    }
}
