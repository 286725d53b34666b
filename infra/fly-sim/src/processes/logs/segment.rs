//! One file of a log and its index.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::line::{self, Line};

/// A stretch of whole lines that two looks at the file enclose.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Chunk {
    /// Offsets in bytes.
    start: u64,
    end: u64,
    /// Its lines were written after this time: the look before, or the last line's time.
    after_ns: i64,
    /// The time of the look that found it.
    seen_ns: i64,
    /// The time that its last line got.
    last_ns: i64,
}

/// A file that grows and the looks at it so far.
pub(super) struct Segment {
    path: PathBuf,
    chunks: Vec<Chunk>,
    /// The latest look, or the last line's time if that is later.
    looked_ns: i64,
}

impl Segment {
    /// Opens a file with its index. What the index does not cover (its host was killed) counts as seen at the next look.
    pub(super) fn open(path: PathBuf) -> Self {
        let index = fs::read_to_string(index(&path)).unwrap_or_default();
        // The last line of an index may be torn.
        let mut chunks: Vec<Chunk> = index.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
        let looked_ns = chunks.last().map_or(0, |chunk| chunk.seen_ns.max(chunk.last_ns));
        let size = fs::metadata(&path).map_or(0, |file| file.len());
        if chunks.last().is_some_and(|chunk| chunk.end > size) {
            // The file was emptied and its host killed before it had emptied the index.
            chunks.clear();
        }
        Self { path, chunks, looked_ns }
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        match fs::metadata(&self.path) {
            Ok(file) => Ok(file.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn end(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.end)
    }

    /// Ends a line that its writer never will.
    pub(super) fn finish_last_line(&self) -> io::Result<()> {
        let size = self.size()?;
        if size <= self.end() {
            return Ok(());
        }
        let mut last = Vec::new();
        self.read(size - 1, size, &mut last)?;
        if last != b"\n" {
            OpenOptions::new().append(true).open(&self.path)?.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Notes the whole lines that came since the last look.
    pub(super) fn observe(&mut self, now_ns: i64) -> io::Result<()> {
        let now_ns = now_ns.max(self.looked_ns);
        let (start, size) = (self.end(), self.size()?);
        if size > start {
            let mut bytes = Vec::new();
            self.read(start, size, &mut bytes)?;
            if let Some(newline) = bytes.iter().rposition(|&byte| byte == b'\n') {
                bytes.truncate(newline + 1);
                let end = start + bytes.len() as u64;
                let mut chunk = Chunk { start, end, after_ns: self.looked_ns, seen_ns: now_ns, last_ns: self.looked_ns };
                if chunk.after_ns == 0 {
                    // The very first look: there is no earlier one to be after, and 1970 would be wrong for every unstamped line.
                    chunk.after_ns = now_ns - 1_000_000_000;
                }
                chunk.last_ns = stamp(&bytes, chunk).last().map_or(chunk.after_ns, |line| line.timestamp_ns);
                let mut index = OpenOptions::new().create(true).append(true).open(index(&self.path))?;
                let mut entry = serde_json::to_vec(&chunk)?;
                entry.push(b'\n');
                index.write_all(&entry)?;
                self.looked_ns = now_ns.max(chunk.last_ns);
                self.chunks.push(chunk);
                return Ok(());
            }
        }
        self.looked_ns = now_ns;
        Ok(())
    }

    /// Copies the file and its index over to another path and empties them. Lines written in between are lost: the price of never
    /// breaking the writers' open file.
    pub(super) fn turn_to(&mut self, path: &Path) -> io::Result<Self> {
        fs::copy(&self.path, path)?;
        fs::copy(index(&self.path), index(path))?;
        OpenOptions::new().write(true).open(&self.path)?.set_len(0)?;
        OpenOptions::new().write(true).open(index(&self.path))?.set_len(0)?;
        let chunks = std::mem::take(&mut self.chunks);
        Ok(Self { path: path.to_owned(), chunks, looked_ns: self.looked_ns })
    }

    /// Adds the lines after a time, until there are `limit`.
    pub(super) fn lines_after(&self, after_ns: i64, limit: usize, lines: &mut Vec<Line>) -> io::Result<()> {
        for chunk in self.chunks.iter().filter(|chunk| chunk.last_ns > after_ns) {
            if lines.len() >= limit {
                return Ok(());
            }
            let mut bytes = Vec::new();
            self.read(chunk.start, chunk.end, &mut bytes)?;
            lines.extend(stamp(&bytes, *chunk).filter(|line| line.timestamp_ns > after_ns).take(limit - lines.len()));
        }
        Ok(())
    }

    fn read(&self, start: u64, end: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(into)?;
        Ok(())
    }
}

/// The lines of a chunk with their times: the stated one or the one before, within the chunk's looks, and always later than the last.
fn stamp(bytes: &[u8], chunk: Chunk) -> impl Iterator<Item = Line> {
    let mut last = chunk.after_ns;
    bytes.split_inclusive(|&byte| byte == b'\n').map(move |line| {
        let text = String::from_utf8_lossy(line);
        let message = text.trim_end_matches(['\n', '\r']);
        let (stated, level) = line::read(message);
        last = stated.unwrap_or(last).min(chunk.seen_ns).max(last + 1);
        Line { timestamp_ns: last, level, message: message.to_owned() }
    })
}

fn index(path: &Path) -> PathBuf {
    path.with_extension("index")
}
