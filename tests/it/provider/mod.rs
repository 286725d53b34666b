//! The client of the provider in whole lives: whatever befalls its calls, there is one of everything, and in the end nothing.
//!
//! `crates/fly` is asked alone what it does with an answer, and the flows alone what they do with a client's word, under all pairs of
//! adversities. Here both work together, on virtual time, with a Fly.io that limits its callers, takes its time and whose lists lag.

mod door;
mod life;
mod mishap;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use fastrand::Rng;
use http::Method;
use life::Life;
use mishap::{Mishap, Mishaps};

/// Names the mishaps of the one life that is to be lived.
const REPLAY: &str = "ROCKPOOL_MISHAPS";

/// How many lives with two mishaps are drawn, unless [`MORE`] says otherwise.
const PAIRS: usize = 150;

/// Says how many lives with two mishaps are drawn.
const MORE: &str = "ROCKPOOL_MISHAP_PAIRS";

/// Everything that can befall each of these calls. Only a read can lag.
fn singles(calls: &[(Method, String)]) -> Vec<(usize, Mishap)> {
    let all = calls.iter().enumerate().flat_map(|(number, (method, _))| {
        let fits = move |mishap: &Mishap| *mishap != Mishap::Behind || method == Method::GET;
        Mishap::ALL.into_iter().filter(fits).map(move |mishap| (number, mishap))
    });
    all.collect()
}

/// Lives all of these on every core.
fn live_all(lives: &[Mishaps]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                while let Some(mishaps) = lives.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = Life::live(mishaps) {
                        let line = format!("{REPLAY}=\"{mishaps}\" cargo test -p it --test it lives -- --nocapture\n  {error}");
                        wrong.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} lives", lives.len());
    assert!(wrong.is_empty(), "{} of {} lives went wrong:\n{}", wrong.len(), lives.len(), wrong[..wrong.len().min(10)].join("\n"));
}

/// The calls of a life in which nothing goes wrong; nothing if one life is to be replayed, which has been done then.
fn calm() -> Option<Vec<(Method, String)>> {
    if let Ok(mishaps) = std::env::var(REPLAY) {
        let mishaps: Mishaps = mishaps.parse().unwrap();
        let calls = Life::live(&mishaps).unwrap_or_else(|wrong| panic!("{mishaps}: {wrong}"));
        calls.iter().enumerate().for_each(|(number, (method, path))| println!("{number:3} {method} {path}"));
        return None;
    }
    Some(Life::live(&Mishaps::default()).unwrap())
}

#[test]
fn lives_in_which_one_call_to_the_provider_goes_wrong_end_well() {
    let Some(calls) = calm() else { return };
    let lives: Vec<_> = singles(&calls).into_iter().map(|single| Mishaps(vec![single])).collect();
    live_all(&lives);
}

#[test]
fn lives_in_which_two_calls_to_the_provider_go_wrong_end_well() {
    let Some(calls) = calm() else { return };
    let (singles, mut rng) = (singles(&calls), Rng::with_seed(7));
    let (wanted, mut lives) = (std::env::var(MORE).map_or(PAIRS, |text| text.parse().unwrap()), Vec::new());
    while lives.len() < wanted {
        let (one, other) = (singles[rng.usize(..singles.len())], singles[rng.usize(..singles.len())]);
        if one.0 < other.0 {
            lives.push(Mishaps(vec![one, other]));
        }
    }
    live_all(&lives);
}
