//! Finds the tests of single texts in a boolean expression.

use std::sync::Arc;

use overspill_golike::net;

use crate::boolean::{
    Bool, DynExpr, DynInner, FieldRef, FileRef, StrTest, Subject, Test, TextStep, Transform,
};
use crate::calls::{Effect, run_constant};
use crate::code::{Code, EventMethod, Loop, LoopKind, Node, PlainField, TextTest, reads_of};
use crate::files::DataFiles;
use crate::regex::Regex;
use crate::textual::Textual;
use crate::types::Ty;
use crate::value::{Bytes, Value};

/// The tree of tests of a node, unless it can only give something that is no boolean.
pub(super) fn boolean(
    node: &Node,
    ty: Ty,
    text: &str,
    n_locals: usize,
    files: Option<&DataFiles>,
) -> Option<Bool> {
    let mut finder = Finder {
        text,
        n_locals,
        files,
        lets: Vec::new(),
    };
    matches!(ty.deref(), Ty::Bool | Ty::Any).then(|| finder.tree(node))
}

/// The way to the text of a node, if it is made of fields and constants only.
pub(super) fn textual(
    node: &Node,
    text: &str,
    n_locals: usize,
    files: Option<&DataFiles>,
) -> Option<Textual> {
    let mut finder = Finder {
        text,
        n_locals,
        files,
        lets: Vec::new(),
    };
    finder.len(node).or_else(|| finder.textual(node))
}

struct Finder<'a> {
    text: &'a str,
    n_locals: usize,
    files: Option<&'a DataFiles>,
    /// Declarations around this place: number and value. All of them are without effects and
    /// cannot fail, so that it does not matter when or how often they are evaluated.
    lets: Vec<(usize, &'a Node)>,
}

impl<'a> Finder<'a> {
    fn textual(&mut self, node: &'a Node) -> Option<Textual> {
        match &node.code {
            Code::Const(Value::Str(bytes)) => Some(Textual::Const(Bytes::clone(bytes))),
            Code::Concat(items) => {
                let parts: Option<Vec<Textual>> =
                    items.iter().map(|item| self.textual(item)).collect();
                Some(Textual::Concat(parts?.into()))
            }
            Code::Cond(parts) if always_bool(&parts[0]) => {
                let condition = self.tree(&parts[0]);
                if condition.can_fail() || condition.has_effects() {
                    return None;
                }
                let branches = (self.textual(&parts[1])?, self.textual(&parts[2])?);
                Some(Textual::Cond(Box::new((condition, branches.0, branches.1))))
            }
            _ => self.subject(node).map(Textual::Subject),
        }
    }

    /// `len` of a field.
    fn len(&self, node: &'a Node) -> Option<Textual> {
        match &node.code {
            Code::Builtin(builtin, args) if builtin.name == "len" => {
                self.subject(args.first()?).map(Textual::Len)
            }
            _ => None,
        }
    }

    fn tree(&mut self, node: &'a Node) -> Bool {
        match &node.code {
            Code::Const(Value::Bool(value)) => Bool::Const(*value),
            Code::And(items) => joined(true, items.iter().map(|item| self.tree(item))),
            Code::Or(items) => joined(false, items.iter().map(|item| self.tree(item))),
            Code::Not(inner) => opposite(self.tree(inner)),
            // `c ? a : false` is `c and a`, and `c ? true : b` is `c or b`.
            Code::Cond(parts) if parts[2].constant_bool() == Some(false) => {
                joined(true, [self.tree(&parts[0]), self.tree(&parts[1])])
            }
            Code::Cond(parts) if parts[1].constant_bool() == Some(true) => {
                joined(false, [self.tree(&parts[0]), self.tree(&parts[2])])
            }
            Code::Let(number, parts) if self.lets.len() < LETS_MAX && is_quiet(&parts[0]) => {
                self.lets.push((*number, &parts[0]));
                let body = self.tree(&parts[1]);
                self.lets.pop();
                body
            }
            Code::Local(number) if self.declared(*number).is_some_and(always_bool) => {
                match self.declared(*number) {
                    Some(value) => self.tree(value),
                    None => self.general(node),
                }
            }
            _ => self.test_of(node).unwrap_or_else(|| self.general(node)),
        }
    }

