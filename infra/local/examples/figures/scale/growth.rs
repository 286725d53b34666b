//! What an operation calls and consumes must not depend on how many instances there are.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::Outcome;
use crate::scale::fill;
use crate::table::Table;
use crate::units::{self, Cost};
use crate::vertical::Vertical;

/// The smaller ones; each fleet is there besides the one instance that is worked on.
const SMALL: [usize; 2] = [10, 1_000];

pub(crate) async fn measure(largest: usize) -> Outcome<()> {
    let fleets = [SMALL[0], SMALL[1], largest.max(SMALL[1])];
    let mut costs: BTreeMap<usize, Vec<(String, Cost)>> = BTreeMap::new();
    let mut vertical = Vertical::start(None, fly_sim::HostLatencies::default(), true).await?;
    let mut there = 0;
    for fleet in fleets {
        let begun = Instant::now();
        fill::add(&vertical.aws.dynamodb(), fleet - there).await?;
        println!("{} instances were added to {there} in {:.0?}", fleet - there, begun.elapsed());
        there = fleet;
        let operations = units::operations(&mut vertical).await?;
        costs.insert(fleet, operations.requests.into_iter().chain(operations.runs).collect());
    }
    let first = &costs[&fleets[0]];
    let mut table = Table::new(["operation", "DynamoDB", "SQS", "Fly", "read / written: few", "more", "most"]);
    let mut grown = Vec::new();
    for (place, (name, cost)) in first.iter().enumerate() {
        let units = |cost: &Cost| format!("{} / {}", cost.reads, cost.writes);
        let [second, third] = [fleets[1], fleets[2]].map(|fleet| &costs[&fleet][place].1);
        let [calls, queue, fly] = [cost.dynamodb, cost.sqs, cost.fly].map(|calls| calls.to_string());
        table.row([name.clone(), calls, queue, fly, units(cost), units(second), units(third)]);
        if cost != second || cost != third {
            grown.push(name.clone());
        }
    }
    table.print(&format!("What operations call, and the units that they read and write, beside {fleets:?} other instances:"));
    if grown.is_empty() { Ok(()) } else { Err(format!("these are not the same at every size: {}", grown.join(", ")).into()) }
}
