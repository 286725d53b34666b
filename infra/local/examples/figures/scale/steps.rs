//! What the engine costs: a step that does nothing, a run of ten of them, and the sixtieth step beside the first.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sim::AwsSim;
use domain::{OperationId, OrganisationId};
use durable::testing::MemoryJournal;
use durable::{
    Catalogue, Driven, Engine, Execute, Flow, Journal, NewRun, Outcome as Ended, Phase, Record, Run, RunId, Unknown, Wake, WakeError,
};
use dynamo::{NewInstance, Store};
use jiff::Timestamp;
use serde_json::{Value, json};
use shell::SystemClock;

use crate::Outcome;
use crate::scale::fill;
use crate::scale::spent::Stopwatch;
use crate::scale::stamped::{Stamp, Stamped};
use crate::table::{Table, percentile};
use crate::vertical::TABLE;

/// A run of a flow that is longer than any of ours.
const MANY: usize = 60;

/// A run of the usual length.
const FEW: usize = 10;

/// How much longer the sixtieth step may take than the first of a run whose record is as large.
const ALLOWED: f64 = 2.0;

pub(crate) async fn measure() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (_, in_memory) = fill::in_memory();
    let grounds = [
        (Ground::new("the engine's journal in memory", Kept::Journal(Arc::default())), 500),
        (Ground::new("store, table in memory", Kept::Store(in_memory)), 300),
        (Ground::new("store, embedded DynamoDB in memory", Kept::Store(embedded(None).await?)), 40),
        (Ground::new("store, embedded DynamoDB on disk", Kept::Store(embedded(Some(folder.path().to_owned())).await?)), 40),
    ];
    let mut steps =
        Table::new(["a step that does nothing", "runs", "its checkpoint", "around it", "10 steps, wall", "10 steps, processor"]);
    let mut long = Table::new(["median of a step", "record, bytes", "step 1", "step 60", "step 1, record as large", "step 60 to that"]);
    let mut worst: f64 = 0.0;
    for (ground, runs) in &grounds {
        steps.row(ground.few(*runs).await?);
        let (cells, ratio) = ground.many(*runs / 4).await?;
        long.row(cells);
        worst = worst.max(ratio);
    }
    steps.print("A step's overhead (medians; wall and processor time of a whole run, from its claim to its end):");
    long.print("A long run:");
    let walks = grounds[0].0.walks().await?;
    println!("\nWalking {MANY} recorded steps to the first fresh one takes {} (median); walking none {}.", us(walks.1), us(walks.0));
    if worst > ALLOWED {
        return Err(format!(
            "step {MANY} takes {worst:.1} times as long as the first step of a run of the same size; allowed is {ALLOWED}"
        )
        .into());
    }
    Ok(())
}

async fn embedded(data: Option<std::path::PathBuf>) -> Outcome<Store> {
    let sim = AwsSim::open(aws_sim::Options { data }).await?;
    dynamo::create_table(&sim.dynamodb(), TABLE).await?;
    Ok(Store::new(sim.dynamodb(), TABLE, fill::deployment(), Arc::new(SystemClock)))
}

enum Kept {
    Journal(Arc<MemoryJournal>),
    Store(Store),
}

/// An engine on one of the stores.
struct Ground {
    name: &'static str,
    kept: Kept,
    stamped: Stamped,
    engine: Engine,
}

impl Ground {
    fn new(name: &'static str, kept: Kept) -> Self {
        let journal: Arc<dyn Journal> = match &kept {
            Kept::Journal(journal) => journal.clone(),
            Kept::Store(store) => Arc::new(store.clone()),
        };
        let stamped = Stamped::new(journal);
        let engine = Engine::new(Arc::new(stamped.clone()), Arc::new(Silent), Arc::new(SystemClock), Arc::new(Nothings));
        Self { name, kept, stamped, engine }
    }

    /// Starts a run of so many steps; `padding` makes its record larger.
    async fn start(&self, steps: usize, padding: &Value) -> Outcome<RunId> {
        let (organisation, operation) = (OrganisationId::generate(), OperationId::generate());
        let plan = json!({ "steps": steps, "padding": padding });
        // A subject that is no instance's: the end of the run is the end of the run alone.
        let id = flows::run_id(&organisation, &operation);
        let run = NewRun { id: id.clone(), kind: "nothing".to_owned(), version: 1, subject: "none".to_owned(), plan };
        match &self.kept {
            Kept::Journal(journal) => drop(journal.start(run, Timestamp::now())),
            Kept::Store(store) => {
                let instance = fill::instance(organisation, "mine", |app| format!("https://{app}.fly.dev"))?;
                store.create(NewInstance { instance, run, key: None, quota: 1 }).await?;
            }
        }
        Ok(id)
    }

    /// Drives a run from its claim to its end, and returns the stamps of it.
    async fn drive(&self, run: &RunId) -> Outcome<Vec<Stamp>> {
        self.stamped.take();
        match self.engine.drive(run, Timestamp::now() + Duration::from_secs(120)).await? {
            Driven::Ended { outcome: Ended::Succeeded, .. } => Ok(self.stamped.take()),
            other => Err(format!("a run of nothing came to {other:?}").into()),
        }
    }

