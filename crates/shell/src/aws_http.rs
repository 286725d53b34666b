//! The AWS SDK over the process's one HTTP client: one pool of connections, one TLS configuration, one set of root certificates. The
//! SDK's own client would read the system's certificates at each start and bring a second stack of its own into every binary.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

/// The SDK's view of an HTTP client.
pub(crate) fn over(client: reqwest::Client) -> SharedHttpClient {
    SharedHttpClient::new(Over(client))
}

#[derive(Debug, Clone)]
struct Over(reqwest::Client);

impl HttpClient for Over {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Over {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let response = client.execute(outgoing(request)?).await.map_err(classified)?;
            let (parts, body) = http::Response::from(response).into_parts();
            let body = http_body_util::BodyExt::collect(body).await.map_err(classified)?.to_bytes();
            HttpResponse::try_from(http::Response::from_parts(parts, SdkBody::from(body)))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

fn outgoing(request: HttpRequest) -> Result<reqwest::Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    // None of our calls streams a body: they are JSON, held in memory, so that they can be sent again.
    let (parts, body) = request.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice).ok_or_else(|| ConnectorError::user("the body is not in memory".into()))?;
    reqwest::Request::try_from(http::Request::from_parts(parts, body)).map_err(|error| ConnectorError::user(error.into()))
}

/// What the SDK may try again: whatever ended before an answer was whole. Its calls are either idempotent by nature or carry a token.
fn classified(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}
