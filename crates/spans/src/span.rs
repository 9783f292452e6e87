//! Spans under way, and as they are when they have ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::context::Context;
use crate::sink::Sink;

/// Text of ours: most of it is in the binary.
pub type Text = Cow<'static, str>;

/// What part a span has in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Work in between.
    Internal,
    /// It answers somebody else.
    Server,
    /// It asks somebody else.
    Client,
}

#[derive(Debug)]
pub(crate) enum Value {
    Text(Text),
    Number(i64),
}

/// What is told of it.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) context: Context,
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) name: Text,
    pub(crate) kind: Kind,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did.
    pub(crate) error: Option<Text>,
}

/// A place in a trace, under which spans can begin.
#[derive(Clone)]
pub struct Trace {
    pub(crate) sink: Arc<Sink>,
    pub(crate) context: Context,
}

impl Trace {
    /// Something begins that takes time.
    #[must_use]
    pub fn begin(&self, name: impl Into<Text>, kind: Kind) -> Box<Active> {
        Active::begin(&self.sink, self.context, Some(self.context.span), name.into(), kind)
    }

    /// As another node is told of it.
    #[must_use]
    pub fn context(&self) -> Context {
        self.context
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.context)
    }
}

/// A span under way. It ends when it is dropped, whatever the reason: so a request that is given up is seen,
/// too.
#[derive(Debug)]
pub struct Active {
    trace: Trace,
    began: Instant,
    /// Until it ends.
    span: Option<Span>,
}

impl Active {
    pub(crate) fn begin(
        sink: &Arc<Sink>,
        above: Context,
        parent: Option<[u8; 8]>,
        name: Text,
        kind: Kind,
    ) -> Box<Self> {
        let context = Context { span: sink.number().to_be_bytes(), ..above };
        let start = SystemTime::now();
        let span = Span {
            context,
            parent,
            name,
            kind,
            start,
            end: start,
            attributes: Vec::new(),
            error: None,
        };
        let trace = Trace { sink: Arc::clone(sink), context };
        Box::new(Self { trace, began: Instant::now(), span: Some(span) })
    }

    /// Where what is part of it begins.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Text about it. Never a key, a value, a token or a password: collectors are read by many.
    pub fn text(&mut self, name: &'static str, text: impl Into<Text>) {
        self.set(name, Value::Text(text.into()));
    }

    /// A number about it.
    pub fn number(&mut self, name: &'static str, number: impl TryInto<i64>) {
        self.set(name, Value::Number(number.try_into().unwrap_or(i64::MAX)));
    }

    /// It failed, for this reason.
    pub fn fail(&mut self, why: impl Into<Text>) {
        if let Some(span) = &mut self.span {
            span.error = Some(why.into());
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        if let Some(span) = &mut self.span {
            span.attributes.push((name, value));
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            // By the monotonic clock: a span that is set back ends before it begins.
            span.end = span.start + self.began.elapsed();
            self.trace.sink.put(span);
        }
    }
}
