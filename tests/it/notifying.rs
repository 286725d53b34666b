//! The notifier: each notice once to who takes it, again to who does not.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_sim::{Refusal, Verdict};
use domain::Notice;
use durable::{Outcome, RunId};
use flows::Announcement;
use notifier::{Notifier, NotifierError, Outbox, Sink, SinkError};
use serde_json::Value;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::Bench;

/// Takes notices, or refuses those that say a certain thing.
#[derive(Default)]
struct Mailbox {
    taken: Mutex<Vec<String>>,
    refused: Mutex<Option<&'static str>>,
}

#[async_trait]
impl Sink for Mailbox {
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError> {
        if *self.refused.lock().unwrap() == Some(&*notice.event) {
            return Err(SinkError("the mailbox is full".to_owned()));
        }
        self.taken.lock().unwrap().push(notice.id.clone());
        Ok(())
    }
}

struct Post {
    bench: Bench,
    mailbox: Arc<Mailbox>,
    notifier: Notifier,
}

impl Post {
    async fn new() -> Self {
        let (bench, mailbox) = (Bench::new().await, Arc::new(Mailbox::default()));
        let notifier = Notifier { store: bench.store.clone(), sink: mailbox.clone() };
        Self { bench, mailbox, notifier }
    }

    /// A run that ended with these things to say.
    async fn ended(&self, events: &[&str]) -> RunId {
        let (instance, run) = self.bench.provisioning("fra").await;
        let said = |event: &&str| serde_json::to_value(Announcement::new(instance.id, event, "is so.")).unwrap();
        let placement = domain::Placement {
            region: instance.preferred_region(),
            app: "app".to_owned(),
            machine: "m".to_owned(),
            volume: "v".to_owned(),
            generation: 1,
            address: "http://app.localhost:1".to_owned(),
        };
        let notices = events.iter().map(said).collect();
        self.bench.end(&run, Outcome::Succeeded, serde_json::to_value(placement).unwrap(), notices).await;
        run
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.mailbox.taken.lock().unwrap())
    }
}

fn named(run: &RunId, places: &[u32]) -> Vec<String> {
    places.iter().map(|place| format!("{run}-{place}")).collect()
}

