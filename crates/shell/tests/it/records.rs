use std::sync::Mutex;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use shell::each_record;

#[derive(Debug, thiserror::Error)]
#[error("{0} is not good")]
struct Bad(String);

fn event(bodies: &[&str]) -> SqsEvent {
    let record = |(place, body): (usize, &&str)| {
        let mut record = SqsMessage::default();
        record.message_id = Some(format!("message-{place}"));
        record.body = Some((*body).to_owned());
        record
    };
    let mut event = SqsEvent::default();
    event.records = bodies.iter().enumerate().map(record).collect();
    event
}

/// Handles every body but the bad ones. Answers with what was handled and what failed, both in order.
async fn handled(event: SqsEvent) -> (Vec<String>, Vec<String>) {
    let seen = Mutex::new(Vec::new());
    let response = each_record(event, async |body: String| {
        seen.lock().unwrap().push(body.clone());
        tokio::task::yield_now().await;
        if body.starts_with("bad") { Err(Bad(body)) } else { Ok(()) }
    })
    .await;
    let failed = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    (seen.into_inner().unwrap(), failed)
}

#[tokio::test]
async fn a_message_that_fails_neither_deletes_nor_repeats_another() {
    let (seen, failed) = handled(event(&["good", "bad", "good too", "bad too", "good at last"])).await;
    assert_eq!(seen, ["good", "bad", "good too", "bad too", "good at last"], "each was handled, in the order in which it came");
    assert_eq!(failed, ["message-1", "message-3"]);
}

#[tokio::test]
async fn a_batch_in_which_nothing_fails_names_nothing() {
    assert_eq!(handled(event(&["good"])).await.1, Vec::<String>::new());
    assert_eq!(handled(event(&[])).await, (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_message_without_a_body_or_a_name_is_handled_like_an_empty_one() {
    let mut nameless = event(&["bad"]);
    nameless.records[0].message_id = None;
    // An empty identifier makes the whole batch come back, which is the safe side: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    assert_eq!(handled(nameless).await.1, [""]);
    let mut bodiless = event(&["bad"]);
    bodiless.records[0].body = None;
    assert_eq!(handled(bodiless).await, (vec![String::new()], Vec::new()));
}
