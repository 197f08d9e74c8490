//! Text to program: parse, check and resolve, find the tests of fields.

mod call;
mod event;
mod fold;
mod logic;
mod member;
mod operator;
mod predicate;
mod tests_of_fields;

use overspill_event::SchemaBuilder;

use crate::ast::{Ast, Kind, Unary};
use crate::code::{Code, Node, reads_of};
use crate::env::{Env, EvtMode};
use crate::error::CompileError;
use crate::files::DataFiles;
use crate::parse::parse;
use crate::program::{Inner, Program, Shape};
use crate::tail::Tail;
use crate::types::{STR, Ty, structs};
use crate::value::{Bytes, IntKind, Items, List, Part, Value};

/// Compiles expressions; the fields they name become slots of a schema.
pub struct Compiler<'s> {
    schema: &'s mut SchemaBuilder,
    files: Option<&'s DataFiles>,
}

impl<'s> Compiler<'s> {
    /// A compiler that adds to a schema.
    pub fn new(schema: &'s mut SchemaBuilder) -> Self {
        Self {
            schema,
            files: None,
        }
    }

    /// Makes the lines of these files part of the tests that name them ([`crate::FileRef::lines`]).
    /// The programs must then be run with the same files.
    #[must_use]
    pub fn with_files(mut self, files: &'s DataFiles) -> Self {
        self.files = Some(files);
        self
    }

    /// Compiles one expression for a place.
    ///
    /// # Errors
    /// [`CompileError`] where CrowdSec refuses the text at load.
    pub fn compile(&mut self, text: &str, env: &Env) -> Result<Program, CompileError> {
        let ast = parse(text, env)?;
        let mut lowering = Lowering {
            text,
            env,
            schema: &mut *self.schema,
            locals: Vec::new(),
            n_locals: 0,
            elements: Vec::new(),
        };
        let typed = lowering.lower(&ast)?;
        let n_locals = lowering.n_locals;
        let reads = reads_of(&typed.node);
        let shape = match &typed.node.code {
            Code::Slot(slot) => Shape::Field(*slot),
            Code::Text(field) => Shape::Text(*field),
            Code::Const(Value::Str(bytes)) => Shape::Const(Bytes::clone(bytes)),
            _ => Shape::Other,
        };
        let textual = tests_of_fields::textual(&typed.node, text, n_locals, self.files);
        let tail = Tail::of(&typed.node, |node| {
            tests_of_fields::boolean(node, Ty::Bool, text, n_locals, self.files)
        });
        let boolean = tests_of_fields::boolean(&typed.node, typed.ty, text, n_locals, self.files);
        let other_type = !matches!(typed.ty, Ty::Any | Ty::Str);
        let other_type = other_type.then(|| typed.ty.name().into());
        let inner = Inner {
            text: text.into(),
            root: typed.node,
            n_locals,
            boolean,
            textual,
            tail,
            shape,
            reads,
            other_type,
        };
        Ok(Program::new(inner))
    }
}

/// A lowered node and its static type.
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) ty: Ty,
}

struct Lowering<'a> {
    text: &'a str,
    env: &'a Env,
    schema: &'a mut SchemaBuilder,
    /// Declared variables that are in sight: name, number, type.
    locals: Vec<(Box<str>, usize, Ty)>,
    n_locals: usize,
    /// Types of the elements of the surrounding loops: element, accumulator.
    elements: Vec<(Ty, Ty)>,
}