#[tokio::test]
async fn each_notice_of_a_run_is_delivered_once_in_order_however_often_its_message_comes() {
    let post = Post::new().await;
    let (run, other) = (post.ended(&["a", "b", "c"]).await, post.ended(&["d"]).await);
    assert_eq!(post.notifier.handle(&run.0).await.unwrap(), 3);
    assert_eq!(post.taken(), named(&run, &[0, 1, 2]));
    assert_eq!(post.notifier.handle(&run.0).await.unwrap(), 0);
    assert!(post.taken().is_empty());
    assert_eq!(post.notifier.handle(&other.0).await.unwrap(), 1, "another run's are its own");
    assert!(post.bench.store.undelivered(post.bench.now(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_with_nothing_to_say_is_quiet() {
    let post = Post::new().await;
    let run = post.ended(&[]).await;
    post.bench.spent();
    assert_eq!(post.notifier.handle(&run.0).await.unwrap(), 0);
    assert_eq!(post.bench.spent().total_calls(), 1);
    let unknown = flows::run_id(&domain::OrganisationId::generate(), &domain::OperationId::generate());
    assert_eq!(post.notifier.handle(&unknown.0).await.unwrap(), 0);
}

#[tokio::test]
async fn a_message_that_names_no_cause_fails() {
    let post = Post::new().await;
    for body in ["", "{}", "hello", "hello.world", "org_1.op_1", &format!("{}.", domain::OrganisationId::generate())] {
        let refused = post.notifier.handle(body).await;
        assert!(matches!(refused, Err(NotifierError::NotACause)), "{body}: {refused:?}");
    }
}

#[tokio::test]
async fn what_is_not_taken_fails_the_message_and_is_delivered_later_without_repeating_the_rest() {
    let post = Post::new().await;
    let run = post.ended(&["a", "b", "c"]).await;
    *post.mailbox.refused.lock().unwrap() = Some("b");
    let failed = post.notifier.handle(&run.0).await;
    assert!(matches!(failed, Err(NotifierError::Sink(_))), "{failed:?}");
    assert_eq!(post.taken(), named(&run, &[0]), "in order: what comes after it waits for it");
    assert_eq!(post.bench.store.undelivered(post.bench.now(), 10).await.unwrap().len(), 2);
    *post.mailbox.refused.lock().unwrap() = None;
    assert_eq!(post.notifier.handle(&run.0).await.unwrap(), 2);
    assert_eq!(post.taken(), named(&run, &[1, 2]));
}

#[tokio::test]
async fn a_delivery_that_could_not_be_recorded_is_repeated_under_the_same_identifier() {
    let post = Post::new().await;
    let run = post.ended(&["a"]).await;
    post.bench.sim.set_fault(|call| match call.operation {
        "UpdateItem" => Verdict::Refuse(Refusal::InternalError),
        _ => Verdict::Pass,
    });
    let failed = post.notifier.handle(&run.0).await;
    assert!(matches!(failed, Err(NotifierError::Store(_))), "{failed:?}");
    post.bench.sim.clear_fault();
    post.notifier.handle(&run.0).await.unwrap();
    assert_eq!(post.taken(), named(&run, &[0, 0]), "the receiver knows it by that");
    assert_eq!(post.notifier.handle(&run.0).await.unwrap(), 0);
}

#[tokio::test]
async fn two_notifiers_at_once_lose_nothing() {
    let post = Post::new().await;
    let run = post.ended(&["a", "b"]).await;
    let (one, other) = tokio::join!(post.notifier.handle(&run.0), post.notifier.handle(&run.0));
    assert!(one.is_ok() && other.is_ok());
    let taken: std::collections::BTreeSet<_> = post.taken().into_iter().collect();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), named(&run, &[0, 1]));
}

#[tokio::test]
async fn the_outbox_is_put_to_and_putting_twice_is_putting_once() {
    let post = Post::new().await;
    let run = post.ended(&["a"]).await;
    let (notice, _) = post.bench.store.notices_of(&run.0).await.unwrap().remove(0);
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(201)).mount(&server).await;
    let outbox = Outbox::new(shell::http_client().unwrap(), format!("{}/outbox", server.uri()));
    for _ in 0..2 {
        outbox.deliver(&notice).await.unwrap();
    }
    let puts = server.received_requests().await.unwrap();
    assert_eq!(puts.len(), 2);
    for put in &puts {
        assert_eq!(put.url.path(), format!("/outbox/{}", notice.id), "the same address: the second replaces the first");
        assert_eq!(put.body_json::<Notice>().unwrap(), notice);
    }
    assert_eq!(puts[0].body_json::<Value>().unwrap()["event"], "a");
}

#[tokio::test]
async fn an_outbox_that_refuses_or_is_away_has_not_taken_the_notice() {
    let post = Post::new().await;
    let run = post.ended(&["a"]).await;
    let away = Outbox::new(shell::http_client().unwrap(), "http://127.0.0.1:1/outbox");
    let notifier = Notifier { store: post.bench.store.clone(), sink: Arc::new(away) };
    let failed = notifier.handle(&run.0).await;
    assert!(matches!(failed, Err(NotifierError::Sink(_))), "{failed:?}");
    for status in [302, 400, 404, 500, 503] {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let outbox = Outbox::new(shell::http_client().unwrap(), server.uri());
        let notifier = Notifier { store: post.bench.store.clone(), sink: Arc::new(outbox) };
        assert!(notifier.handle(&run.0).await.is_err(), "{status}");
    }
    assert_eq!(post.bench.store.undelivered(post.bench.now(), 10).await.unwrap().len(), 1);
}
