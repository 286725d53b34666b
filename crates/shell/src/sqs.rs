//! Queue consumers: one message's trouble never deletes or repeats another.

use std::sync::Arc;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use tracing::Instrument;

use crate::assembly::Assembly;
use crate::chain::Chain;
use crate::export::flush;
use crate::metrics::measure;
use crate::telemetry::serve;
use crate::trace::{TRACEPARENT, TraceContext};

/// Handles each record of a batch, in the trace of whoever sent it, and answers with those that failed, which SQS delivers again or, in the
/// end, moves to the dead-letter queue. Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>.
pub async fn each_record<E, F>(event: SqsEvent, handle: impl Fn(String) -> F) -> SqsBatchResponse
where
    E: std::error::Error,
    F: Future<Output = Result<(), E>>,
{
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let trace = record.message_attributes.get(TRACEPARENT).and_then(|attribute| attribute.string_value.as_deref());
        let trace = trace.and_then(TraceContext::of_traceparent).unwrap_or_else(TraceContext::begin);
        let message = record.message_id.unwrap_or_default();
        let handled = trace.within("message", async {
            // Made inside, or it would not stand in the trace's span.
            let span = tracing::info_span!("message", message_id = %message);
            handle(record.body.unwrap_or_default()).instrument(span).await
        });
        if let Err(error) = handled.await {
            tracing::error!(message_id = %message, cause = %Chain(&error), "a message was not handled");
            response.batch_item_failures.push(failed(message));
        }
    }
    response
}

/// Serves a queue as a Lambda function: `handle` gets the worker, a message's body, and when the invocation must be done. While the
/// worker cannot be put together, every message fails, and SQS keeps it.
///
/// # Errors
/// If the Lambda runtime's own interface fails.
pub async fn serve_queue<T, E, F>(worker: Assembly<T>, handle: impl Fn(Arc<T>, String, Timestamp) -> F) -> Result<(), Error>
where
    T: Send + Sync + 'static,
    E: std::error::Error,
    F: Future<Output = Result<(), E>>,
{
    let (worker, handle) = (&worker, &handle);
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = i64::try_from(event.context.deadline).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let deadline = deadline.unwrap_or_else(Timestamp::now);
        let response = match worker.get().await {
            // Boxed, because the runtime wraps this future in so many others that the compiler gives up on the size of the whole.
            Ok(worker) => each_record(event.payload, |body| Box::pin(handle(worker.clone(), body, deadline))).await,
            Err(_) => every_record_failed(event.payload),
        };
        if !response.batch_item_failures.is_empty() {
            measure(&[("MessagesFailed", response.batch_item_failures.len())]);
        }
        flush().await;
        Ok::<_, Error>(response)
    });
    serve(Runtime::new(handler)).await
}

fn every_record_failed(event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = event.records.into_iter().map(|record| failed(record.message_id.unwrap_or_default())).collect();
    response
}

fn failed(message: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = message;
    failure
}