    /// The value of a declaration around this place.
    fn declared(&self, number: usize) -> Option<&'a Node> {
        let mut lets = self.lets.iter();
        lets.find(|(known, _)| *known == number)
            .map(|(_, value)| *value)
    }

    /// The general evaluation of a node, with the declarations it uses before it.
    fn general(&self, node: &Node) -> Bool {
        let mut node = node.clone();
        for (number, value) in self.lets.iter().rev() {
            if uses(&node, *number) {
                let (span, can_fail) = (node.span, node.can_fail);
                let code = Code::Let(*number, Box::new([(*value).clone(), node]));
                node = Node {
                    code,
                    span,
                    can_fail,
                };
            }
        }
        let reads = reads_of(&node);
        let gives_bool = always_bool(&node);
        let text = node.source(self.text).into();
        let inner = DynInner {
            node,
            n_locals: self.n_locals,
            text,
            reads,
            gives_bool,
        };
        Bool::Dyn(DynExpr {
            inner: Arc::new(inner),
        })
    }

    fn test_of(&self, node: &'a Node) -> Option<Bool> {
        let subject_and = |node: &'a Node, test: Test| Some(str_test(self.subject(node)?, test));
        match &node.code {
            Code::HasField(slot) => {
                let subject = Subject {
                    field: FieldRef::Slot(*slot),
                    transform: Transform::NONE,
                };
                Some(str_test(subject, Test::Present))
            }
            Code::Equal(is_negated, sides) => self
                .equality(*is_negated, &sides[0], &sides[1])
                .or_else(|| self.equality(*is_negated, &sides[1], &sides[0])),
            Code::TextTest(kind, sides) => {
                let part = Bytes::clone(sides[1].constant_str()?);
                subject_and(&sides[0], text_test(*kind, part))
            }
            Code::Matches(left, regex) => subject_and(left, Test::Matches(Arc::clone(regex))),
            Code::InStrings(left, set) => subject_and(left, Test::In(set.clone())),
            Code::In(sides) => {
                let file = self.lines_of(file_name(&sides[1])?, Transform::NONE);
                subject_and(&sides[0], Test::AnyEq(file))
            }
            Code::Loop(one) => self.loop_test(one).or_else(|| self.loop_gate(node, one)),
            Code::Helper(helper, args) if helper.name == "RegexpInFile" => {
                let [text, name] = &**args else { return None };
                let name = std::str::from_utf8(name.constant_str()?).ok()?;
                let file = FileRef {
                    name: name.into(),
                    transform: Transform::NONE,
                    lines: None,
                };
                subject_and(text, Test::RegexpInFile(file))
            }
            Code::Helper(helper, args) => {
                let test = address_test(helper.name, args.get(1))?;
                subject_and(args.first()?, test)
            }
            Code::Builtin(builtin, args) if builtin.name == "hasPrefix" => {
                let part = Bytes::clone(args.get(1)?.constant_str()?);
                subject_and(args.first()?, Test::StartsWith(part))
            }
            Code::Builtin(builtin, args) if builtin.name == "hasSuffix" => {
                let part = Bytes::clone(args.get(1)?.constant_str()?);
                subject_and(args.first()?, Test::EndsWith(part))
            }
            _ => None,
        }
    }

    fn equality(&self, is_negated: bool, left: &'a Node, right: &'a Node) -> Option<Bool> {
        let subject = self.subject(left)?;
        match right.constant()? {
            Value::Str(text) if is_negated => Some(str_test(subject, Test::Ne(Bytes::clone(text)))),
            Value::Str(text) => Some(str_test(subject, Test::Eq(Bytes::clone(text)))),
            // A missing key of a map of strings is the empty string, never nil.
            Value::Nil => Some(Bool::Const(is_negated)),
            _ => None,
        }
    }

    /// `any(File('f'), x contains #)` and the like.
    fn loop_test(&self, one: &'a Loop) -> Option<Bool> {
        let is_negated = match one.kind {
            LoopKind::Any => false,
            LoopKind::None => true,
            _ => return None,
        };
        let found = self.line_test(&file_name(&one.list)?, one.body.as_ref()?)?;
        Some(if is_negated {
            Bool::Not(Box::new(found))
        } else {
            found
        })
    }

    /// Whether some line of a file passes a test that also looks at fields.
    fn line_test(&self, name: &Arc<str>, body: &'a Node) -> Option<Bool> {
        // What the compiler drew together: none of these tests can fail, so their order is free.
        if let Code::Or(items) = &body.code {
            let items: Option<Vec<Bool>> = items
                .iter()
                .map(|item| self.line_test(name, item))
                .collect();
            return Some(joined(false, items?));
        }
        let known = |transform| self.lines_of(Arc::clone(name), transform);
        let (field, test) = match &body.code {
            Code::Equal(false, sides) => {
                let [left, right] = &**sides;
                match (self.line_transform(right), self.line_transform(left)) {
                    (Some(transform), _) => (left, Test::AnyEq(known(transform))),
                    (None, transform) => (right, Test::AnyEq(known(transform?))),
                }
            }
            Code::TextTest(kind, sides) => {
                let [field, line] = &**sides;
                let test = match (self.line_transform(line), kind) {
                    (Some(transform), TextTest::Contains) => Test::AnyContains(known(transform)),
                    (Some(transform), TextTest::StartsWith) => {
                        Test::AnyStartsWith(known(transform))
                    }
                    (Some(transform), TextTest::EndsWith) => Test::AnyEndsWith(known(transform)),
                    (None, TextTest::Contains) => {
                        Test::ContainsAny(texts_of_lines(line, &known(Transform::NONE))?.into())
                    }
                    (None, _) => return None,
                };
                (field, test)
            }
            // One that does not compile stays an error at run time.
            Code::MatchesComputed(sides) => {
                let [field, line] = &**sides;
                let texts = texts_of_lines(line, &known(Transform::NONE))?;
                if texts.len() > REGEXES_MAX {
                    return None;
                }
                let regexes: Option<Arc<[Regex]>> =
                    texts.iter().map(|text| Regex::compile(text).ok()).collect();
                (field, Test::MatchesAny(regexes?))
            }
            _ => return None,
        };
        Some(str_test(self.subject(field)?, test))
    }

    /// `any(File('f'), p ? y : false)`: nothing happens unless some line passes `p`, so that test
    /// goes first.
    fn loop_gate(&self, node: &Node, one: &'a Loop) -> Option<Bool> {
        let Code::Cond(parts) = &one.body.as_ref()?.code else {
            return None;
        };
        let [condition, _, otherwise] = &**parts;
        if one.kind != LoopKind::Any || otherwise.constant_bool() != Some(false) {
            return None;
        }
        let gate = self.line_test(&file_name(&one.list)?, condition)?;
        Some(joined(true, [gate, self.general(node)]))
    }

    /// A file and its lines after a change, if the files are known.
    fn lines_of(&self, name: Arc<str>, transform: Transform) -> FileRef {
        let lines = self
            .files
            .map(|files| files.changed_lines(&name, transform));
        FileRef {
            name,
            transform,
            lines,
        }
    }

    /// The field that a node reads, through known transforms.
    fn subject(&self, node: &'a Node) -> Option<Subject> {
        let (inner, transform) = self.transformed(node)?;
        let field = match &inner.code {
            Code::Slot(slot) => FieldRef::Slot(*slot),
            Code::Text(text) => FieldRef::Text(*text),
            _ => return None,
        };
        Some(Subject { field, transform })
    }

    /// What is done to the element of a loop, if the node is that.
    fn line_transform(&self, node: &'a Node) -> Option<Transform> {
        let (inner, transform) = self.transformed(node)?;
        matches!(inner.code, Code::Element).then_some(transform)
    }

    /// What a node is after known transforms, declarations looked up.
    fn transformed(&self, node: &'a Node) -> Option<(&'a Node, Transform)> {
        let (step, args) = match &node.code {
            Code::Helper(helper, args) => (TextStep::of_helper(helper.name), args),
            Code::Builtin(builtin, args) => (TextStep::of_builtin(builtin.name), args),
            Code::Local(number) => {
                return self.transformed(self.declared(*number)?);
            }
            _ => return Some((node, Transform::NONE)),
        };
        let [arg] = &**args else { return None };
        let (inner, transform) = self.transformed(arg)?;
        Some((inner, transform.then(step?)?))
    }
}

