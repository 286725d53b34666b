//! What stands in the way of a deployment, forward or back: runs under way that the code about to be deployed would not know.
//!
//! A run is walked by code that knows its flow's version; other code leaves it alone and looks again each minute. That is right while two
//! versions run side by side, and wrong for ever after: a run whose version nobody knows any more never ends. So this is built from the
//! code that is about to be deployed, old code for a roll-back, and asked before it is.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use durable::{Phase, Record};
use dynamo::{Store, StoreError};
use shell::{Aws, AwsSettings, DeploymentSettings, Environment, StoreSettings, SystemClock};

/// A live or parked run that this code could not move on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranded {
    /// Its identifier.
    pub run: String,
    /// The flow.
    pub kind: String,
    /// The flow's version.
    pub version: u32,
    /// What it is doing: `running`, `unwinding` or `parked`.
    pub phase: &'static str,
}

impl fmt::Display for Stranded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, kind, version, phase } = self;
        write!(f, "{run}: {kind} version {version}, {phase}")
    }
}

/// Looks at every run under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many there are.
    pub under_way: usize,
    /// Those that this code does not know.
    pub stranded: Vec<Stranded>,
}

/// The command: looks, and says what it found. Reads the variables that the functions have: region, credentials, table, and what tells
/// the deployment. The exit status is 0 if all runs are known, 1 if some are not, 2 if it could not look.
pub async fn run(environment: Environment<'_>) -> ExitCode {
    match look(environment).await {
        Ok(report) if report.stranded.is_empty() => {
            println!("{} runs are under way; this code knows them all.", report.under_way);
            ExitCode::SUCCESS
        }
        Ok(report) => {
            println!("Of {} runs under way, this code does not know {}:", report.under_way, report.stranded.len());
            report.stranded.iter().for_each(|run| println!("  {run}"));
            println!("Deploy code that knows them beside this, or wait until they have ended.");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("The runs could not be looked at: {error}");
            ExitCode::from(2)
        }
    }
}

async fn look(environment: Environment<'_>) -> Result<Report, Box<dyn std::error::Error>> {
    let (aws, store, deployment) = shell::read_settings(environment, |reader| {
        (AwsSettings::read(reader), StoreSettings::read(reader), DeploymentSettings::read(reader))
    })?;
    let store = shell::store(&Aws::new(aws, shell::http_client()?), &store, &deployment, Arc::new(SystemClock));
    Ok(check(&store).await?)
}

/// Asks the store.
///
/// # Errors
/// The store did not answer, or holds a run in a form that only newer code can read, which is as good a reason not to deploy.
pub async fn check(store: &Store) -> Result<Report, StoreError> {
    let runs = store.under_way().await?;
    let stranded = runs.iter().filter(|run| !flows::Flows::know(&run.kind, run.version)).map(stranded).collect();
    Ok(Report { under_way: runs.len(), stranded })
}

fn stranded(run: &Record) -> Stranded {
    let phase = match run.phase {
        Phase::Running => "running",
        Phase::Unwinding { .. } => "unwinding",
        Phase::Parked { .. } => "parked",
        Phase::Done { .. } => "done",
    };
    Stranded { run: run.id.0.clone(), kind: run.kind.clone(), version: run.version, phase }
}
