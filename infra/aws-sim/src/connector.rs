//! The HTTP client that answers without a network.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use winterbaume_core::MockRequest;

use crate::AwsSim;
use crate::dynamodb::DynamoDb;
use crate::fault::{Call, Service, Verdict, error};
use crate::ledger::Ledger;
use crate::secrets::Secrets;
use crate::sqs::Queues;
use crate::used::{self, Used};

type Fault = Arc<dyn Fn(&Call<'_>) -> Verdict + Send + Sync>;

/// Takes each request to its service, past the fault that a test may have set, and keeps the ledger.
pub(crate) struct Connector {
    dynamodb: DynamoDb,
    queues: Queues,
    secrets: Secrets,
    ledger: Mutex<Ledger>,
    used: Mutex<BTreeSet<Used>>,
    fault: RwLock<Option<Fault>>,
    number: AtomicU64,
}

impl Connector {
    pub(crate) fn new(dynamodb: DynamoDb, queues: Queues, secrets: Secrets) -> Self {
        let (ledger, used, fault, number) = (Mutex::default(), Mutex::default(), RwLock::default(), AtomicU64::new(0));
        Self { dynamodb, queues, secrets, ledger, used, fault, number }
    }

    pub(crate) const fn dynamodb(&self) -> &DynamoDb {
        &self.dynamodb
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn reset_ledger(&self) {
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = Ledger::default();
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.number.store(0, Ordering::SeqCst);
        *self.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(crate) fn used(&self) -> BTreeSet<Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a call: `target` is its `X-Amz-Target`, `caller` the access key that signed it.
    pub(crate) async fn answer(&self, target: &str, caller: &str, body: &[u8]) -> Result<(u16, Value), ConnectorError> {
        let Some((service, operation)) = addressee(target) else {
            return Ok(error(400, "UnknownOperationException", &format!("`{target}` names no simulated service")));
        };
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Ok(error(400, "SerializationException", "the body is not JSON"));
        };
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).count(service.as_str(), operation);
        self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(used::by(caller, service, operation, &body));
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let call = Call { service, operation, body: &body, number, caller };
        match self.verdict(&call) {
            Verdict::Pass => Ok(self.carry_out(service, operation, body).await),
            Verdict::Refuse(refusal) => Ok(refusal.render(&call)),
            Verdict::Answer(answer) => Ok((200, answer)),
            Verdict::LoseRequest => Err(broken("the request was lost")),
            Verdict::LoseAnswer => {
                self.carry_out(service, operation, body).await;
                Err(broken("the answer was lost"))
            }
            Verdict::Slow(delay) => {
                let answer = self.carry_out(service, operation, body).await;
                tokio::time::sleep(delay).await;
                Ok(answer)
            }
        }
    }

    /// The fault is asked outside its lock, so that it may itself set another.
    fn verdict(&self, call: &Call<'_>) -> Verdict {
        let fault = self.fault.read().unwrap_or_else(PoisonError::into_inner).clone();
        fault.map_or(Verdict::Pass, |fault| fault(call))
    }

    async fn carry_out(&self, service: Service, operation: &str, body: Value) -> (u16, Value) {
        match service {
            Service::Sqs => self.queues.call(operation, body).await,
            Service::SecretsManager => self.secrets.call(operation, &body).await,
            Service::DynamoDb => {
                let (status, answer, capacity) = self.dynamodb.call(operation, body).await;
                if let Some(capacity) = capacity {
                    self.ledger.lock().unwrap_or_else(PoisonError::into_inner).consume(operation, &capacity);
                }
                (status, answer)
            }
        }
    }
}

/// The services' JSON protocols name service and operation in `X-Amz-Target`: `DynamoDB_20120810.PutItem`.
fn addressee(target: &str) -> Option<(Service, &str)> {
    let (service, operation) = target.split_once('.')?;
    let service = match service {
        "DynamoDB_20120810" => Service::DynamoDb,
        "AmazonSQS" => Service::Sqs,
        "secretsmanager" => Service::SecretsManager,
        _ => return None,
    };
    Some((service, operation))
}

fn broken(how: &str) -> ConnectorError {
    ConnectorError::io(std::io::Error::new(std::io::ErrorKind::ConnectionReset, how.to_owned()).into())
}

/// A request as the embedded services take it. They read the region from the host, so it is always the same one.
pub(crate) fn forwarded(service: &str, target: &str, body: &Value) -> MockRequest {
    let mut headers = http::HeaderMap::new();
    if let Ok(target) = target.parse() {
        headers.insert("x-amz-target", target);
    }
    MockRequest {
        method: "POST".to_owned(),
        uri: format!("https://{service}.{}.amazonaws.com/", AwsSim::REGION),
        headers,
        body: body.to_string().into(),
    }
}

/// What the SDK holds in the place of a network.
#[derive(Clone)]
pub(crate) struct InProcess(pub(crate) Arc<Connector>);

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.0.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            // A call over a network lets others run before it arrives and before it returns. So does this one, or tasks on one thread
            // would never meet in the middle of each other's reads and writes.
            tokio::task::yield_now().await;
            let caller = used::caller(request.headers().get("authorization").unwrap_or_default()).to_owned();
            let answer = connector.answer(&target, &caller, request.body().bytes().unwrap_or_default()).await;
            tokio::task::yield_now().await;
            let (status, body) = answer?;
            let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        })
    }
}
