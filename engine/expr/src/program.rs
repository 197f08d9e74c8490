//! A compiled expression.

mod explain;

use std::sync::Arc;

use overspill_event::{Keep, Slot, TextField};

use crate::boolean::{Bool, DynExpr, DynInner};
use crate::code::Node;
use crate::context::Context;
use crate::error::EvalError;
use crate::eval::Machine;
use crate::services::Counters;
use crate::tail::Tail;
use crate::textual::Textual;
use crate::value::{Bytes, Value};

/// A compiled expression. Cloning shares it.
#[derive(Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) text: Box<str>,
    pub(crate) root: Node,
    pub(crate) n_locals: usize,
    pub(crate) boolean: Option<Bool>,
    pub(crate) textual: Option<Textual>,
    pub(crate) tail: Option<Tail>,
    pub(crate) shape: Shape,
    pub(crate) reads: Reads,
    pub(crate) other_type: Option<Box<str>>,
}

/// Expressions simple enough that a caller may copy a span instead of evaluating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Exactly one field: `evt.Meta.x`.
    Field(Slot),
    /// Exactly one text: `evt.Line.Raw`.
    Text(TextField),
    /// A constant string.
    Const(Bytes),
    /// Anything else.
    Other,
}

/// What an expression reads, writes and may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// It reads or writes anything of `evt` itself; what follows may be of the elements of a queue.
    pub event: bool,
    /// Fields by slot, of `evt` and of the elements of a queue, sorted.
    pub slots: Vec<Slot>,
    /// Texts outside the maps.
    pub texts: Vec<TextField>,
    /// Fields that it sets, sorted.
    pub writes: Vec<Slot>,
    /// It sets fields whose names are computed.
    pub writes_any: bool,
    /// It looks into `evt.Unmarshaled`, or writes to it.
    pub tree: bool,
    /// It reads the raw line, its source, its module, its labels or the stage.
    pub line: bool,
    /// It reads fields of `evt.Parsed` or `evt.Enriched` by computed names, or the whole event.
    pub all: bool,
    /// It reads fields of `evt.Meta` by computed names.
    pub meta: bool,
    /// It reads the overflow.
    pub overflow: bool,
    /// It reads the event's or the current time.
    pub time: bool,
    /// The variables besides `evt` that it reads: bit n stands for that at place n of its
    /// environment, the last bit for all from there on.
    pub variables: u8,
    /// Its result depends on more than the event and data files: stash, network, databases, time.
    pub outside: bool,
    /// It reads anything else of the event: what kind it is, its flags, its sources.
    pub other: bool,
    /// It changes the event or logs.
    pub effects: bool,
    /// It can end with an error.
    pub can_fail: bool,
}

impl Reads {
    /// Whether it reads the variable at a place of its environment.
    #[must_use]
    pub fn reads_variable(&self, place: usize) -> bool {
        self.variables & bit(place) != 0
    }

    /// Whether it reads nothing but the fields in `slots` and `texts`, and data files, and changes
    /// nothing: it gives the same for the same texts.
    #[must_use]
    pub fn is_of_fields(&self) -> bool {
        let writes = self.writes_any || self.effects || !self.writes.is_empty();
        // The texts of the line are named one by one; what else is of the line is `other`.
        let more = self.tree || self.all || self.meta || self.overflow || self.time;
        !(writes || more || self.other || self.outside || self.variables != 0)
    }

    /// What a bucket must keep of an event so that the expression gives the same later.
    #[must_use]
    pub fn keep(&self) -> Keep {
        Keep {
            slots: self.slots.clone(),
            tree: self.tree,
            line: self.line,
            all: self.all,
        }
    }
}

/// The bit of [`Reads::variables`] for a place.
pub(crate) fn bit(place: usize) -> u8 {
    1 << place.min(7)
}

