//! The files of a corpus, and changed copies of them.

use std::path::PathBuf;
use std::{fs, iter};

/// What a parser is likely to trip over, wherever it is put.
const WORDS: [&[u8]; 24] = [
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    b"\"",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"..",
    b"%00",
    b"=",
    b" ",
    b"9999-12-31T23:59:59Z",
];

/// Longer inputs are not made: what they find are limits, which have tests of their own.
const LONGEST: usize = 16 * 1024;

/// The inputs of one target that are worth keeping.
pub struct Corpus {
    /// The files' names and contents, in the order of the names.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Corpus {
    /// Reads the corpus of a target.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn of(target: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let listed = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = listed
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        Self { files }
    }

    /// So many inputs that are like those of the corpus, the same for the same seed.
    pub fn like(&self, seed: u64, count: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut chance = fastrand::Rng::with_seed(seed);
        iter::repeat_with(move || {
            let input = &self.files[chance.usize(..self.files.len())].1;
            let other = &self.files[chance.usize(..self.files.len())].1;
            mutate(input, other, &mut chance)
        })
        .take(count)
    }
}

/// An input with one to four changes; what is put in may be a part of another one.
fn mutate(input: &[u8], other: &[u8], chance: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..chance.usize(1..=4) {
        let at = chance.usize(..=bytes.len());
        let end = (at + chance.usize(..32)).min(bytes.len());
        match chance.u8(..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, chance.choice(WORDS).unwrap_or_default().iter().copied())),
            3 => drop(bytes.splice(at..end, chance.choice(WORDS).unwrap_or_default().iter().copied())),
            4 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << chance.u8(..8)),
            5 => {
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
            _ => {
                let from = chance.usize(..=other.len());
                let to = (from + chance.usize(..64)).min(other.len());
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}
