//! A tenant's machine that answers with any bytes at all, and a second reading of what it answered.

use std::net::TcpListener as Bound;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// The machine says all that it has and hangs up: whoever waits for this long waits for something else.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is written for `{pages}`: longer than any report that is read.
const PAGES: usize = 70 * 1024;

/// What is written for `{flood}`: more than a client takes that stops reading, and the sockets between it and the machine.
const FLOOD: usize = 16 << 20;
const MOST_TAKEN: usize = 8 << 20;

static LONG: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b'x'; FLOOD]);

/// A report is read no further than this.
const LARGEST_REPORT: usize = 64 * 1024;

/// A head that ends later than this is none that a client takes.
const LARGEST_HEAD: usize = 1 << 20;

/// Characters of the machine's own that a sentence may have.
const LONGEST_PHASE: usize = 32;

/// A machine, and the one thread on which it is asked.
pub(crate) struct Machine {
    runtime: Runtime,
    listener: TcpListener,
    pub(crate) origin: String,
}

impl Machine {
    pub(crate) fn boot() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bound = Bound::bind("127.0.0.1:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let origin = format!("http://{}", bound.local_addr().unwrap());
        let listener = runtime.block_on(async { TcpListener::from_std(bound) }).unwrap();
        Self { runtime, listener, origin }
    }

    /// What comes of a call that is answered so. The machine answers once: a call that asks again, or elsewhere, waits in vain.
    pub(crate) fn says<T>(&self, answer: &[u8], call: impl Future<Output = T>) -> T {
        let both = async { tokio::join!(self.answer(answer), call) };
        let ended = self.runtime.block_on(async { timeout(PATIENCE, both).await });
        let (taken, outcome) = ended.expect("all is said, and the call goes on");
        assert!(taken <= MOST_TAKEN, "{taken} bytes of an answer were taken");
        outcome
    }

    /// Answers whoever comes, and says how much of the answer went out.
    async fn answer(&self, answer: &[u8]) -> usize {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_whole(&request) && matches!(stream.read_buf(&mut request).await, Ok(1..)) {}
        let mut taken = 0;
        while taken < answer.len() {
            // A client that has seen enough closes first.
            let Ok(more @ 1..) = stream.write(&answer[taken..]).await else { break };
            taken += more;
        }
        stream.shutdown().await.ok();
        // A socket that is closed with something unread is reset, and the answer may be lost with it.
        while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {}
        taken
    }
}

/// An order ends with its body, which is a JSON object; a question has none.
fn is_whole(request: &[u8]) -> bool {
    if request.starts_with(b"POST") { request.ends_with(b"}") } else { request.ends_with(b"\r\n\r\n") }
}

/// An answer with its long parts written out: files of a corpus are short.
pub(crate) fn spell_out(input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"{pages}") {
            bytes.extend_from_slice(&LONG[..PAGES]);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b"{flood}") {
            bytes.extend_from_slice(&LONG);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

/// A sentence for logs and timelines: ours but for a phase, and short with it.
pub(crate) fn assert_short(why: &str) {
    if let Some(phase) = why.strip_prefix("the gateway is ") {
        assert!(phase.chars().count() <= LONGEST_PHASE, "a machine writes pages: {why:?}");
        assert!(phase.chars().all(|c| c.is_ascii_lowercase() || "_?".contains(c)), "a machine writes what it likes: {why:?}");
    } else {
        assert!(why.len() <= 120 && why.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "a machine writes what it likes: {why:?}");
        assert!(!why.contains("127.0.0.1"), "an address is in {why:?}");
    }
}

/// What an answer says by RFC 9112. What is no HTTP at all may be read as anything here: it is asked of what a client has taken.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) phase: Option<String>,
}

impl Said {
    pub(crate) fn by(answer: &[u8]) -> Option<Self> {
        let mut rest = answer[..answer.len().min(LARGEST_HEAD)].trim_ascii_start();
        loop {
            let (status, fields);
            (status, fields, rest) = head(rest)?;
            // Those before the last one only say that there is more to come; whoever switches protocols says no more in this one.
            if !(100..200).contains(&status) || status == 101 {
                let report = body(&fields, rest).filter(|body| body.len() <= LARGEST_REPORT);
                let phase = report.as_deref().and_then(|report| member(member(report, "gateway")?, "phase"));
                let phase = phase.and_then(|text| serde_json::from_slice(text).ok());
                return Some(Self { status, phase });
            }
        }
    }

    /// Whether the supervisor says that its gateway answers: the status and the report say so, both.
    pub(crate) fn is_ready(&self) -> bool {
        self.status == 200 && self.phase.as_deref() == Some("ready")
    }
}

type Fields = Vec<(String, String)>;

/// A status, the fields of its head, and what comes after it.
fn head(bytes: &[u8]) -> Option<(u16, Fields, &[u8])> {
    let (first, mut rest) = line(bytes)?;
    let status = first.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    let mut fields = Vec::new();
    loop {
        let field;
        (field, rest) = line(rest)?;
        if field.is_empty() {
            return Some((status, fields, rest));
        }
        if let Some((name, value)) = String::from_utf8_lossy(field).split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

/// The body, if it has come to its end (section 6.3): two lengths are none.
fn body(fields: &Fields, rest: &[u8]) -> Option<Vec<u8>> {
    let of = |wanted: &'static str| fields.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if let Some(codings) = of("transfer-encoding").next_back() {
        let last = codings.rsplit(',').next().unwrap_or_default().trim();
        return if last.eq_ignore_ascii_case("chunked") { chunks(rest) } else { Some(rest.to_vec()) };
    }
    let mut lengths = of("content-length").flat_map(|value| value.split(',')).map(|length| length.trim().parse::<usize>());
    match lengths.next() {
        None => Some(rest.to_vec()),
        Some(Ok(length)) if lengths.all(|other| other == Ok(length)) => rest.get(..length).map(<[u8]>::to_vec),
        Some(_) => None,
    }
}

fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size;
        (size, rest) = line(rest)?;
        let size = std::str::from_utf8(size.split(|byte| *byte == b';').next()?).ok()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// The text of a member of a JSON object. Serde takes an array for a struct as well, and what stands first in it for the first field.
fn member<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let text = text.trim_ascii();
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    let parts = cut(inner, b',');
    if text.starts_with(b"[") {
        return parts.first().copied();
    }
    parts.into_iter().find_map(|part| {
        let key = *cut(part, b':').first()?;
        let is_it = serde_json::from_slice::<String>(key).is_ok_and(|key| key == name);
        is_it.then(|| part[key.len()..].trim_ascii_start().strip_prefix(b":"))?
    })
}

/// The parts of a JSON text between the marks that are in no string, object or array of it.
fn cut(text: &[u8], mark: u8) -> Vec<&[u8]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in text.iter().copied().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ if byte == mark && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
