//! What a cold start of each function costs, from `exec` to its first request for work, against the smallest function there is, and what
//! its first invocation costs:
//!
//! ```sh
//! cargo run -p shipped --bin cold-start                        # the functions that ship; they are built first
//! cargo run -p shipped --bin cold-start -- --profile functions
//! ```
//!
//! It ends with an error if a bound of `docs/performance.md` is exceeded.

mod answers;
mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use lambda_sim::{Settings, Start, measure_start};
use shipped::{Binaries, Deployed, FUNCTIONS, HELLO, Template};

/// A function may take this much of the smallest one's processor time.
const MOST_CPU: f64 = 1.15;

/// A function may have this much more memory resident than the smallest one, in KiB.
const MOST_MEMORY_KIB: u64 = 5 * 1024;

/// A program may be this large, in bytes.
const LARGEST: u64 = 8_000_000;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Arguments {
    /// The profile that the functions are built with.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Functions that are built already.
    #[arg(long)]
    built: Option<PathBuf>,
    /// Starts of each.
    #[arg(long, default_value_t = 31)]
    runs: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Error> {
    let arguments = Arguments::parse();
    let binaries = match arguments.built {
        Some(folder) => Binaries::built(&folder)?,
        None => Binaries::build(&arguments.profile)?,
    };
    let folder = tempfile::tempdir()?;
    let binaries = binaries.copied(folder.path())?;
    let started = starts(&binaries, arguments.runs).await?;
    println!();
    let answered = answers::print(&binaries, arguments.runs).await?;
    Ok(if started && answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a line for each function; whether all are within the bounds.
async fn starts(binaries: &Binaries, runs: usize) -> Result<bool, Error> {
    let deployed = deployed()?;
    let names: Vec<&str> = std::iter::once(HELLO).chain(FUNCTIONS).collect();
    let mut starts: BTreeMap<&str, Vec<Start>> = BTreeMap::new();
    // In turn, so that what disturbs one of them disturbs all; the first round warms the page cache.
    for round in 0..=runs {
        for &name in &names {
            let start = measure_start(&settings(name, binaries, &deployed)).await?;
            if round > 0 {
                starts.entry(name).or_default().push(start);
            }
        }
    }
    let hello = Figures::of(&starts[HELLO]);
    println!("median of {} starts, in turn\n", runs);
    println!("| program | size | processor | of {HELLO} | until ready | memory | more than {HELLO} |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut within = true;
    for name in names {
        let (figures, size) = (Figures::of(&starts[name]), std::fs::metadata(binaries.program(name))?.len());
        let ratio = figures.cpu.as_secs_f64() / hello.cpu.as_secs_f64();
        let more = figures.memory_kib.saturating_sub(hello.memory_kib);
        println!(
            "| `{name}` | {:.2} MB | {:.2} ms | {ratio:.2} | {:.1} ms | {:.1} MiB | {:.1} MiB |",
            size as f64 / 1e6,
            figures.cpu.as_secs_f64() * 1e3,
            figures.took.as_secs_f64() * 1e3,
            figures.memory_kib as f64 / 1024.0,
            more as f64 / 1024.0,
        );
        within &= ratio <= MOST_CPU && more <= MOST_MEMORY_KIB && size <= LARGEST;
    }
    println!(
        "\n{} the bounds: {MOST_CPU} of the processor, {} MiB more, {} MB",
        if within { "within" } else { "BEYOND" },
        MOST_MEMORY_KIB / 1024,
        LARGEST / 1_000_000
    );
    Ok(within)
}

/// Medians.
struct Figures {
    cpu: Duration,
    took: Duration,
    memory_kib: u64,
}

impl Figures {
    fn of(starts: &[Start]) -> Self {
        Self {
            cpu: median(starts.iter().map(|start| start.cpu)),
            took: median(starts.iter().map(|start| start.initialisation.took)),
            memory_kib: median(starts.iter().map(|start| start.initialisation.peak_memory_kib)),
        }
    }
}

fn median<T: Ord>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort();
    let middle = values.len() / 2;
    values.into_iter().nth(middle).expect("there is at least one run")
}

/// The functions as the template deploys them. Nothing is asked of what the values name before the first event.
fn deployed() -> Result<Vec<Deployed>, Error> {
    let mut template = Template::read(&[
        ("Deployment", "prod"),
        ("FlyOrganisation", "example"),
        ("ImageRepository", "registry.fly.io/example"),
        ("OidcIssuer", "https://issuer.example.com"),
        ("NoticeAddress", "https://notices.example.com"),
    ])?;
    for (id, name) in template.named("AWS::SQS::Queue", "QueueName")? {
        template.refer(&id, format!("https://sqs.us-east-1.amazonaws.com/123456789012/{name}"));
    }
    for (id, name) in template.named("AWS::SecretsManager::Secret", "Name")? {
        template.refer(&id, format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-000000"));
    }
    Ok(template.functions()?)
}

fn settings(name: &str, binaries: &Binaries, deployed: &[Deployed]) -> Settings {
    let deployed = deployed.iter().find(|deployed| deployed.function == name);
    let mut environment = deployed.map(|deployed| deployed.environment.clone()).unwrap_or_default();
    let ours = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    environment.extend(ours.map(|name| (name.to_owned(), "us-east-1".to_owned())));
    Settings {
        name: name.to_owned(),
        bootstrap: binaries.program(name),
        memory_mb: deployed.map_or(256, |deployed| deployed.memory_mb),
        timeout: Duration::from_secs(10),
        concurrency: 1,
        environment,
    }
}
