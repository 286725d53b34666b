//! Every flow in a fake world, with everything that can go wrong going wrong: all single adversities and all pairs of the main plays,
//! up to 4,500 pairs of each side play, and seeded triples of all of them, on every core. See `docs/testing.md`.
//!
//! ```sh
//! cargo run -p flows --example rehearse
//! cargo run -p flows --example rehearse -- --pairs all --triples 1000000 --seed 7
//! cargo run -p flows --example rehearse -- --play provision
//! ROCKPOOL_SCHEDULE="provision 7:lost_answer 12:cancel" cargo run -p flows --example rehearse
//! ```

use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Instant;

use durable::testing::{Casting, Played, Season};
use flows::testing::repertoire::{Play, main_plays, side_plays};

const USAGE: &str = "rehearse [--pairs N|all] [--triples N] [--seed N] [--threads N] [--play NAME]… [--within SECONDS]";

struct Wanted {
    /// Pairs of each side play; absent: all.
    pairs: Option<usize>,
    triples: usize,
    seed: u64,
    threads: usize,
    plays: Vec<String>,
    /// Seconds after which it has taken too long, which is a failure too.
    within: Option<f64>,
}

fn main() -> ExitCode {
    match wanted(std::env::args().skip(1)) {
        Ok(wanted) => rehearse(wanted),
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let threads = available_parallelism().map_or(1, usize::from);
    let mut wanted = Wanted { pairs: Some(4_500), triples: 100_000, seed: 1, threads, plays: Vec::new(), within: None };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{flag}` wants a value"))?;
        let number = || value.parse().map_err(|_| format!("`{value}` is no number"));
        match flag.as_str() {
            "--pairs" if value == "all" => wanted.pairs = None,
            "--pairs" => wanted.pairs = Some(number()?),
            "--triples" => wanted.triples = number()?,
            "--threads" => wanted.threads = number()?,
            "--seed" => wanted.seed = value.parse().map_err(|_| format!("`{value}` is no number"))?,
            "--within" => wanted.within = Some(value.parse().map_err(|_| format!("`{value}` is no number"))?),
            "--play" => wanted.plays.push(value),
            _ => return Err(format!("there is no `{flag}`")),
        }
    }
    Ok(wanted)
}

fn rehearse(wanted: Wanted) -> ExitCode {
    let of = |plays: Vec<Play>, pairs: Option<usize>| plays.into_iter().map(move |play| Casting { rehearsal: play.rehearsal(), pairs });
    let all: Vec<Casting> = of(main_plays(), None).chain(of(side_plays(), wanted.pairs)).collect();
    let names: Vec<String> = all.iter().map(|casting| casting.rehearsal.name().to_owned()).collect();
    if let Some(unknown) = wanted.plays.iter().find(|name| !names.contains(name)) {
        eprintln!("there is no play `{unknown}`; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    if std::env::var_os("ROCKPOOL_SCHEDULE").is_some() {
        // Each rehearsal plays what bears its name.
        let performed: usize = all.iter().map(|casting| casting.rehearsal.explore([]).performed).sum();
        return if performed == 1 { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let castings =
        all.into_iter().filter(|casting| wanted.plays.is_empty() || wanted.plays.iter().any(|name| name == casting.rehearsal.name()));
    let season = Season { castings: castings.collect(), triples: wanted.triples, seed: wanted.seed, threads: wanted.threads };
    let began = Instant::now();
    let (played, failures) = season.perform();
    println!("{:<36} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9} {:>6}", "play", "points", "singles", "pairs", "of", "triples", "schedules", "ms");
    for play in &played {
        line(play);
    }
    let took = began.elapsed().as_secs_f64();
    let total = |count: fn(&Played) -> usize| played.iter().map(count).sum::<usize>();
    println!(
        "{} schedules: {} single adversities, {} of {} pairs, {} triples; {} plays, seed {}, {} threads, {:.0} s",
        total(Played::schedules),
        total(|play| play.singles),
        total(|play| play.pairs),
        total(|play| play.possible_pairs),
        total(|play| play.triples),
        played.len(),
        wanted.seed,
        wanted.threads,
        took,
    );
    for failure in &failures {
        eprintln!("{}\n  to replay it: {}", failure.broken, failure.replay);
    }
    let is_late = wanted.within.is_some_and(|within| took > within);
    if is_late {
        eprintln!("it took too long");
    }
    if failures.is_empty() && !is_late { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was done of one play; the last column is the processor time of one schedule, in milliseconds.
fn line(play: &Played) {
    let Played { name, points, singles, pairs, possible_pairs, triples, took } = play;
    let each = took.as_secs_f64() * 1000.0 / f64::from(u32::try_from(play.schedules()).unwrap_or(u32::MAX));
    println!("{name:<36} {points:>6} {singles:>8} {pairs:>8} {possible_pairs:>8} {triples:>8} {:>9} {each:>6.2}", play.schedules());
}
