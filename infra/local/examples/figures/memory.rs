//! How much memory the platform needs on one machine, and a supervisor in each of its machines; and what they do when nobody asks for
//! anything.

use std::time::Duration;

use reqwest::Method;

use crate::Outcome;
use crate::program::Program;
use crate::table::{Table, signed_ms};
use crate::vertical::wish;

const INSTANCES: u32 = 5;

/// For how long processes are watched that have nothing to do.
const WATCHED: Duration = Duration::from_secs(5);

/// The unit of processor time in `/proc`: a hundredth of a second (`USER_HZ`).
const TICK_MS: u32 = 10;

pub(crate) async fn measure(program: &Program) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (running, _) = program.start(folder.path()).await?;
    let mut table = Table::new(["process", "resident", "of that its own", "shared with its file"]);
    table.row(row("platform, no instance", &Memory::of(running.pid())?));
    for number in 0..INSTANCES {
        let created = running.call(Method::POST, "/v1/instances", Some(wish(&format!("n{number}")))).await?;
        running.succeeded(created["operation"]["id"].as_str().unwrap_or_default()).await?;
    }
    table.row(row(&format!("platform, {INSTANCES} instances"), &Memory::of(running.pid())?));
    let supervisors = children(running.pid(), "supervisor")?;
    for (name, processes) in [("supervisor", &supervisors), ("stand-in gateway", &descendants(&supervisors, "stand-in")?)] {
        if processes.len() != INSTANCES as usize {
            return Err(format!("{} processes of the kind {name} run, not {INSTANCES}", processes.len()).into());
        }
        let each = processes.iter().map(|pid| Memory::of(*pid)).collect::<Outcome<Vec<_>>>()?;
        let largest = each.iter().max_by_key(|memory| memory.resident_kb).ok_or("no process")?;
        table.row(row(&format!("{name}, the largest of {INSTANCES}"), largest));
    }
    let mut idle = Table::new(["process without anything to do", "processor time per second"]);
    for (name, processes) in [("platform", vec![running.pid()]), ("supervisors, all together", supervisors)] {
        let before = processor_ms(&processes)?;
        tokio::time::sleep(WATCHED).await;
        let spent = f64::from(processor_ms(&processes)? - before) / WATCHED.as_secs_f64();
        idle.row([name.to_owned(), signed_ms(spent)]);
    }
    running.end()?;
    table.print("Memory (debug builds map a program of more than 100 MB, of which what is touched counts as shared with its file):");
    idle.print(&format!("Idleness, with {INSTANCES} instances, over {} s:", WATCHED.as_secs()));
    Ok(())
}

/// Processor time that processes have used so far, in milliseconds: fields 14 and 15 of `/proc/<pid>/stat`.
fn processor_ms(processes: &[u32]) -> Outcome<u32> {
    let mut ticks = 0;
    for pid in processes {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the program's name in brackets and may hold anything.
        let (_, fields) = stat.rsplit_once(')').ok_or("the process has no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        for place in [11, 12] {
            ticks += fields.get(place).ok_or("the process has no times")?.parse::<u32>()?;
        }
    }
    Ok(ticks * TICK_MS)
}

fn row(name: &str, memory: &Memory) -> [String; 4] {
    [name.to_owned(), megabytes(memory.resident_kb), megabytes(memory.own_kb), megabytes(memory.file_kb)]
}

pub(crate) fn megabytes(kb: u64) -> String {
    format!("{:.1} MB", kb as f64 / 1024.0)
}

/// What the kernel says of a process (<https://docs.kernel.org/filesystems/proc.html>).
pub(crate) struct Memory {
    pub(crate) resident_kb: u64,
    pub(crate) own_kb: u64,
    pub(crate) file_kb: u64,
    /// Its part of everything: a page that several processes share counts for each by its share.
    pub(crate) share_kb: u64,
    pub(crate) threads: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Outcome<Self> {
        let [status, rollup] = ["status", "smaps_rollup"].map(|file| std::fs::read_to_string(format!("/proc/{pid}/{file}")));
        let (status, rollup) = (status?, rollup?);
        Ok(Self {
            resident_kb: field(&status, "VmRSS:")?,
            own_kb: field(&status, "RssAnon:")?,
            file_kb: field(&status, "RssFile:")?,
            share_kb: field(&rollup, "Pss:")?,
            threads: field(&status, "Threads:")?,
        })
    }
}

fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The children of a process whose command line has this word.
pub(crate) fn children(parent: u32, word: &str) -> Outcome<Vec<u32>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{parent}/task"))?.flatten() {
        let listed = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(listed.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    let is = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    found.retain(is);
    Ok(found)
}

pub(crate) fn descendants(parents: &[u32], word: &str) -> Outcome<Vec<u32>> {
    let nested = parents.iter().map(|parent| children(*parent, word)).collect::<Outcome<Vec<_>>>()?;
    Ok(nested.into_iter().flatten().collect())
}
