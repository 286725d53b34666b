//! The memory of one computer with nobody, a few and many instances on it.

use std::time::Duration;

use reqwest::Method;

use crate::Outcome;
use crate::memory::{Memory, children, descendants, megabytes};
use crate::program::Program;
use crate::table::Table;
use crate::vertical::wish;

/// As many as the largest plan allows one person.
const CROWDS: [usize; 3] = [0, 10, 100];

/// Instances that are made at the same time.
const AT_ONCE: usize = 5;

/// What came with the last instance is over by then.
const REST: Duration = Duration::from_secs(3);

pub(crate) async fn measure(program: &Program) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (running, _) = program.start(folder.path()).await?;
    let mut table = Table::new([
        "instances",
        "platform, resident",
        "its own",
        "a supervisor, its share",
        "a stand-in, its share",
        "all processes together",
    ]);
    let mut there = 0;
    for crowd in CROWDS {
        while there < crowd {
            let mut operations = Vec::new();
            for number in there..crowd.min(there + AT_ONCE) {
                let created = running.call(Method::POST, "/v1/instances", Some(wish(&format!("n{number}")))).await?;
                operations.push(created["operation"]["id"].as_str().unwrap_or_default().to_owned());
            }
            there += operations.len();
            for operation in operations {
                running.succeeded(&operation).await?;
            }
        }
        tokio::time::sleep(REST).await;
        let supervisors = children(running.pid(), "supervisor")?;
        let gateways = descendants(&supervisors, "stand-in")?;
        if supervisors.len() != crowd || gateways.len() != crowd {
            return Err(format!("{} supervisors and {} gateways run, not {crowd}", supervisors.len(), gateways.len()).into());
        }
        let platform = Memory::of(running.pid())?;
        let (supervisors, gateways) = (shares(&supervisors)?, shares(&gateways)?);
        let each = |all: u64| if crowd == 0 { "–".to_owned() } else { megabytes(all / crowd as u64) };
        table.row([
            crowd.to_string(),
            megabytes(platform.resident_kb),
            megabytes(platform.own_kb),
            each(supervisors),
            each(gateways),
            megabytes(platform.share_kb + supervisors + gateways),
        ]);
    }
    running.end()?;
    table.print("Memory of one computer; a share counts a page that processes have together once, divided among them (`Pss`):");
    Ok(())
}

fn shares(processes: &[u32]) -> Outcome<u64> {
    processes.iter().map(|pid| Ok(Memory::of(*pid)?.share_kb)).sum()
}
