//! Health on virtual time, with the real sweep, checker, flow runner and store: hours of a fleet in seconds.
//!
//! Time is tokio's paused time, the store is the table in memory, and the queues deliver late, twice and out of order. What instances
//! answer is each test's own. Every test of chance prints its seed; `ROCKPOOL_HEALTH_SEED=<seed>` plays that one alone.

mod brake;
mod holes;
mod ladder;
mod post;
mod scale;
mod town;

/// The seeds to try, or the one that is asked for.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("ROCKPOOL_HEALTH_SEED") {
        Ok(seed) => vec![seed.parse().expect("ROCKPOOL_HEALTH_SEED is a number")],
        Err(_) => (1..=count).collect(),
    }
}

/// How many checks to make, or as many as `ROCKPOOL_HEALTH_CHECKS` says.
fn checks(count: usize) -> usize {
    std::env::var("ROCKPOOL_HEALTH_CHECKS").map_or(count, |count| count.parse().expect("ROCKPOOL_HEALTH_CHECKS is a number"))
}

/// Runs a test of chance in a runtime whose time is virtual. The seed is printed before anything can fail.
fn virtually<F: Future>(seed: u64, test: F) -> F::Output {
    println!("ROCKPOOL_HEALTH_SEED={seed}");
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test)
}