impl Lowering<'_> {
    fn error(&self, ast: &Ast, message: impl Into<String>) -> CompileError {
        CompileError::at(self.text, ast.start, message)
    }

    fn typed(&self, ast: &Ast, code: Code, ty: Ty, fails: Fails) -> Typed {
        Typed {
            node: node(ast, code, fails),
            ty,
        }
    }

    fn lower(&mut self, ast: &Ast) -> Result<Typed, CompileError> {
        let constant =
            |value: Value, ty: Ty| Ok(self.typed(ast, Code::Const(value), ty, Fails::No));
        match &ast.kind {
            Kind::Nil => constant(Value::Nil, Ty::Nil),
            Kind::Bool(value) => constant(Value::Bool(*value), Ty::Bool),
            Kind::Int(value) => constant(Value::Int(*value), Ty::Int),
            Kind::Float(value) => constant(Value::Float(*value), Ty::Float),
            Kind::Str(value) => constant(Value::Str(Bytes::clone(value)), Ty::Str),
            Kind::ByteStr(value) => {
                let items = value
                    .iter()
                    .map(|b| Value::Sized(i64::from(*b), IntKind::Uint8));
                let list = List::Typed(std::sync::Arc::new(Items::new(items.collect())), "uint8");
                constant(Value::List(list), Ty::List(&crate::types::ANY))
            }
            Kind::Name(name) => self.name(ast, name),
            Kind::Element | Kind::ElementIndex | Kind::Accumulator => self.element(ast),
            Kind::Unary(op, inner) => self.unary(ast, *op, inner),
            Kind::Binary(op, sides) => self.binary(ast, *op, sides),
            Kind::Logic(is_and, items) => self.logic(ast, *is_and, items),
            Kind::Sum(items) => self.sum(ast, items),
            Kind::Cond(parts) => self.cond(ast, parts),
            Kind::Chain(base, steps) => self.chain(ast, base, steps),
            Kind::Call {
                name,
                args,
                is_builtin,
            } => self.call(ast, name, args, *is_builtin),
            Kind::Predicate(_) => Err(self.error(ast, "a predicate stands alone")),
            Kind::Let { name, value, body } => self.declaration(ast, name, value, body),
            Kind::Seq(items) => self.sequence(ast, items),
            Kind::List(items) => self.list(ast, items),
            Kind::Map(entries) => self.map(ast, entries),
        }
    }

    fn name(&mut self, ast: &Ast, name: &str) -> Result<Typed, CompileError> {
        if let Some((_, number, ty)) = self.locals.iter().rev().find(|local| *local.0 == *name) {
            return Ok(self.typed(ast, Code::Local(*number), *ty, Fails::No));
        }
        if name == "evt" && self.env.evt != EvtMode::Absent {
            let code = match self.env.evt {
                EvtMode::Nil => Code::Const(Value::Nil),
                _ => Code::Part(Part::Whole),
            };
            return Ok(self.typed(ast, code, Ty::Ptr(&structs::EVENT), Fails::No));
        }
        if let Some(at) = self.env.vars.iter().position(|var| var.0 == name) {
            return Ok(self.typed(ast, Code::Var(at), self.env.vars[at].1, Fails::No));
        }
        if name == "$env" {
            return Err(self.error(ast, "$env is not supported"));
        }
        Err(self.error(ast, format!("unknown name {name}")))
    }

    fn element(&mut self, ast: &Ast) -> Result<Typed, CompileError> {
        let Some((element, accumulator)) = self.elements.last().copied() else {
            return Err(self.error(ast, "# is used outside of a predicate"));
        };
        let (code, ty) = match ast.kind {
            Kind::ElementIndex => (Code::ElementIndex, Ty::Int),
            Kind::Accumulator => (Code::Accumulator, accumulator),
            _ => (Code::Element, element),
        };
        Ok(self.typed(ast, code, ty, Fails::No))
    }

    fn unary(&mut self, ast: &Ast, op: Unary, inner: &Ast) -> Result<Typed, CompileError> {
        let inner = self.lower(inner)?;
        let ty = inner.ty.deref();
        let fits = match op {
            Unary::Not => matches!(ty, Ty::Bool | Ty::Any | Ty::Nil),
            Unary::Minus | Unary::Plus => ty.is_number() || matches!(ty, Ty::Any | Ty::Nil),
        };
        if !fits {
            let op = match op {
                Unary::Not => "not",
                Unary::Minus => "-",
                Unary::Plus => "+",
            };
            let message = format!("invalid operation: {op} (mismatched type {})", ty.name());
            return Err(self.error(ast, message));
        }
        let fails = if ty.is_any() || ty == Ty::Nil {
            Fails::Yes
        } else {
            Fails::AsParts
        };
        let folded = fold::unary(op, &inner.node);
        let (code, ty) = match (op, folded) {
            (Unary::Not, Some(value)) => (Code::Const(value), Ty::Bool),
            (Unary::Not, None) => (Code::Not(Box::new(inner.node)), Ty::Bool),
            (_, Some(value)) => (Code::Const(value), ty),
            (Unary::Minus, None) => (Code::Negate(Box::new(inner.node)), ty),
            (Unary::Plus, None) => (Code::Identity(Box::new(inner.node)), ty),
        };
        Ok(self.typed(ast, code, ty, fails))
    }

    fn cond(&mut self, ast: &Ast, parts: &[Ast; 3]) -> Result<Typed, CompileError> {
        let condition = self.lower(&parts[0])?;
        let then = self.lower(&parts[1])?;
        let otherwise = self.lower(&parts[2])?;
        if !matches!(condition.ty.deref(), Ty::Bool | Ty::Any | Ty::Nil) {
            let message = format!(
                "non-bool expression (type {}) used as condition",
                condition.ty.name()
            );
            return Err(self.error(&parts[0], message));
        }
        let ty = then.ty.join(otherwise.ty);
        let fails = if condition.ty == Ty::Bool {
            Fails::AsParts
        } else {
            Fails::Yes
        };
        let code = Code::Cond(Box::new([condition.node, then.node, otherwise.node]));
        Ok(self.typed(ast, code, ty, fails))
    }

    fn declaration(
        &mut self,
        ast: &Ast,
        name: &str,
        value: &Ast,
        body: &Ast,
    ) -> Result<Typed, CompileError> {
        let value = self.lower(value)?;
        let is_taken = self.env.defines(name)
            || crate::calls::is_helper(name)
            || crate::builtins::is_builtin(name)
            || self.locals.iter().any(|local| *local.0 == *name);
        if is_taken {
            return Err(self.error(ast, format!("cannot redeclare {name}")));
        }
        let number = self.n_locals;
        self.n_locals += 1;
        self.locals.push((name.into(), number, value.ty));
        let body = self.lower(body)?;
        self.locals.pop();
        let ty = body.ty;
        let code = Code::Let(number, Box::new([value.node, body.node]));
        Ok(self.typed(ast, code, ty, Fails::AsParts))
    }

    fn sequence(&mut self, ast: &Ast, items: &[Ast]) -> Result<Typed, CompileError> {
        let items = self.lower_all(items)?;
        let ty = items.last().map_or(Ty::Nil, |item| item.ty);
        let nodes = items.into_iter().map(|item| item.node).collect();
        Ok(self.typed(ast, Code::Seq(nodes), ty, Fails::AsParts))
    }

    fn list(&mut self, ast: &Ast, items: &[Ast]) -> Result<Typed, CompileError> {
        let items = self.lower_all(items)?;
        let element = match items.first() {
            Some(first) if items.iter().all(|item| item.ty == first.ty) => first.ty,
            _ => Ty::Any,
        };
        let constants: Option<Vec<Value>> = items
            .iter()
            .map(|item| item.node.constant().cloned())
            .collect();
        let (code, fails) = match constants {
            Some(values) => (Code::Const(Value::list(values)), Fails::No),
            None => {
                let fails = nesting(items.iter().map(|item| item.ty));
                let nodes = items.into_iter().map(|item| item.node).collect();
                (Code::List(nodes), fails)
            }
        };
        Ok(self.typed(ast, code, element.items(), fails))
    }

    fn map(&mut self, ast: &Ast, entries: &[(Ast, Ast)]) -> Result<Typed, CompileError> {
        let mut nodes = Vec::new();
        let mut fails = Fails::AsParts;
        for (key, value) in entries {
            let key = self.lower(key)?;
            if key.ty != STR {
                fails = Fails::Yes;
            }
            let value = self.lower(value)?;
            if nesting([value.ty]) == Fails::Yes {
                fails = Fails::Yes;
            }
            nodes.push((key.node, value.node));
        }
        Ok(self.typed(
            ast,
            Code::Map(nodes.into()),
            Ty::Map(&crate::types::ANY),
            fails,
        ))
    }

    fn lower_all(&mut self, items: &[Ast]) -> Result<Vec<Typed>, CompileError> {
        items.iter().map(|item| self.lower(item)).collect()
    }
}

/// Whether an operation can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    /// Never, whatever its parts.
    No,
    /// If one of its parts can.
    AsParts,
    /// Always possible.
    Yes,
}

/// Whether a list or map of such values may nest too deeply: it cannot if all of them are plain.
fn nesting(values: impl IntoIterator<Item = Ty>) -> Fails {
    if values.into_iter().all(Ty::is_plain) {
        Fails::AsParts
    } else {
        Fails::Yes
    }
}

fn node(ast: &Ast, code: Code, fails: Fails) -> Node {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mut node = Node {
        code,
        span: (place(ast.start), place(ast.end)),
        can_fail: false,
    };
    node.can_fail = match fails {
        Fails::No => false,
        Fails::AsParts => node.children().into_iter().any(|child| child.can_fail),
        Fails::Yes => true,
    };
    node
}
