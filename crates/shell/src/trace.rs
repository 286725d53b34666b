//! The trace that a request belongs to, carried from the API through the queues to the provider, so that the logs of all of them can be
//! found by one identifier. Format: W3C Trace Context, <https://www.w3.org/TR/trace-context/>.

use std::fmt;

use jiff::Timestamp;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::export::{self, Span};

/// The header, and the attribute of a queue's message, that carries the context.
pub const TRACEPARENT: &str = "traceparent";

/// Where AWS says which trace an invocation belongs to:
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>.
pub const X_AMZN_TRACE_ID: &str = "x-amzn-trace-id";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The trace that some work belongs to, and the work's own place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    /// This work.
    span: u64,
    /// What caused it.
    parent: Option<u64>,
    /// Whether it is recorded.
    sampled: bool,
}

impl TraceContext {
    /// The context that a `traceparent` describes; of versions to come, what this one knows of them.
    #[must_use]
    pub fn of_traceparent(value: &str) -> Option<Self> {
        let mut parts = value.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex(version, 2)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace, parent) = (hex(trace, 32).filter(|trace| *trace != 0)?, hex(parent, 16).filter(|parent| *parent != 0)?);
        Some(Self { trace, span: fresh(), parent: u64::try_from(parent).ok(), sampled: hex(flags, 2)? & 1 == 1 })
    }

    /// The context that AWS's own header describes: `Root=1-<8 digits>-<24 digits>;Parent=…;Sampled=1`.
    #[must_use]
    pub fn of_aws(value: &str) -> Option<Self> {
        let field = |name: &str| value.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let (time, random) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let trace = hex(time, 8)? << 96 | hex(random, 24)?;
        let parent = field("Parent").and_then(|parent| u64::try_from(hex(parent, 16)?).ok());
        (trace != 0).then(|| Self { trace, span: fresh(), parent, sampled: field("Sampled") == Some("1") })
    }

    /// A trace that begins here. It is recorded if this process can tell anybody.
    #[must_use]
    pub fn begin() -> Self {
        Self { trace: Uuid::new_v4().as_u128(), span: fresh(), parent: None, sampled: export::is_configured() }
    }

    /// The context of the work that is being done, if it has one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| *current).ok()
    }

    /// The `traceparent` of a call that this work makes.
    #[must_use]
    pub fn traceparent(self) -> String {
        format!("00-{self}-{:016x}-{:02x}", self.span, u8::from(self.sampled))
    }

    /// Does work, which has a name, in this context: its log lines have the trace's identifier, its calls pass it on, and it is told to a
    /// collector if one is configured and the trace is recorded.
    pub async fn within<F: Future>(self, name: &'static str, work: F) -> F::Output {
        let began = Timestamp::now();
        let done = CURRENT.scope(self, work.instrument(tracing::info_span!("trace", trace_id = %self))).await;
        if self.sampled {
            let Self { trace, span: id, parent, .. } = self;
            export::note(Span { trace, id, parent, name, began, ended: Timestamp::now() });
        }
        done
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.trace)
    }
}

/// An identifier of a piece of work; all zeros would be none.
fn fresh() -> u64 {
    Uuid::new_v4().as_u64_pair().0 | 1
}

/// A number of exactly so many lowercase hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let good = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    good.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_context_is_read_and_passed_on_with_a_parent_of_its_own() {
        let context = TraceContext::of_traceparent(&format!("00-{TRACE}-00f067aa0ba902b7-01")).unwrap();
        let passed = context.traceparent();
        assert!(passed.starts_with(&format!("00-{TRACE}-")) && passed.ends_with("-01"), "{passed}");
        assert_eq!(context.parent, Some(0x00f0_67aa_0ba9_02b7));
        let next = TraceContext::of_traceparent(&passed).unwrap();
        assert_eq!((next.trace, next.parent), (context.trace, Some(context.span)));
    }

    #[test]
    fn what_is_no_context_is_none() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let zeros = "0".repeat(32);
        for bad in [
            "",
            "00",
            &good[..54],
            &format!("{good}-more"),
            &format!("ff{}", &good[2..]),
            &good.to_uppercase(),
            &format!("00-{zeros}-00f067aa0ba902b7-01"),
            &format!("00-{TRACE}-0000000000000000-01"),
            &format!("00-{TRACE}-00f067aa0ba902b7-0x"),
            &good.replace('-', "_"),
        ] {
            assert_eq!(TraceContext::of_traceparent(bad), None, "{bad}");
        }
        assert!(TraceContext::of_traceparent(&format!("01-{TRACE}-00f067aa0ba902b7-00-more")).is_some(), "a version to come");
    }

    #[test]
    fn the_header_of_aws_is_the_same_trace() {
        let context = TraceContext::of_aws("Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1").unwrap();
        assert_eq!(context.to_string(), "67891233abcdef012345678912345678");
        assert!(context.traceparent().ends_with("-01"));
        assert_eq!(context.parent, Some(0x5399_5c3f_42cd_8ad8));
        for bad in ["", "Root=", "Root=2-67891233-abcdef012345678912345678", "Root=1-67891233-abc", "Parent=53995c3f42cd8ad8"] {
            assert_eq!(TraceContext::of_aws(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn work_in_a_context_knows_it_and_other_work_does_not() {
        let context = TraceContext::begin();
        assert_eq!(context.within("work", async { TraceContext::current() }).await, Some(context));
        assert_eq!(TraceContext::current(), None);
    }
}
