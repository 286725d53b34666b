//! The built functions are put through everything that can be asked of them without AWS, part by part:
//!
//! ```sh
//! cargo test -p shipped --features shipped/built-functions --test shipped
//! cargo test -p shipped --features shipped/built-functions --test shipped -- kill    # the parts whose names contain the word
//! ```
//!
//! The functions are built first, by the profile `functions`; `--profile release` takes those that ship, `--built FOLDER` any others.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod bad_day;
mod collector;
mod customer;
mod events;
mod journey;
mod kills;
mod output;
mod privileges;
mod trouble;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aws_sim::Used;
use clap::Parser;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use output::Metric;
use shipped::{Binaries, FUNCTIONS, Options, Platform};

/// What the program is told.
#[derive(Parser)]
struct Arguments {
    /// Only parts whose names contain one of these.
    parts: Vec<String>,
    /// The profile that the functions are built with.
    #[arg(long, default_value = "functions")]
    profile: String,
    /// Functions that are built already.
    #[arg(long)]
    built: Option<PathBuf>,
    /// Repeats the choices of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Only says which parts there are.
    #[arg(long)]
    list: bool,
}

/// What the parts share and what they have seen.
struct Check {
    binaries: Binaries,
    seed: u64,
    used: BTreeSet<Used>,
    /// The metrics that were told.
    told: BTreeSet<Metric>,
    /// Tokens and secrets that the parts came by, besides those that every platform has.
    secrets: Vec<String>,
}

type Part = fn(&mut Check) -> LocalBoxFuture<'_, ()>;

/// In their order: the last two judge what all others have seen.
const PARTS: [(&str, Part); 11] = [
    ("every_event_has_its_outcome", |check| events::every_event_has_its_outcome(check).boxed_local()),
    ("settings_that_are_missing_or_malformed_are_a_503_and_failed_messages", |check| trouble::settings(check).boxed_local()),
    ("each_setting_that_a_function_needs_is_named_when_it_is_missing", |check| trouble::each_setting(check).boxed_local()),
    ("a_secret_that_cannot_be_read_is_a_503_until_it_can", |check| trouble::secret(check).boxed_local()),
    ("a_table_that_is_not_there_is_a_503_until_it_is", |check| trouble::table(check).boxed_local()),
    ("an_instance_lives_through_the_built_functions", |check| journey::an_instance_lives(check).boxed_local()),
    ("nothing_secret_is_told_at_any_level", |check| journey::traced(check).boxed_local()),
    ("a_bad_day_ends_well", |check| bad_day::a_bad_day(check).boxed_local()),
    ("kills_at_any_moment_lose_nothing", |check| kills::nothing_is_lost(check).boxed_local()),
    ("every_metric_that_an_alarm_waits_for_was_told", |check| async { output::every_alarm_is_told(check) }.boxed_local()),
    ("each_function_may_do_what_it_does_and_nothing_else", |check| privileges::both_ways(check).boxed_local()),
];

fn main() -> ExitCode {
    // Machines start this program as their supervisor and their gateway.
    if std::env::args().nth(1).is_some_and(|first| ["supervisor", "stand-in", "gateway"].contains(&first.as_str())) {
        return local::run(local::Arguments::parse());
    }
    let arguments = Arguments::parse();
    if arguments.list {
        PARTS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROCKPOOL_LOG").unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let began = Instant::now();
    let binaries = match &arguments.built {
        Some(folder) => Binaries::built(folder).expect("there is such a folder"),
        None => Binaries::build(&arguments.profile).expect("the functions can be built"),
    };
    println!("the functions are built, after {:.0?}", began.elapsed());
    if let Err(why) = no_function_is_larger(&binaries, &arguments.profile) {
        println!("{why}");
        return ExitCode::FAILURE;
    }
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let mut check = Check { binaries, seed, used: BTreeSet::new(), told: BTreeSet::new(), secrets: Vec::new() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut failed = Vec::new();
    for (name, part) in PARTS {
        if !arguments.parts.is_empty() && !arguments.parts.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let began = Instant::now();
        println!("part {name} …");
        let outcome = runtime.block_on(AssertUnwindSafe(part(&mut check)).catch_unwind());
        println!("part {name} … {} after {:.1?}", if outcome.is_ok() { "ok" } else { "FAILED" }, began.elapsed());
        if outcome.is_err() {
            failed.push(name);
        }
    }
    // Some connection may still be open; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {}; `--seed {seed}` makes the same choices", failed.join(", "));
    ExitCode::FAILURE
}

/// The profile that ships, and the size of the largest function by it, in bytes. What the tests build otherwise is built for speed and says
/// nothing about that; `cold-start` builds what ships and looks too.
const SHIPPED: (&str, u64) = ("release", 8_000_000);

fn no_function_is_larger(binaries: &Binaries, profile: &str) -> Result<(), String> {
    let (shipped, largest) = SHIPPED;
    if profile != shipped {
        return Ok(());
    }
    for function in FUNCTIONS {
        let size = std::fs::metadata(binaries.program(function)).map_err(|error| format!("{function}: {error}"))?.len();
        if size > largest {
            return Err(format!("{function} has {size} bytes, by the profile {profile}; {largest} are allowed"));
        }
    }
    Ok(())
}

impl Check {
    /// A platform of its own for a part.
    async fn platform(&self, tick: Option<Duration>) -> Platform {
        self.platform_with(tick, Vec::new()).await
    }

    /// One that is deployed with these values of the template's parameters.
    async fn platform_with(&self, tick: Option<Duration>, parameters: Vec<(&'static str, String)>) -> Platform {
        let machine = std::env::current_exe().expect("this program");
        Platform::start(Options { binaries: self.binaries.clone(), machine, tick, parameters }).await.expect("the platform starts")
    }

    /// Ends it, and keeps what was seen of the functions.
    async fn end(&mut self, platform: Platform) {
        self.used.extend(platform.cloud.sim.used().into_iter().map(|used| Used { resource: lasting(&used.resource), ..used }));
        for (name, function) in platform.functions() {
            assert_eq!(function.lost(), 0, "{name} ended by itself");
            for start in function.initialisations() {
                assert!(start.took < LONGEST_START, "{name} took {:?} to start", start.took);
            }
        }
        output::examine(self, &platform).await;
        platform.stop().await;
    }
}

/// A resource's ARN without the six characters that Secrets Manager puts behind a name, anew on each platform.
fn lasting(arn: &str) -> String {
    let ending =
        arn.len().checked_sub(7).filter(|_| arn.starts_with("arn:aws:secretsmanager:")).and_then(|start| arn.split_at_checked(start));
    match ending {
        Some((name, suffix)) if suffix.starts_with('-') => format!("{name}-??????"),
        _ => arn.to_owned(),
    }
}

/// Lambda ends an initialisation after 10 s and begins it anew. This is a tenth of it, on a machine that is busy with the test.
const LONGEST_START: Duration = Duration::from_secs(1);
