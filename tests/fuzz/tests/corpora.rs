//! Every file of every corpus, and changed copies of them. `ROCKPOOL_FUZZ_INPUTS` says how many of each target, `ROCKPOOL_FUZZ_SEED` which.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fuzz::{Corpus, TARGETS, Target};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Feeds an input to a target. One that fails is written to a file, which the message names.
fn feed(name: &str, target: Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|_| {
        let file = std::env::temp_dir().join(format!("rockpool-{name}-{}", std::process::id()));
        std::fs::write(&file, input).unwrap();
        panic!("{name} fails: cargo run -p fuzz --example one -- {name} {}", file.display());
    })
}

fn all_of(name: &str, inputs: u64) {
    let target = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap().1;
    let corpus = Corpus::of(name);
    let taken = corpus.files.iter().filter(|(_, input)| feed(name, target, input)).count();
    assert!(taken > 0, "{name} takes nothing of its corpus: what is behind its first check is not tried");
    let inputs = usize::try_from(setting("ROCKPOOL_FUZZ_INPUTS", inputs)).unwrap();
    for input in corpus.like(setting("ROCKPOOL_FUZZ_SEED", 1), inputs) {
        feed(name, target, &input);
    }
}

#[test]
fn access_keys() {
    all_of("access_keys", 10_000);
}

#[test]
fn access_token() {
    all_of("access_token", 4000);
}

#[test]
fn api_request() {
    all_of("api_request", 2000);
}

#[test]
fn cursor() {
    all_of("cursor", 4000);
}

#[test]
fn fly_answer() {
    all_of("fly_answer", 1000);
}

#[test]
fn health_answer() {
    all_of("health_answer", 500);
}

#[test]
fn identity_keys() {
    all_of("identity_keys", 2000);
}

#[test]
fn identity_token() {
    all_of("identity_token", 2000);
}

#[test]
fn journal() {
    all_of("journal", 4000);
}

#[test]
fn problem() {
    all_of("problem", 1000);
}

#[test]
fn queue_message() {
    all_of("queue_message", 4000);
}

#[test]
fn supervisor_answer() {
    all_of("supervisor_answer", 500);
}

#[test]
fn supervisor_request() {
    all_of("supervisor_request", 1000);
}

#[test]
fn each_target_has_a_corpus_and_a_program_and_the_reverse() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| -> BTreeSet<String> {
        let listed = std::fs::read_dir(here.join(folder)).unwrap();
        listed.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
}
