//! Fields and methods of `evt` that are known at load.

use overspill_event::{FieldMap, Slot, TextField};

use super::{Fails, Lowering, Typed};
use crate::ast::{Ast, Kind, Step, StepKind};
use crate::code::{Code, EventMethod, Node, PlainField};
use crate::env::EvtMode;
use crate::error::CompileError;
use crate::types::{ANY, STR, Ty, structs};
use crate::value::Part;

impl Lowering<'_> {
    /// A field of `evt` at the head of a chain, and how many steps it takes.
    pub(super) fn event_field(
        &mut self,
        ast: &Ast,
        base: &Ast,
        steps: &[Step],
    ) -> Result<Option<(Typed, usize)>, CompileError> {
        let is_event = matches!(&base.kind, Kind::Name(name) if &**name == "evt")
            && matches!(self.env.evt, EvtMode::Pointer | EvtMode::Value)
            && !self.locals.iter().any(|local| &*local.0 == "evt");
        let Some(first) = steps.first().filter(|_| is_event) else {
            return Ok(None);
        };
        if let StepKind::Method(name, args) = &first.kind {
            return Ok(Some((self.event_method(ast, name, args)?, 1)));
        }
        let Some(name) = self.constant_key(first) else {
            return Ok(None);
        };
        let second = steps.get(1).and_then(|step| self.constant_key(step));
        if let Some(map) = field_map(&name) {
            return match second {
                Some(key) => self.slot_read(ast, map, &key).map(|typed| Some((typed, 2))),
                None => Ok(Some((self.part(ast, Part::Fields(map), Ty::Map(&STR)), 1))),
            };
        }
        let found = match (name.as_str(), second) {
            ("Line", Some(second)) => match line_field(&second) {
                Some((code, ty)) => (self.typed(ast, code, ty, Fails::No), 2),
                None if second == "Labels" => {
                    return match steps.get(2).and_then(|step| self.constant_key(step)) {
                        Some(key) => {
                            let typed = self.slot_read(ast, FieldMap::Labels, &key)?;
                            Ok(Some((typed, 3)))
                        }
                        None => {
                            let part = Part::Fields(FieldMap::Labels);
                            Ok(Some((self.part(ast, part, Ty::Map(&STR)), 2)))
                        }
                    };
                }
                None => {
                    return Err(
                        self.error(ast, format!("type pipeline.Line has no field {second}"))
                    );
                }
            },
            ("Line", None) => (self.part(ast, Part::Line, Ty::Struct(&structs::LINE)), 1),
            ("Unmarshaled", Some(key)) => (
                self.typed(
                    ast,
                    Code::TreeKey(key.into_bytes().into()),
                    Ty::Any,
                    Fails::No,
                ),
                2,
            ),
            ("Unmarshaled", None) => (self.part(ast, Part::Tree, Ty::Map(&ANY)), 1),
            ("Overflow", _) => {
                let ty = Ty::Struct(&structs::OVERFLOW);
                (self.typed(ast, Code::Overflow, ty, Fails::No), 1)
            }
            ("Appsec", _) => (
                self.part(ast, Part::Appsec, Ty::Struct(&structs::APPSEC)),
                1,
            ),
            (name, _) => match plain_field(name) {
                Some((code, ty)) => (self.typed(ast, code, ty, Fails::No), 1),
                None => {
                    let message = format!("type *pipeline.Event has no field {name}");
                    return Err(self.error(ast, message));
                }
            },
        };
        Ok(Some(found))
    }

    fn part(&self, ast: &Ast, part: Part, ty: Ty) -> Typed {
        self.typed(ast, Code::Part(part), ty, Fails::No)
    }

    pub(super) fn slot(
        &mut self,
        ast: &Ast,
        map: FieldMap,
        key: &str,
    ) -> Result<Slot, CompileError> {
        let offset = ast.start;
        self.schema
            .intern(map, key)
            .map_err(|full| CompileError::at(self.text, offset, full.to_string()))
    }

    fn slot_read(&mut self, ast: &Ast, map: FieldMap, key: &str) -> Result<Typed, CompileError> {
        let slot = self.slot(ast, map, key)?;
        Ok(self.typed(ast, Code::Slot(slot), Ty::Str, Fails::No))
    }

    fn event_method(&mut self, ast: &Ast, name: &str, args: &[Ast]) -> Result<Typed, CompileError> {
        let Some(method) = structs::EVENT.method(name) else {
            return Err(self.no_method(ast, Ty::Ptr(&structs::EVENT), name));
        };
        let args = self.lower_all(args)?;
        self.check_arguments(ast, name, method.params, false, &args)?;
        if self.env.evt == EvtMode::Value {
            let code = Code::Fail("method index out of range");
            return Ok(self.typed(ast, code, method.result, Fails::Yes));
        }
        let key = args
            .first()
            .and_then(|arg| arg.node.constant_str())
            .cloned();
        let key = key.and_then(|key| String::from_utf8(key.to_vec()).ok());
        let are_texts = args.iter().all(|arg| arg.ty == Ty::Str);
        let fails = if are_texts {
            Fails::AsParts
        } else {
            Fails::Yes
        };
        let mut nodes: Vec<Node> = args.into_iter().map(|arg| arg.node).collect();
        let kind = match name {
            "SetMeta" => EventMethod::SetMeta,
            "SetParsed" => EventMethod::SetParsed,
            "GetMeta" => EventMethod::GetMeta,
            "GetType" => EventMethod::GetType,
            _ => EventMethod::ParseIpSources,
        };
        let code = match (kind, key) {
            (EventMethod::SetMeta | EventMethod::SetParsed, Some(key)) => {
                let map = if kind == EventMethod::SetMeta {
                    FieldMap::Meta
                } else {
                    FieldMap::Parsed
                };
                let slot = self.slot(ast, map, &key)?;
                match nodes.pop() {
                    Some(value) => Code::SetField(slot, Box::new(value)),
                    None => Code::Fail("method takes two arguments"),
                }
            }
            (_, key) => {
                if let (EventMethod::GetMeta, Some(key)) = (kind, key) {
                    // So that the key has a slot, wherever the value is looked up.
                    self.slot(ast, FieldMap::Meta, &key)?;
                }
                Code::EventCall(kind, nodes.into())
            }
        };
        Ok(self.typed(ast, code, method.result, fails))
    }
}

