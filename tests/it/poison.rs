//! Messages and events that nobody of ours sent: whatever a queue or the schedule delivers is handled or fails alone, and nothing panics.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use aws_lambda_events::sqs::SqsEvent;
use domain::Notice;
use jiff::SignedDuration;
use notifier::{Notifier, Sink, SinkError};
use proptest::prelude::*;
use serde_json::{Value, json};
use shell::each_record;
use sweep::Tick;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::support::{Fleet, Stage};

struct Nobody;

#[async_trait]
impl Sink for Nobody {
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError> {
        Err(SinkError(format!("{} has no receiver", notice.id)))
    }
}

/// Every consumer, of one platform for all cases, so that one message could spoil the next.
struct Consumers {
    runtime: Runtime,
    stage: Stage,
    fleet: Fleet,
    notifier: Notifier,
}

static CONSUMERS: LazyLock<Consumers> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (stage, fleet) = runtime.block_on(async { (Stage::new().await, Fleet::new().await) });
    let notifier = Notifier { store: stage.bench.store.clone(), sink: Arc::new(Nobody) };
    Consumers { runtime, stage, fleet, notifier }
});

/// Whole identifiers of nobody, parts of them, JSON that is nearly a check, and anything.
fn message() -> impl Strategy<Value = String> {
    const ORGANISATION: &str = "org_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f";
    let run = format!("{ORGANISATION}.op_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f");
    let number = prop::sample::select(vec![
        json!(0),
        json!(15),
        json!(16),
        json!(-1),
        json!(4_294_967_296_u64),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(1.5),
        json!("1"),
        json!(null),
    ]);
    let check = (number.clone(), number).prop_map(|(shard, minute)| json!({ "shard": shard, "minute": minute }).to_string());
    prop_oneof![
        2 => (Just(run.clone()), any::<prop::sample::Index>(), "[\\PC\r\n\u{0}]{0,3}").prop_map(|(run, at, more)| {
            let at = at.index(run.len());
            format!("{}{more}{}", &run[..at], &run[at + usize::from(more.len() % 2 == 1)..])
        }),
        1 => Just(run),
        1 => Just(format!("{ORGANISATION}.incident-5")),
        1 => Just(format!("{ORGANISATION}.{}", "x".repeat(200_000))),
        3 => check,
        2 => "[\\PC\r\n\u{0}]{0,60}",
        1 => Just("[".repeat(100_000)),
    ]
}

/// The sample events of AWS, each with one part replaced or removed, or cut short.
fn event() -> impl Strategy<Value = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let texts: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let values = vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("\u{0}\r\n"),
        json!([]),
        json!({}),
        json!([null]),
        json!("9999-99-99"),
    ];
    let changed = (prop::sample::select(texts.clone()), any::<prop::sample::Index>(), prop::option::of(prop::sample::select(values)));
    let changed = changed.prop_map(|(text, place, with)| {
        let mut event: Value = serde_json::from_str(&text).unwrap();
        let mut places = Vec::new();
        pointers(&event, String::new(), &mut places);
        let place = &places[place.index(places.len())];
        match (with, place.rsplit_once('/')) {
            (Some(with), _) => *event.pointer_mut(place).unwrap() = with,
            (None, Some((parent, name))) => {
                event.pointer_mut(parent).and_then(Value::as_object_mut).and_then(|members| members.remove(name));
            }
            (None, None) => event = json!({}),
        }
        event.to_string()
    });
    let cut = (prop::sample::select(texts), any::<prop::sample::Index>())
        .prop_map(|(text, at)| String::from_utf8_lossy(&text.as_bytes()[..at.index(text.len())]).into_owned());
    prop_oneof![6 => changed, 1 => cut, 1 => "\\PC{0,60}"]
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        // A name with a slash or a tilde is written in another way (RFC 6901, section 3).
        Value::Object(members) => {
            members.iter().for_each(|(name, part)| pointers(part, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found));
        }
        Value::Array(parts) => parts.iter().enumerate().for_each(|(number, part)| pointers(part, format!("{at}/{number}"), found)),
        _ => {}
    }
    found.push(at);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_that_nobody_sent_is_handled_or_fails_alone(messages in prop::collection::vec(message(), 1..5)) {
        let Consumers { runtime, stage, fleet, notifier } = &*CONSUMERS;
        let records: Vec<_> = messages.iter().enumerate().map(|(number, body)| json!({ "messageId": number.to_string(), "body": body })).collect();
        let batch = || serde_json::from_value::<SqsEvent>(json!({ "Records": records })).unwrap();
        let deadline = stage.bench.now() + SignedDuration::from_secs(120);
        runtime.block_on(async {
            let of_runs = each_record(batch(), async |body: String| stage.runner.handle(&body, deadline).await.map(drop)).await;
            let of_checks = each_record(batch(), async |body: String| fleet.checker.handle(&body).await.map(drop)).await;
            let of_notices = each_record(batch(), async |body: String| notifier.handle(&body).await.map(drop)).await;
            let good = json!({ "shard": 3, "minute": fleet.bench.minute() }).to_string();
            fleet.checker.handle(&good).await.expect("the next message is handled as ever");
            for (failed, response) in [of_runs, of_checks, of_notices].iter().enumerate() {
                let names: Vec<_> = response.batch_item_failures.iter().map(|failure| failure.item_identifier.parse::<usize>().unwrap()).collect();
                assert!(names.is_sorted() && names.iter().all(|name| *name < messages.len()), "{failed}: {names:?}");
                assert!(failed != 0 || messages.iter().enumerate().all(|(place, body)| body.starts_with("org_") || names.contains(&place)));
            }
        });
    }

    #[test]
    fn an_event_that_aws_never_sends_is_no_event_or_is_handled(text in event()) {
        let Consumers { runtime, stage, fleet, notifier } = &*CONSUMERS;
        let deadline = stage.bench.now() + SignedDuration::from_secs(120);
        runtime.block_on(async {
            if let Ok(batch) = serde_json::from_str::<SqsEvent>(&text) {
                let count = batch.records.len();
                let done = each_record(batch.clone(), async |body: String| stage.runner.handle(&body, deadline).await.map(drop)).await;
                each_record(batch.clone(), async |body: String| fleet.checker.handle(&body).await.map(drop)).await;
                each_record(batch, async |body: String| notifier.handle(&body).await.map(drop)).await;
                assert!(done.batch_item_failures.len() <= count);
            }
            if let Ok(tick) = serde_json::from_str::<Tick>(&text) {
                fleet.sweep.minute(tick.time).await.expect("whatever the minute, it is swept");
            }
            // `lambda_http` panics at an event whose query or body is not encoded as API Gateway encodes them. Lambda then starts another
            // process, and nothing of ours has begun: what counts is whatever it lets through.
            if let Ok(Ok(request)) = std::panic::catch_unwind(|| lambda_http::request::from_str(&text)) {
                let answer = api::router(stage.api.clone()).oneshot(request).await.unwrap();
                assert!(answer.status().as_u16() < 500, "{}", answer.status());
            }
        });
    }
}
