//! Ten thousand creates at once: how soon they are accepted, and what the provider sees while they are worked off.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use durable::{Driven, Outcome as Ended};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Method, StatusCode};

use crate::Outcome;
use crate::scale::fill;
use crate::scale::plot::{self, Line};
use crate::scale::spent::Stopwatch;
use crate::table::{Table, percentile};
use crate::vertical::{Setup, Vertical, wish};

/// Instances of one person: as many as the largest plan allows.
const EACH: usize = 100;

/// Requests that the API works on at the same time; the others wait at its door, as they do where each takes a function of its own.
const AT_ONCE: usize = 64;

/// How often one looks at the queue.
const LOOK: Duration = Duration::from_secs(1);

/// What the provider was asked, and how it answered.
#[derive(Clone, Default)]
struct Meter(Arc<Mutex<Vec<(Instant, StatusCode)>>>);

impl Meter {
    async fn note(State(meter): State<Self>, request: Request, next: Next) -> Response {
        let at = Instant::now();
        let response = next.run(request).await;
        meter.0.lock().unwrap_or_else(PoisonError::into_inner).push((at, response.status()));
        response
    }

    fn calls(&self) -> Vec<(Instant, StatusCode)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) async fn measure(creates: usize, svg: Option<&Path>) -> Outcome<()> {
    let meter = Meter::default();
    let noted = axum::middleware::from_fn_with_state(meter.clone(), Meter::note);
    let (table, _) = fill::in_memory();
    let setup = Setup { table: Some(table), rate_limits: true, provider: Box::new(move |router| router.layer(noted)), ..Setup::default() };
    let mut vertical = Vertical::start_with(setup).await?;
    vertical.begin_work();
    let (begun, watch, depths) = (Instant::now(), Stopwatch::start()?, Depths::watch(&vertical));
    let accepted = accept(&vertical, creates).await?;
    work_off(&mut vertical, creates).await?;
    let worked_off = begun.elapsed();
    let spent = watch.stop()?;
    let depths = depths.end(begun);

    let calls = meter.calls();
    let too_many = calls.iter().filter(|(_, status)| *status == StatusCode::TOO_MANY_REQUESTS).count();
    let seconds = per_second(begun, &calls);
    let rates: Vec<f64> = seconds.iter().map(|(_, calls)| *calls).collect();
    let mut table = Table::new(["creates at once", "figure"]);
    let secs = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
    let figures = [
        ("accepted, until the last 202", secs(accepted)),
        ("accepted per second", format!("{:.0}", creates as f64 / accepted.as_secs_f64())),
        ("in service, until the last one", secs(worked_off)),
        ("in service per second", format!("{:.1}", creates as f64 / worked_off.as_secs_f64())),
        ("processor time", secs(spent.processor)),
        ("deepest queue", format!("{:.0}", depths.iter().fold(0.0, |most: f64, (_, depth)| most.max(*depth)))),
        ("calls to Fly", calls.len().to_string()),
        ("calls to Fly for each create", format!("{:.1}", calls.len() as f64 / creates as f64)),
        ("calls to Fly per second, median / most", format!("{:.0} / {:.0}", percentile(&rates, 50), percentile(&rates, 100))),
        ("of these answered 429", too_many.to_string()),
    ];
    for (name, figure) in figures {
        table.row([name.to_owned(), figure]);
    }
    table.print(&format!(
        "{creates} creates at once: API over loopback, {AT_ONCE} requests at a time; store on a table in memory; flow runner at {} at a time; \
         Fly simulated, with its limits, virtual machines, each call answered at once:",
        shell::FLOWS.concurrency,
    ));
    if let Some(path) = svg {
        let lines =
            [Line { title: "messages in the flow queue", points: depths }, Line { title: "calls to Fly per second", points: seconds }];
        std::fs::write(path, plot::svg(&lines))?;
        println!("\nThe queue over time is drawn in {}.", path.display());
    }
    let machines = vertical.simulator.inventory().machines.len();
    if machines != creates {
        return Err(format!("{machines} machines are there for {creates} instances").into());
    }
    if too_many > calls.len() / 100 {
        return Err(format!("Fly refused {too_many} of {} calls as too many", calls.len()).into());
    }
    Ok(())
}

/// Asks for all of them, and returns how long it took until the last was accepted.
async fn accept(vertical: &Vertical, creates: usize) -> Outcome<Duration> {
    let tokens: Vec<String> = (0..creates.div_ceil(EACH)).map(|person| vertical.token(&format!("person-{person}"))).collect();
    let begun = Instant::now();
    let requests = stream::iter(0..creates).map(|number| {
        let token = &tokens[number / EACH];
        async move {
            let body = Some(wish(&format!("n{}", number % EACH)));
            match vertical.call_with(token, Method::POST, "/v1/instances", body).await? {
                (StatusCode::ACCEPTED, ..) => Ok::<_, Box<dyn std::error::Error + Send + Sync>>(()),
                (status, ..) => Err(format!("a create was answered {status}").into()),
            }
        }
    });
    requests.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(begun.elapsed())
}

/// Waits until all are in service.
async fn work_off(vertical: &mut Vertical, creates: usize) -> Outcome<()> {
    for ended in 1..=creates {
        let turns = vertical.ended().await?;
        let last = turns.last().map(|turn| &turn.driven);
        if !matches!(last, Some(Driven::Ended { outcome: Ended::Succeeded, .. })) {
            return Err(format!("a provision came to {last:?}").into());
        }
        if ended % 1000 == 0 {
            tracing::info!(in_service = ended, "worked off");
        }
    }
    Ok(())
}

fn per_second(begun: Instant, calls: &[(Instant, StatusCode)]) -> Vec<(f64, f64)> {
    let mut seconds: Vec<(f64, f64)> = Vec::new();
    for (at, _) in calls {
        let second = usize::try_from(at.duration_since(begun).as_secs()).unwrap_or(usize::MAX);
        while seconds.len() <= second {
            seconds.push((seconds.len() as f64, 0.0));
        }
        seconds[second].1 += 1.0;
    }
    seconds
}

/// Looks at the queue again and again.
struct Depths {
    seen: Arc<Mutex<Vec<(Instant, f64)>>>,
    task: tokio::task::JoinHandle<()>,
    failed: Arc<AtomicUsize>,
}

impl Depths {
    fn watch(vertical: &Vertical) -> Self {
        let (seen, failed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (sqs, url) = (vertical.aws.sqs(), vertical.flow_queue().to_owned());
        let (kept, lost) = (seen.clone(), failed.clone());
        let task = tokio::spawn(async move {
            let name = QueueAttributeName::ApproximateNumberOfMessages;
            loop {
                let asked = sqs.get_queue_attributes().queue_url(&url).attribute_names(name.clone()).send().await;
                let depth = asked.ok().and_then(|answer| answer.attributes?.get(&name)?.parse::<f64>().ok());
                match depth {
                    Some(depth) => kept.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), depth)),
                    None => drop(lost.fetch_add(1, Ordering::SeqCst)),
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { seen, task, failed }
    }

    fn end(self, begun: Instant) -> Vec<(f64, f64)> {
        self.task.abort();
        let failed = self.failed.load(Ordering::SeqCst);
        if failed > 0 {
            tracing::warn!(failed, "the queue was not always to be seen");
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(at, depth)| (at.duration_since(begun).as_secs_f64(), *depth)).collect()
    }
}