pub(super) fn field_map(name: &str) -> Option<FieldMap> {
    Some(match name {
        "Parsed" => FieldMap::Parsed,
        "Meta" => FieldMap::Meta,
        "Enriched" => FieldMap::Enriched,
        _ => return None,
    })
}

fn line_field(name: &str) -> Option<(Code, Ty)> {
    Some(match name {
        "Raw" => (Code::Text(TextField::LineRaw), Ty::Str),
        "Src" => (Code::Text(TextField::LineSrc), Ty::Str),
        "Module" => (Code::Text(TextField::LineModule), Ty::Str),
        "Time" => (Code::Plain(PlainField::LineTime), Ty::Time),
        "Process" => (Code::Plain(PlainField::LineProcess), Ty::Bool),
        _ => return None,
    })
}

fn plain_field(name: &str) -> Option<(Code, Ty)> {
    Some(match name {
        "Type" => (Code::Plain(PlainField::Type), Ty::Int),
        "ExpectMode" => (Code::Plain(PlainField::ExpectMode), Ty::Int),
        "Whitelisted" => (Code::Plain(PlainField::Whitelisted), Ty::Bool),
        "Process" => (Code::Plain(PlainField::Process), Ty::Bool),
        "Time" => (Code::Plain(PlainField::Time), Ty::Time),
        "WhitelistReason" => (Code::Text(TextField::WhitelistReason), Ty::Str),
        "Stage" => (Code::Text(TextField::Stage), Ty::Str),
        "StrTime" => (Code::Text(TextField::StrTime), Ty::Str),
        "StrTimeFormat" => (Code::Text(TextField::StrTimeFormat), Ty::Str),
        "MarshaledTime" => (Code::Text(TextField::MarshaledTime), Ty::Str),
        _ => return None,
    })
}