fn opposite(tree: Bool) -> Bool {
    match tree {
        Bool::Const(value) => Bool::Const(!value),
        Bool::Str(StrTest {
            subject,
            test: Test::Eq(text),
        }) => str_test(subject, Test::Ne(text)),
        Bool::Str(StrTest {
            subject,
            test: Test::Ne(text),
        }) => str_test(subject, Test::Eq(text)),
        Bool::Str(StrTest {
            subject,
            test: Test::In(set),
        }) => str_test(subject, Test::NotIn(set)),
        other => Bool::Not(Box::new(other)),
    }
}

fn str_test(subject: Subject, test: Test) -> Bool {
    Bool::Str(StrTest { subject, test })
}

fn text_test(kind: TextTest, part: Bytes) -> Test {
    match kind {
        TextTest::Contains => Test::Contains(part),
        TextTest::StartsWith => Test::StartsWith(part),
        TextTest::EndsWith => Test::EndsWith(part),
    }
}

/// The test of an address that a helper is. A range that is none leaves the helper as it is.
fn address_test(helper: &str, range: Option<&Node>) -> Option<Test> {
    Some(match helper {
        "IpInRange" => Test::InRange(net::parse_cidr(range?.constant_str()?)?),
        "IsIP" => Test::IsAddress { v4: true, v6: true },
        "IsIPV4" => Test::IsAddress {
            v4: true,
            v6: false,
        },
        "IsIPV6" => Test::IsAddress {
            v4: false,
            v6: true,
        },
        _ => return None,
    })
}

