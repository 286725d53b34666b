//! The whole platform, put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::Api;
use axum::Router;
use axum::routing::get;
use edge::Cursors;
use flow_runner::FlowRunner;
use flows::Deployment;
use health_checker::{HealthChecker, Probe};
use identity::Verifier;
use jiff::Timestamp;
use notifier::Notifier;
use secrecy::ExposeSecret;
use shell::{
    DeploymentSettings, FlowQueue, FlySettings, KeySettings, PlatformSecrets, QueueSettings, SqsQueue, StoreSettings, SystemClock,
    each_record,
};
use sweep::Sweep;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::arguments::{GatewayChoice, PlatformArguments};
use crate::cloud::{self, Cloud};
use crate::disk;
use crate::error::{StartError, starting};
use crate::event_source::{EventSource, Function};
use crate::folder::Folder;
use crate::gateways::{self, Gateways};
use crate::issuer::{self, Issuer};
use crate::outbox::{self, Outbox};
use crate::page::Index;
use crate::provider::{self, Provider};
use crate::schedule;

/// A platform that runs. Dropping it ends nothing; [`Platform::stop`] does.
pub struct Platform {
    /// Where the API answers: `http://127.0.0.1:8080`.
    pub address: String,
    /// A bearer token of this machine's owner.
    pub token: String,
    /// Until when the token is good.
    pub token_until: Timestamp,
    /// Mints tokens for others.
    pub issuer: Issuer,
    /// What the machines run.
    pub gateway: GatewayChoice,
    gateways: Gateways,
    provider: Provider,
    stop: CancellationToken,
    tasks: TaskTracker,
    folder: Folder,
}

impl Platform {
    /// Starts everything. `program` is the binary that is also the supervisor and the stand-in.
    ///
    /// # Errors
    /// One clear error: a port that is taken, a folder in use or from newer code, a full disk.
    pub async fn start(arguments: &PlatformArguments, program: PathBuf) -> Result<Self, StartError> {
        let folder = Folder::open(&arguments.data, arguments.reset)?;
        let (api_listener, edge) = listen(folder.port(arguments.port)?).await?;
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port()).map_err(starting("the API"));
        let (api_port, instances_port) = (port(&api_listener)?, port(&edge)?);
        folder.keep_port(instances_port)?;
        let address = format!("http://127.0.0.1:{api_port}");

        let fetched = match &arguments.gateways {
            // Machines start elsewhere and must find it too.
            Some(shared) => std::path::absolute(shared).map_err(starting("the folder of gateways"))?,
            None => folder.path("gateways"),
        };
        let choice = gateways::possible(arguments.gateway, &fetched);
        let gateways = Gateways::new(choice, program, fetched)?;
        let cloud = Cloud::open(&folder.path("aws")).await?;
        let issuer = Issuer::open(&folder, &address)?;
        let outbox = Outbox::open(folder.path("outbox.sqlite"))?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let deployment = DeploymentSettings {
            deployment: Deployment {
                name: "local".to_owned(),
                address: format!("http://{{app}}.localhost:{instances_port}"),
                image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
            },
        };
        let clock = Arc::new(SystemClock);
        let store = shell::store(&cloud.aws, &StoreSettings { table: cloud::TABLE.to_owned() }, &deployment, clock.clone());
        // The lock on the folder proves that every earlier owner of a run is dead.
        store.release_leases().await.map_err(starting("the runs of the last start"))?;
        let provider =
            Provider::start(&folder.path("fly"), &cloud.fly_token, gateways.clone(), arguments.faults.clone(), edge, &stop, &tasks).await?;

        let parts =
            Parts { cloud, store, deployment, clock, provider_api: provider.api.clone(), outbox: format!("{address}{}", outbox::PATH) };
        let index = Index {
            address: address.clone(),
            instances: format!("http://APP.localhost:{instances_port}"),
            issuer: issuer.issuer().to_owned(),
            provider: provider.api.clone(),
            data: arguments.data.display().to_string(),
            simulator: provider.simulator.clone(),
            outbox: outbox.clone(),
        };
        let router = Router::new()
            .route("/", get(move || std::future::ready(index.render())))
            .nest(issuer::PATH, issuer.router())
            .nest(outbox::PATH, outbox.router())
            .fallback_service(api::router(parts.api(&issuer).await?));
        let stopped = stop.clone();
        tasks.spawn(async move {
            let served = axum::serve(api_listener, router).with_graceful_shutdown(stopped.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, "the API ended");
            }
        });
        parts.start_workers(&stop, &tasks).await?;
        tasks.spawn(disk::watch(folder.path("."), stop.clone()));
        let (token, token_until) = issuer.owner_token(&folder)?;
        Ok(Self { address, token, token_until, issuer, gateway: choice, gateways, provider, stop, tasks, folder })
    }

    /// Begins to fetch the gateway that most instances will want, unless it is here, and shows how that gets on.
    pub fn fetch(&self) {
        if self.gateway == GatewayChoice::Real {
            self.gateways.fetch(domain::Family::Openclaw);
        }
    }

    /// Ends everything in good order: nothing new is begun, gateways drain, and what was wanted running comes back at the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.provider.simulator.shutdown().await;
        // A long poll of a caller may be under way; it is not waited for.
        let ended = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
        if ended.is_err() {
            tracing::debug!("some connections were still open");
        }
        if let Err(error) = self.folder.rest() {
            tracing::warn!(%error, "the folder could not be marked as at rest; a copy of it will be refused");
        }
    }
}

