//! The services on a socket, for programs of their own.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connector::Connector;
use crate::used;

/// Answers every connection until it is dropped.
pub(crate) async fn serve(connector: Arc<Connector>, listener: TcpListener) {
    // They end with this future.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let connector = connector.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(connector.clone(), request));
            // An error is a client that went away, or a fault that a test has asked for.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.is_ok()
        });
    }
}

/// An error closes the connection without an answer, which is what a lost request and a lost answer look like.
async fn answer(connector: Arc<Connector>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (target, authorization) = (text("x-amz-target"), text(header::AUTHORIZATION.as_str()));
    let (status, body) = connector.answer(&target, used::caller(&authorization), &body).await.map_err(io::Error::other)?;
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/x-amz-json-1.0");
    response.body(body.to_string().into()).map_err(io::Error::other)
}
