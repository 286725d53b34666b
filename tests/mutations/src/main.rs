//! Breaks the engine, the flows and the store in a copy, one way after the other, and sees whether the test that must catch it does.
//!
//! `cargo run -p mutations` copies the crates to `target/mutations`, sees that every named test passes there, and then for each mutation
//! makes its textual change, runs its test alone and takes the change back. It fails if a test fails where nothing is broken, if a change
//! no longer fits the code, or if a mutation is not caught. `--list` says what there is; a word runs only those whose names contain it.

mod laboratory;
mod list;
mod mutation;
mod workshop;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::laboratory::{LaboratoryError, Verdict, build};
use crate::mutation::{Mutation, Test};
use crate::workshop::{Workshop, WorkshopError};

/// Breaks the engine, the flows and the store in a copy, one way after the other, and sees whether a test catches it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only mutations whose names contain this.
    only: Option<String>,
    /// Says what each mutation breaks and runs nothing.
    #[arg(long)]
    list: bool,
}

/// The command could not do its work.
#[derive(Debug, thiserror::Error)]
enum MutationsError {
    #[error("the copy of the crates failed")]
    Workshop(#[from] WorkshopError),
    #[error("building or running a test failed")]
    Laboratory(#[from] LaboratoryError),
    #[error("nothing is broken, and the copy cannot be built:\n{0}")]
    Sound(String),
    #[error("nothing is broken, and these tests do not pass:\n{0}")]
    Unsound(String),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let only = arguments.only.as_deref().unwrap_or_default();
    let mutations: Vec<Mutation> = list::all().into_iter().filter(|mutation| mutation.name.contains(only)).collect();
    if arguments.list {
        for Mutation { name, breaks, caught_by, .. } in &mutations {
            println!("{name}\n    {breaks}\n    {caught_by}");
        }
        return ExitCode::SUCCESS;
    }
    let (began, mut passed) = (Instant::now(), 0);
    if let Err(error) = try_all(&mutations, &mut passed) {
        eprintln!("{}", chain(&error));
    }
    // What was not tried has not passed.
    let failed = mutations.len() - passed;
    println!("\n{} s.\n{passed} passed, {failed} failed", began.elapsed().as_secs());
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tries each of them, and counts those that are caught.
fn try_all(mutations: &[Mutation], passed: &mut usize) -> Result<(), MutationsError> {
    let began = Instant::now();
    let shop = Workshop::open()?;
    for mutation in mutations {
        shop.broken(mutation)?;
    }
    see_that_nothing_is_broken(&shop, mutations)?;
    println!("Nothing is broken, and every test passes ({} s).\n", began.elapsed().as_secs());

    let width = mutations.iter().map(|mutation| mutation.name.len()).max().unwrap_or_default();
    let mut missed = Vec::new();
    for mutation in mutations {
        let (verdict, took) = try_one(&shop, mutation)?;
        let is_caught = verdict == Verdict::Failed;
        let word = if is_caught { "caught" } else { "MISSED" };
        println!("{word}  {:width$}  {:5.1} s  {}", mutation.name, took.as_secs_f64(), mutation.caught_by);
        if is_caught {
            *passed += 1;
        } else {
            missed.push((mutation, verdict));
        }
    }
    for (mutation, verdict) in &missed {
        println!("\n{}: {}\n  {}", mutation.name, mutation.breaks, explain(verdict, &mutation.caught_by));
    }
    Ok(())
}

fn see_that_nothing_is_broken(shop: &Workshop, mutations: &[Mutation]) -> Result<(), MutationsError> {
    let mut tests: Vec<Test> = mutations.iter().map(|mutation| mutation.caught_by).collect();
    tests.sort_unstable();
    tests.dedup();
    let programs = build(shop, &tests)?.map_err(MutationsError::Sound)?;
    let mut unsound = Vec::new();
    for test in &tests {
        let verdict = programs.run(test)?;
        if verdict != Verdict::Passed {
            unsound.push(format!("  {test}: {verdict:?}"));
        }
    }
    if unsound.is_empty() { Ok(()) } else { Err(MutationsError::Unsound(unsound.join("\n"))) }
}

/// Breaks the copy, runs the test and mends the copy, whatever the test came to.
fn try_one(shop: &Workshop, mutation: &Mutation) -> Result<(Verdict, Duration), MutationsError> {
    let began = Instant::now();
    let sound = shop.break_by(mutation)?;
    let verdict = match build(shop, &[mutation.caught_by]) {
        Ok(Ok(programs)) => programs.run(&mutation.caught_by),
        Ok(Err(said)) => Ok(Verdict::NotBuilt(said)),
        Err(error) => Err(error),
    };
    sound.mend()?;
    Ok((verdict?, began.elapsed()))
}

fn explain(verdict: &Verdict, test: &Test) -> String {
    match verdict {
        Verdict::Passed => format!("{test} passes all the same."),
        Verdict::NotBuilt(said) => format!("It does not compile, so that nothing was tried:\n{said}"),
        Verdict::NotFound => format!("There is no {test}."),
        Verdict::Hung => format!("{test} hangs instead of failing."),
        Verdict::Failed => format!("{test} fails, as it must."),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
