//! How much longer than its provider Rockpool takes to make an instance.

use std::path::Path;
use std::time::{Duration, Instant};

use durable::{Driven, Outcome as Ended};
use fly_sim::{Fault, HostLatencies, Match};
use jiff::Timestamp;
use reqwest::Method;

use crate::Outcome;
use crate::table::{Table, percentile, signed_ms, spread};
use crate::timeline::{self, BOOT, Part};
use crate::vertical::{Vertical, wish};

/// What Rockpool may take on top of its provider, in milliseconds.
const ALLOWED: f64 = 100.0;

/// What the provider's calls take. All others answer at once.
const CALLS: [(&str, u64); 5] =
    [("create_app", 200), ("set_secrets", 100), ("assign_ip", 150), ("create_volume", 300), ("create_machine", 500)];

pub(crate) async fn measure(runs: u32) -> Outcome<()> {
    let calls = CALLS.map(|(call, ms)| format!("{call} {ms} ms")).join(", ");
    let mut table = Table::new(["makespan of a provision beyond the sum", "runs", "min", "median", "max", "allowed"]);
    let (mut where_it_goes, mut too_slow) = (None, Vec::new());
    for (store, on_disk) in [("AWS in memory", false), ("AWS on disk", true)] {
        let folder = tempfile::tempdir()?;
        let measured = provision(on_disk.then(|| folder.path()), runs).await?;
        let beyond: Vec<f64> = measured.iter().map(|run| run.makespan - millis(timeline::sum())).collect();
        // A disk that is busy for a moment is not Rockpool's doing; half of the runs are.
        if spread(&beyond)[1] > ALLOWED {
            too_slow.push(store);
        }
        let [least, middle, most] = spread(&beyond).map(signed_ms);
        table.row([store.to_owned(), runs.to_string(), least, middle, most, signed_ms(ALLOWED)]);
        where_it_goes = Some(measured);
    }
    table.print(&format!(
        "Makespan: from the request until the run's end is recorded. The provider's latencies ({calls}, of which two assign_ip, boot {BOOT} ms) are {} ms together.",
        timeline::sum()
    ));
    if let Some(measured) = where_it_goes {
        print_parts(&measured);
    }
    if too_slow.is_empty() { Ok(()) } else { Err(format!("a provision takes longer than it may: {}", too_slow.join(", ")).into()) }
}

struct Measured {
    makespan: f64,
    parts: Vec<Part>,
}

async fn provision(folder: Option<&Path>, runs: u32) -> Outcome<Vec<Measured>> {
    let machines = HostLatencies { boot: Duration::from_millis(BOOT), ..HostLatencies::default() };
    let mut vertical = Vertical::start(folder, machines, false).await?;
    for (action, ms) in CALLS {
        vertical.simulator.script().on(Match::action(action).always()).then(Fault::Slow(Duration::from_millis(ms)));
    }
    vertical.begin_work();
    let mut measured = Vec::new();
    for number in 0..runs {
        let before = vertical.simulator.calls().len();
        let (asked_at, asked) = (Timestamp::now(), Instant::now());
        let (_, answer, _) = vertical.call("owner", Method::POST, "/v1/instances", Some(wish(&format!("n{number}")))).await?;
        let turns = vertical.ended().await?;
        let end = vertical.journal.take().into_iter().rfind(|entry| entry.what == "end").ok_or("the run's end was not recorded")?;
        let (Some(first), Some(last)) = (turns.first(), turns.last()) else { return Err("the run was never picked up".into()) };
        if !matches!(last.driven, Driven::Ended { outcome: Ended::Succeeded, .. }) {
            return Err(format!("a provision ended as {:?}", last.driven).into());
        }
        check_calls(&vertical, before)?;
        let (picked_up, makespan) = (first.begun - asked, end.over - asked);
        let organisation = identity::Caller::personal_organisation(identity::testing::Issuer::ADDRESS, "owner");
        let operation = answer["operation"]["id"].as_str().unwrap_or_default().parse()?;
        let record = vertical.store.operation(&organisation, &operation).await?.ok_or("the operation is not there")?;
        let parts = timeline::parts(asked_at, &turns, picked_up, makespan, &record);
        measured.push(Measured { makespan: makespan.as_secs_f64() * 1000.0, parts });
    }
    Ok(measured)
}

/// The sum is only the sum if each call was made as often as it says.
fn check_calls(vertical: &Vertical, before: usize) -> Outcome<()> {
    let calls = vertical.simulator.calls();
    for (action, _) in CALLS {
        let times = calls[before..].iter().filter(|call| call.action == action).count();
        let expected = if action == "assign_ip" { 2 } else { 1 };
        if times != expected {
            return Err(format!("{action} was called {times} times where the sum counts {expected}").into());
        }
    }
    Ok(())
}

fn print_parts(measured: &[Measured]) {
    let Some(first) = measured.first() else { return };
    let mut table = Table::new(["part (on disk, median)", "stated", "took", "beyond"]);
    for (place, Part { name, stated, .. }) in first.parts.iter().enumerate() {
        let took: Vec<f64> = measured.iter().filter_map(|run| run.parts.get(place)).map(|part| part.took).collect();
        let took = percentile(&took, 50);
        table.row([name.clone(), format!("{stated} ms"), signed_ms(took), signed_ms(took - millis(*stated))]);
    }
    table.print("Where it goes:");
}

fn millis(whole: u64) -> f64 {
    Duration::from_millis(whole).as_secs_f64() * 1000.0
}
