//! Queue consumers: one message's trouble never deletes or repeats another.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tracing::Instrument;

use crate::chain::Chain;

/// Handles each record of a batch and answers with those that failed, which SQS delivers again or, in the end, moves to the dead-letter
/// queue. Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>.
pub async fn each_record<E, F>(event: SqsEvent, handle: impl Fn(String) -> F) -> SqsBatchResponse
where
    E: std::error::Error,
    F: Future<Output = Result<(), E>>,
{
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let message = record.message_id.unwrap_or_default();
        let span = tracing::info_span!("message", %message);
        if let Err(error) = handle(record.body.unwrap_or_default()).instrument(span).await {
            tracing::error!(%message, error = %Chain(&error), "a message was not handled");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message;
            response.batch_item_failures.push(failure);
        }
    }
    response
}

/// Serves a queue as a Lambda function.
///
/// # Errors
/// If the Lambda runtime's own interface fails.
pub async fn serve_queue<E, F>(handle: impl Fn(String, Timestamp) -> F) -> Result<(), Error>
where
    E: std::error::Error,
    F: Future<Output = Result<(), E>>,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = i64::try_from(event.context.deadline).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let deadline = deadline.unwrap_or_else(Timestamp::now);
        // Boxed, because the runtime wraps this future in so many others that the compiler gives up on the size of the whole.
        Ok::<_, Error>(each_record(event.payload, |body| Box::pin(handle(body, deadline))).await)
    }))
    .await
}
