use std::io::Write;

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    log: Log,
}

fn fixture(limit: u64) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path().join("machine.log"), limit);
    Fixture { folder, log }
}

fn messages(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.message.as_str()).collect()
}

#[test]
fn a_reader_that_asks_after_its_last_line_sees_every_line_once_and_in_order() {
    let Fixture { folder: _folder, log } = fixture(1 << 20);
    let mut writer = log.writer().unwrap();
    let (mut seen, mut cursor) = (Vec::new(), 0);
    // Lines without a time, with an old one and with one in the future.
    for round in 0..20 {
        writeln!(writer, "plain {round}\n2020-01-01T00:00:00Z old {round}\n2999-01-01T00:00:00Z future {round}").unwrap();
        let lines = log.lines_after(cursor, 2).unwrap();
        cursor = lines.last().map_or(cursor, |line| line.timestamp_ns);
        seen.extend(lines);
    }
    seen.extend(log.lines_after(cursor, 1000).unwrap());
    assert_eq!(seen.len(), 60);
    assert!(seen.is_sorted_by(|one, next| one.timestamp_ns < next.timestamp_ns));
    assert_eq!(messages(&seen[..3]), ["plain 0", "2020-01-01T00:00:00Z old 0", "2999-01-01T00:00:00Z future 0"]);
}

#[test]
fn a_stated_time_between_two_looks_is_believed() {
    let Fixture { folder: _folder, log } = fixture(1 << 20);
    let mut writer = log.writer().unwrap();
    let now = jiff::Timestamp::now();
    writeln!(writer, r#"{{"time":"{now}","level":"error","message":"x"}}"#).unwrap();
    let lines = log.lines_after(0, 10).unwrap();
    assert_eq!((lines[0].timestamp_ns, lines[0].level), (i64::try_from(now.as_nanosecond()).unwrap(), "error"));
}

#[test]
fn times_stay_the_same_when_the_log_is_opened_again() {
    let Fixture { folder, log } = fixture(1 << 20);
    let mut writer = log.writer().unwrap();
    writeln!(writer, "one").unwrap();
    let before = log.lines_after(0, 10).unwrap();
    writeln!(writer, "two").unwrap();
    let again = Log::open(folder.path().join("machine.log"), 1 << 20);
    let after = again.lines_after(0, 10).unwrap();
    assert_eq!(messages(&after), ["one", "two"]);
    assert_eq!(after[0], before[0]);
}

#[test]
fn an_unfinished_line_waits_for_its_end_or_for_the_machines() {
    let Fixture { folder: _folder, log } = fixture(1 << 20);
    let mut writer = log.writer().unwrap();
    write!(writer, "half").unwrap();
    assert!(log.lines_after(0, 10).unwrap().is_empty());
    log.observe(true).unwrap();
    assert_eq!(messages(&log.lines_after(0, 10).unwrap()), ["half"]);
}

#[test]
fn a_log_that_grew_too_large_is_turned_under_its_writer_and_one_old_part_is_kept() {
    let Fixture { folder, log } = fixture(100);
    let mut writer = log.writer().unwrap();
    for round in 0..4 {
        writeln!(writer, "{round}{}", "x".repeat(150)).unwrap();
        log.observe(false).unwrap();
    }
    writeln!(writer, "last").unwrap();
    let lines = log.lines_after(0, 10).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].message.starts_with("3x") && lines[1].message == "last");
    assert_eq!(std::fs::metadata(folder.path().join("machine.log")).unwrap().len(), 5);
}

#[test]
fn the_log_is_held_for_as_long_as_somebody_has_it_open_for_writing() {
    let Fixture { folder: _folder, log } = fixture(100);
    let writer = log.writer().unwrap();
    let inherited = writer.try_clone().unwrap();
    drop(writer);
    assert!(log.is_held());
    drop(inherited);
    assert!(!log.is_held());
}
