use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::any;
use edge::{Cursors, Problem};
use identity::Verifier;
use lambda_http::{Request, Service, service_fn};
use secrecy::ExposeSecret as _;
use shell::{
    Assembly, AssemblyError, Aws, AwsSettings, CallerKeySettings, DeploymentSettings, Environment, FlowQueue, IdentitySettings,
    PlatformSecrets, QueueSettings, Reader, SecretError, SqsQueue, StoreSettings, SystemClock, TRACEPARENT, TraceContext, X_AMZN_TRACE_ID,
};
use tower::ServiceExt as _;

use crate::{Api, router};

/// When to ask again a function that is not ready.
const SOON: Duration = Duration::from_secs(5);

/// The settings of this function: its part of the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    aws: AwsSettings,
    store: StoreSettings,
    deployment: DeploymentSettings,
    flow: QueueSettings,
    keys: CallerKeySettings,
    identity: IdentitySettings,
}

impl Settings {
    /// Reads all of them.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self {
            aws: AwsSettings::read(reader),
            store: StoreSettings::read(reader),
            deployment: DeploymentSettings::read(reader),
            flow: QueueSettings::flow(reader),
            keys: CallerKeySettings::read(reader),
            identity: IdentitySettings::read(reader),
        }
    }

    async fn assemble(self) -> Result<Router, AssemblyError> {
        let (http, clock) = (shell::http_client()?, Arc::new(SystemClock));
        let aws = Aws::new(self.aws, http.clone());
        let secrets = PlatformSecrets::new(aws.secrets_manager());
        let store = shell::store(&aws, &self.store, &self.deployment, clock.clone());
        let wake = FlowQueue(SqsQueue::new(aws.sqs(), &self.flow));
        let (audience, allowed_parties) = (self.identity.audience, self.identity.parties);
        let identity = identity::Settings { audience, allowed_parties, ..identity::Settings::of_issuer(self.identity.issuer) };
        Ok(router(Api {
            verifier: Verifier::over_http(identity, http)?,
            engine: shell::waking_engine(store.clone(), wake, clock),
            store,
            deployment: self.deployment.deployment,
            signer: Arc::new(shell::signer(&secrets, &self.keys.access_secret).await?),
            cursors: cursors(&secrets, &self.keys.cursor_secret).await?,
        }))
    }
}

/// The text of the secret is the key as it stands, in whatever alphabet its 32 random bytes were written down.
async fn cursors(secrets: &PlatformSecrets, name: &str) -> Result<Cursors, SecretError> {
    let key = secrets.text(name).await?;
    let key = key.expose_secret().as_bytes();
    if key.len() < 32 {
        return Err(SecretError::Malformed { name: name.to_owned(), expected: "a random text of at least 32 characters" });
    }
    Ok(Cursors::new(key))
}

/// The API of this environment, put together when a request first wants it.
pub fn from_environment(environment: Environment<'_>) -> Assembly<Router> {
    Assembly::new(shell::read_settings(environment, Settings::read), |settings| Box::pin(settings.assemble()))
}

/// The API as a function: answers every request with a 503 problem document while it cannot be put together.
pub fn service(api: Assembly<Router>) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone {
    let api = Arc::new(api);
    service_fn(move |request: Request| {
        let api = Arc::clone(&api);
        async move {
            let work = trace(request.headers()).within("request", async move {
                let router = api.get().await.map_or_else(|_| away(), |router| Router::clone(&router));
                router.oneshot(request).await
            });
            let answer = work.await;
            shell::flush().await;
            answer
        }
    })
}

/// What answers instead of the API while it cannot be put together. A start does not pay for it.
fn away() -> Router {
    let unavailable = async || Problem::unavailable(SOON);
    edge::dress(Router::new().route("/", any(unavailable)).route("/{*path}", any(unavailable)))
}

/// The caller's trace, or that of AWS, or a new one.
fn trace(headers: &HeaderMap) -> TraceContext {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let theirs = text(TRACEPARENT).and_then(TraceContext::of_traceparent);
    theirs.or_else(|| text(X_AMZN_TRACE_ID).and_then(TraceContext::of_aws)).unwrap_or_else(TraceContext::begin)
}