    async fn few(&self, runs: usize) -> Outcome<[String; 6]> {
        let (mut writing, mut around, mut wall, mut processor) = (Vec::new(), Vec::new(), Vec::new(), Duration::ZERO);
        for _ in 0..runs {
            let run = self.start(FEW, &Value::Null).await?;
            let watch = Stopwatch::start()?;
            let stamps = self.drive(&run).await?;
            let spent = watch.stop()?;
            wall.push(micros(spent.wall));
            processor += spent.processor;
            for pair in stamps[..=FEW].windows(2) {
                writing.push(micros(pair[1].answered - pair[1].asked));
                around.push(micros(pair[1].asked - pair[0].answered));
            }
        }
        let each = processor / u32::try_from(runs)?;
        let median = |values: &[f64]| us(percentile(values, 50));
        Ok([self.name.to_owned(), runs.to_string(), median(&writing), median(&around), median(&wall), us(micros(each))])
    }

    /// The last step of a long run, the first, and the first of a run whose record is as large from its beginning.
    async fn many(&self, runs: usize) -> Outcome<([String; 6], f64)> {
        let (mut first, mut last, mut bytes, mut padding) = (Vec::new(), Vec::new(), 0, Value::Null);
        for _ in 0..runs {
            let run = self.start(MANY, &Value::Null).await?;
            let stamps = self.drive(&run).await?;
            first.push(micros(stamps[1].answered - stamps[0].answered));
            last.push(micros(stamps[MANY].answered - stamps[MANY - 1].answered));
            let record = self.read(&run).await?;
            bytes = serde_json::to_vec(&record)?.len();
            // As many values of the same form as the journal has before its last step: what a record costs is their number too.
            padding = serde_json::to_value(&record.journal[..MANY - 1])?;
        }
        let mut large = Vec::new();
        for _ in 0..runs {
            let run = self.start(1, &padding).await?;
            let stamps = self.drive(&run).await?;
            large.push(micros(stamps[1].answered - stamps[0].answered));
        }
        let [first, last, large] = [first, last, large].map(|values| percentile(&values, 50));
        let ratio = last / large;
        Ok(([self.name.to_owned(), bytes.to_string(), us(first), us(last), us(large), format!("{ratio:.2}")], ratio))
    }

    /// From the claim's answer to the first fresh step's write: with nothing recorded, and with a long journal.
    async fn walks(&self) -> Outcome<(f64, f64)> {
        let Kept::Journal(journal) = &self.kept else { return Err("only a journal in memory takes a record as it is given".into()) };
        let run = self.start(MANY, &Value::Null).await?;
        self.drive(&run).await?;
        let long = self.read(&run).await?;
        let (mut fresh, mut recorded) = (Vec::new(), Vec::new());
        for number in 0..200 {
            let short = self.start(1, &Value::Null).await?;
            let stamps = self.drive(&short).await?;
            fresh.push(micros(stamps[1].asked - stamps[0].answered));
            let id = RunId(format!("{}-{number}", run.0));
            let plan = json!({ "steps": MANY + 1, "padding": null });
            let phase = Phase::Running;
            let record = Record { id: id.clone(), plan, phase, owner: None, lease_until: None, ended_at: None, ..long.clone() };
            journal.put(record);
            let stamps = self.drive(&id).await?;
            recorded.push(micros(stamps[1].asked - stamps[0].answered));
        }
        Ok((percentile(&fresh, 50), percentile(&recorded, 50)))
    }

    async fn read(&self, run: &RunId) -> Outcome<Record> {
        Ok(self.stamped.read(run).await?.ok_or("the run is gone")?)
    }
}

/// Flows of steps that do nothing and give an identifier, as most of ours do.
struct Nothings;

struct Nothing {
    steps: u64,
}

impl Catalogue for Nothings {
    fn open(&self, _: &str, _: u32, plan: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        let steps = plan["steps"].as_u64().ok_or_else(|| Unknown::Plan("it has no number of steps".to_owned()))?;
        Ok(Box::new(Nothing { steps }))
    }
}

impl Execute for Nothing {
    fn walk<'r, 'a: 'r>(&'a self, run: &'r mut Run<'a>) -> Pin<Box<dyn Future<Output = Flow<Value>> + Send + 'r>> {
        Box::pin(async move {
            for _ in 0..self.steps {
                run.step("create_nothing", async { Ok("vol_4y8z1q5j3k2m".to_owned()) }).await?;
            }
            Ok(Value::Null)
        })
    }
}

/// Nobody has to be woken.
struct Silent;

#[async_trait]
impl Wake for Silent {
    async fn wake(&self, _: &RunId, _: Duration) -> Result<(), WakeError> {
        Ok(())
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000_000.0
}

fn us(micros: f64) -> String {
    format!("{micros:.0} µs")
}