impl Program {
    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// Whether it is a plain field, text or constant.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.inner.shape
    }

    /// Which events of the queue it depends on, if that can be told: a condition.
    #[must_use]
    pub fn tail(&self) -> Option<&Tail> {
        self.inner.tail.as_ref()
    }

    /// The way to its text, if it is a simple one.
    #[must_use]
    pub fn as_textual(&self) -> Option<&Textual> {
        self.inner.textual.as_ref()
    }

    /// What it reads and whether it can fail.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.inner.reads
    }

    /// Go's name of the result's type, where that is known and is no string.
    #[must_use]
    pub fn type_unless_text(&self) -> Option<&str> {
        self.inner.other_type.as_deref()
    }

    /// The tree of tests, if the expression can only give a boolean (or fail).
    #[must_use]
    pub fn as_bool_tree(&self) -> Option<&Bool> {
        self.inner.boolean.as_ref()
    }

    /// The tree of tests; of an expression that gives no boolean, one general part.
    #[must_use]
    pub fn to_bool_tree(&self) -> Bool {
        self.inner.boolean.clone().unwrap_or_else(|| {
            Bool::Dyn(DynExpr {
                inner: Arc::new(DynInner {
                    node: self.inner.root.clone(),
                    n_locals: self.inner.n_locals,
                    text: self.inner.text.clone(),
                    reads: self.inner.reads.clone(),
                    gives_bool: false,
                }),
            })
        })
    }

    pub(crate) fn root(&self) -> &Node {
        &self.inner.root
    }

    pub(crate) fn n_locals(&self) -> usize {
        self.inner.n_locals
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// Whatever CrowdSec's machine would report as an error.
    pub fn eval(&self, cx: &mut Context<'_>) -> Result<Value, EvalError> {
        let counters = &cx.services.counters;
        let result = Machine::new(cx, self.inner.n_locals).eval(&self.inner.root);
        if result.is_err() {
            Counters::bump(&counters.errors);
        }
        result
    }

    /// Whether the expression, as a filter, holds.
    ///
    /// # Errors
    /// [`EvalError::NotBool`] when the result is something else, or as [`Program::eval`].
    pub fn eval_bool(&self, cx: &mut Context<'_>) -> Result<bool, EvalError> {
        match &self.inner.boolean {
            Some(tree) => tree.eval(cx),
            None => into_bool(&self.eval(cx)?),
        }
    }

    /// As [`Program::eval_bool`], but by the general evaluator alone. The two agree; tests and
    /// self-checks compare them.
    ///
    /// # Errors
    /// As [`Program::eval_bool`].
    pub fn eval_bool_reference(&self, cx: &mut Context<'_>) -> Result<bool, EvalError> {
        into_bool(&self.eval(cx)?)
    }

    /// Appends the result to `out` and answers true if it is a string; answers false, with `out`
    /// as it was, for any other result.
    ///
    /// # Errors
    /// As [`Program::eval`].
    pub fn eval_str(&self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Result<bool, EvalError> {
        let len = out.len();
        let result = match &self.inner.textual {
            Some(textual) if textual.is_integer() => Ok(false),
            Some(textual) => textual.append(cx, out).map(|()| true),
            None => Machine::new(cx, self.inner.n_locals).eval_str(&self.inner.root, out),
        };
        if !matches!(result, Ok(true)) {
            out.truncate(len);
        }
        result
    }

    /// Why a boolean expression does not hold: the source text of the first part that decided it
    /// and the value it saw; or that it fails, or gives no boolean. `None` when it is true.
    #[must_use]
    pub fn explain_false(&self, cx: &mut Context<'_>) -> Option<String> {
        explain::explain_false(self, cx)
    }
}

pub(crate) fn into_bool(value: &Value) -> Result<bool, EvalError> {
    match value {
        Value::Bool(value) => Ok(*value),
        other => Err(EvalError::NotBool {
            found: other.type_name(),
        }),
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Program").field(&self.text()).finish()
    }
}
