//! What a queue, the schedule and API Gateway deliver.

use aws_lambda_events::sqs::SqsEvent;
use shell::each_record;
use sweep::Tick;

use super::stage::STAGE;
use super::text;

/// A message of a queue, or an event of Lambda. Every consumer handles it or fails it, and the next message is handled as ever.
pub fn queue_message(input: &[u8]) -> bool {
    let Some(text) = text(input) else { return false };
    STAGE.runtime.block_on(async {
        // That it is refused is what is asked of it; what is not an identifier of ours names nothing.
        let ran = STAGE.runner.handle(text, STAGE.deadline()).await;
        assert!(ran.is_err() || text.starts_with("org_"), "{text} was taken for a run");
        let told = STAGE.notifier.handle(text).await;
        assert!(told.is_err() || text.starts_with("org_"), "{text} was taken for a cause");
        let checked = STAGE.checker.handle(text).await;
        if let Ok(batch) = serde_json::from_str::<SqsEvent>(text) {
            let records = batch.records.len();
            let done = each_record(batch, async |body: String| STAGE.runner.handle(&body, STAGE.deadline()).await.map(drop)).await;
            assert!(done.batch_item_failures.len() <= records);
        }
        if let Ok(tick) = serde_json::from_str::<Tick>(text) {
            STAGE.sweep.minute(tick.time).await.expect("whatever the minute, it is swept");
        }
        STAGE.checker.handle(r#"{"shard":3,"minute":29918880}"#).await.expect("the next message is handled as ever");
        told.is_ok() || checked.is_ok()
    })
}