/// The constant name in `File('name')`.
pub(super) fn file_name(node: &Node) -> Option<Arc<str>> {
    let Code::Helper(helper, args) = &node.code else {
        return None;
    };
    let [name] = &**args else { return None };
    let name = std::str::from_utf8(name.constant_str()?).ok()?;
    (helper.name == "File").then(|| name.into())
}

/// What a node makes of each line of a file: the line itself, or what a pure helper makes of it and
/// constants. `None` when it is something else, the lines are not known or too many, or a helper
/// fails or gives no text.
fn texts_of_lines(node: &Node, file: &FileRef) -> Option<Vec<Bytes>> {
    let lines = file.lines.as_ref()?;
    if lines.len() > LINES_MAX {
        return None;
    }
    lines.iter().map(|line| text_of_line(node, line)).collect()
}

fn text_of_line(node: &Node, line: &Bytes) -> Option<Bytes> {
    let (helper, args) = match &node.code {
        Code::Element => return Some(Bytes::clone(line)),
        Code::Helper(helper, args) => (helper, args),
        _ => return None,
    };
    if helper.effect != Effect::Pure || helper.reads_files {
        return None;
    }
    let args: Option<Vec<Value>> = args
        .iter()
        .map(|arg| match &arg.code {
            Code::Element => Some(Value::Str(Bytes::clone(line))),
            _ => arg.constant().cloned(),
        })
        .collect();
    match run_constant(helper, &args?)? {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// `and` or `or` of these; operands of the same kind are taken apart. Only the last operand is
/// ever unchecked, and it stays last.
fn joined(is_and: bool, items: impl IntoIterator<Item = Bool>) -> Bool {
    let mut flat = Vec::new();
    for item in items {
        match item {
            Bool::And(inner) if is_and => flat.extend(inner),
            Bool::Or(inner) if !is_and => flat.extend(inner),
            other => flat.push(other),
        }
    }
    if is_and {
        Bool::And(flat.into())
    } else {
        Bool::Or(flat.into())
    }
}

/// Longest file whose lines are worked through at load for one expression.
const LINES_MAX: usize = 10_000;
/// Most lines that are compiled as regexes at load; of more, those in use are kept compiled.
const REGEXES_MAX: usize = 256;

/// Most declarations that are looked through, and the largest value of one, in nodes. Each part
/// that is left to the general evaluator gets a copy of those it uses.
const LETS_MAX: usize = 4;
const LET_NODES_MAX: usize = 16;

/// Whether it does not matter when and how often a value is computed.
fn is_quiet(value: &Node) -> bool {
    let mut n_nodes = 0;
    let mut open = vec![value];
    while let Some(node) = open.pop() {
        n_nodes += 1;
        if n_nodes > LET_NODES_MAX {
            return false;
        }
        open.extend(node.children());
    }
    !value.can_fail && !reads_of(value).effects
}

/// Whether a variable is read somewhere below a node.
fn uses(node: &Node, number: usize) -> bool {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if matches!(node.code, Code::Local(read) if read == number) {
            return true;
        }
        open.extend(node.children());
    }
    false
}

/// Whether a node gives nothing but booleans and errors, as far as its code tells.
fn always_bool(node: &Node) -> bool {
    match &node.code {
        Code::Const(Value::Bool(_))
        | Code::HasField(_)
        | Code::SetField(..)
        | Code::Not(_)
        | Code::Equal(..)
        | Code::Compare(..)
        | Code::TextTest(..)
        | Code::Matches(..)
        | Code::MatchesComputed(_)
        | Code::In(_)
        | Code::InStrings(..)
        | Code::InRange(..) => true,
        Code::EventCall(method, _) => {
            matches!(method, EventMethod::SetMeta | EventMethod::SetParsed)
        }
        Code::Plain(field) => matches!(
            field,
            PlainField::Whitelisted | PlainField::Process | PlainField::LineProcess
        ),
        Code::Loop(one) => matches!(
            one.kind,
            LoopKind::All | LoopKind::Any | LoopKind::None | LoopKind::One
        ),
        Code::Helper(helper, _) => helper.result == Ty::Bool,
        Code::And(items) | Code::Or(items) | Code::Seq(items) => {
            items.last().is_some_and(always_bool)
        }
        Code::Cond(parts) => always_bool(&parts[1]) && always_bool(&parts[2]),
        Code::Let(_, parts) => always_bool(&parts[1]),
        _ => false,
    }
}