/// Both ports, bound before anything else is touched.
async fn listen(port: u16) -> Result<(TcpListener, TcpListener), StartError> {
    let bind = async |port: u16, instances: bool| {
        TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => StartError::PortTaken { port, instances },
            _ => starting("the API")(error),
        })
    };
    if port != 0 {
        let next = port.checked_add(1).ok_or(StartError::NoNextPort { port })?;
        return Ok((bind(port, false).await?, bind(next, true).await?));
    }
    // Any two neighbours will do.
    loop {
        let api = bind(0, false).await?;
        let next = api.local_addr().map_err(starting("the API"))?.port().checked_add(1);
        if let Some(next) = next
            && let Ok(edge) = bind(next, true).await
        {
            return Ok((api, edge));
        }
    }
}

/// What functions and workers are made of.
struct Parts {
    cloud: Cloud,
    store: dynamo::Store,
    deployment: DeploymentSettings,
    clock: Arc<SystemClock>,
    provider_api: String,
    outbox: String,
}

impl Parts {
    fn queue(&self, url: &str) -> SqsQueue {
        SqsQueue::new(self.cloud.aws.sqs(), &QueueSettings { url: url.to_owned() })
    }

    fn wake(&self) -> FlowQueue {
        FlowQueue(self.queue(&self.cloud.flow_queue))
    }

    async fn api(&self, issuer: &Issuer) -> Result<Api, StartError> {
        let secrets = PlatformSecrets::new(self.cloud.aws.secrets_manager());
        let settings = identity::Settings { audience: Some(issuer::AUDIENCE.to_owned()), ..identity::Settings::of_issuer(issuer.issuer()) };
        let http = shell::http_client().map_err(starting("the HTTP client"))?;
        let cursor_key = secrets.text(cloud::CURSOR_KEY).await.map_err(starting("the API"))?;
        Ok(Api {
            verifier: Verifier::over_http(settings, http).map_err(starting("the API"))?,
            store: self.store.clone(),
            engine: shell::waking_engine(self.store.clone(), self.wake(), self.clock.clone()),
            deployment: self.deployment.deployment.clone(),
            signer: Arc::new(shell::signer(&secrets, cloud::ACCESS_KEY).await.map_err(starting("the API"))?),
            cursors: Cursors::new(cursor_key.expose_secret().as_bytes()),
        })
    }

    /// Connects each queue with its worker, and the clock with the sweep.
    async fn start_workers(&self, stop: &CancellationToken, tasks: &TaskTracker) -> Result<(), StartError> {
        let http = || shell::http_client().map_err(starting("the HTTP client"));
        let fly = FlySettings {
            api: self.provider_api.clone(),
            organisation: provider::ORGANISATION.to_owned(),
            token_secret: cloud::FLY_TOKEN.to_owned(),
        };
        let keys = KeySettings { access_secret: cloud::ACCESS_KEY.to_owned(), control_secret: cloud::CONTROL_KEY.to_owned() };
        let world = shell::world(&self.cloud.aws, &fly, &keys, http()?, self.clock.clone()).await;
        let world = world.map_err(starting("the flow runner"))?;
        let runner = Arc::new(FlowRunner {
            engine: shell::engine(self.store.clone(), self.wake(), self.clock.clone(), world),
            notices: Arc::new(self.queue(&self.cloud.notice_queue)),
        });
        let checker = Arc::new(HealthChecker {
            store: self.store.clone(),
            probe: Probe::new().map_err(starting("the health checker"))?,
            clock: self.clock.clone(),
        });
        let notifier =
            Arc::new(Notifier { store: self.store.clone(), sink: Arc::new(notifier::Outbox::new(http()?, self.outbox.clone())) });
        let sweep = Arc::new(Sweep {
            store: self.store.clone(),
            engine: shell::waking_engine(self.store.clone(), self.wake(), self.clock.clone()),
            health: Arc::new(self.queue(&self.cloud.health_queue)),
            notices: Arc::new(self.queue(&self.cloud.notice_queue)),
        });

        let flows: Function = Arc::new(move |event, deadline| {
            let runner = runner.clone();
            let handle = move |body: String| {
                let runner = runner.clone();
                async move { runner.handle(&body, deadline).await.map(drop) }
            };
            Box::pin(each_record(event, handle))
        });
        let health: Function = Arc::new(move |event, _| {
            let checker = checker.clone();
            let handle = move |body: String| {
                let checker = checker.clone();
                async move { checker.handle(&body).await.map(drop) }
            };
            Box::pin(each_record(event, handle))
        });
        let notices: Function = Arc::new(move |event, _| {
            let notifier = notifier.clone();
            let handle = move |body: String| {
                let notifier = notifier.clone();
                async move { notifier.handle(&body).await.map(drop) }
            };
            Box::pin(each_record(event, handle))
        });
        let sources = [
            (&self.cloud.flow_queue, shell::FLOWS, flows),
            (&self.cloud.health_queue, shell::HEALTH, health),
            (&self.cloud.notice_queue, shell::NOTICES, notices),
        ];
        for (queue_url, mapping, function) in sources {
            let source = EventSource {
                queue_url: queue_url.clone(),
                batch_size: mapping.batch.cast_signed(),
                concurrency: mapping.concurrency as usize,
                timeout: mapping.timeout,
                function,
            };
            tasks.spawn(source.run(self.cloud.aws.sqs(), stop.clone()));
        }
        tasks.spawn(schedule::every_minute(sweep, stop.clone()));
        Ok(())
    }
}
