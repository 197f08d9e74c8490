//! Static types: what the compiler knows of a value before it exists.
//!
//! Only as much of Go's type system as decides whether CrowdSec accepts an expression, and which
//! form of an operator it compiles to. Whatever comes out of `evt.Unmarshaled` is [`Ty::Any`].

pub(crate) mod structs;

use crate::value::IntKind;

/// A static type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ty {
    /// Known at run time only.
    Any,
    Nil,
    Bool,
    Int,
    Sized(IntKind),
    Float,
    Float32,
    Str,
    Time,
    Duration,
    /// A Go slice of this type.
    List(&'static Ty),
    /// `[]any` whose elements are known to be of this type (array literals, `map`).
    Items(&'static Ty),
    /// A Go map from string to this type.
    Map(&'static Ty),
    /// A structure by value.
    Struct(&'static Struct),
    /// A pointer to a structure.
    Ptr(&'static Struct),
    /// A pointer to a plain value.
    PtrTo(&'static Ty),
}

pub(crate) static ANY: Ty = Ty::Any;
pub(crate) static STR: Ty = Ty::Str;
pub(crate) static INT: Ty = Ty::Int;
pub(crate) static FLOAT: Ty = Ty::Float;
pub(crate) static BOOL: Ty = Ty::Bool;
pub(crate) static TIME: Ty = Ty::Time;
pub(crate) static DURATION: Ty = Ty::Duration;
pub(crate) static STRING_MAP: Ty = Ty::Map(&STR);
pub(crate) static EVENT: Ty = Ty::Struct(&structs::EVENT);

/// A structure's fields and methods.
#[derive(Debug)]
pub(crate) struct Struct {
    /// Go's name.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [(&'static str, Ty)],
    pub(crate) methods: &'static [Method],
}

/// A method of a structure.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// Only a pointer has it.
    pub(crate) needs_pointer: bool,
    pub(crate) params: &'static [Ty],
    /// Further arguments of any type are accepted.
    pub(crate) is_variadic: bool,
    pub(crate) result: Ty,
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Struct {
    pub(crate) fn field(&self, name: &str) -> Option<Ty> {
        self.fields
            .iter()
            .find(|field| field.0 == name)
            .map(|field| field.1)
    }

    pub(crate) fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

impl Ty {
    /// The type without a pointer to a plain value.
    pub(crate) fn deref(self) -> Self {
        match self {
            Self::PtrTo(inner) => *inner,
            other => other,
        }
    }

    pub(crate) fn is_any(self) -> bool {
        self == Self::Any
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Self::Int | Self::Sized(_))
    }

    pub(crate) fn is_number(self) -> bool {
        self.is_integer() || matches!(self, Self::Float | Self::Float32)
    }

    /// Never a list, a map or a structure.
    pub(crate) fn is_plain(self) -> bool {
        match self {
            Self::Nil | Self::Bool | Self::Str | Self::Time | Self::Duration => true,
            Self::PtrTo(inner) => inner.is_plain(),
            other => other.is_number(),
        }
    }

    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::List(_) | Self::Items(_))
    }

    /// Whether nil is a value of the type, as far as the compiler can tell.
    pub(crate) fn is_nullable(self) -> bool {
        matches!(
            self,
            Self::Any
                | Self::Nil
                | Self::List(_)
                | Self::Items(_)
                | Self::Map(_)
                | Self::Ptr(_)
                | Self::PtrTo(_)
        )
    }

    /// What indexing or iterating gives.
    pub(crate) fn element(self) -> Self {
        match self {
            Self::List(element) | Self::Items(element) | Self::Map(element) => *element,
            _ => Self::Any,
        }
    }

    /// `[]any` with elements of this type.
    pub(crate) fn items(self) -> Self {
        Self::Items(match self {
            Self::Str => &STR,
            Self::Int => &INT,
            Self::Float => &FLOAT,
            Self::Bool => &BOOL,
            Self::Time => &TIME,
            Self::Duration => &DURATION,
            Self::Struct(one) if *one == structs::EVENT => &EVENT,
            Self::Map(&Self::Str) => &STRING_MAP,
            _ => &ANY,
        })
    }

    /// What either of two branches gives.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nil, ty) | (ty, Self::Nil) if ty.is_nullable() => ty,
            (one, two) if one == two => one,
            _ => Self::Any,
        }
    }

    /// Whether a value of the type `self` may be passed where `wanted` is declared.
    pub(crate) fn fits(self, wanted: Self) -> bool {
        if self == wanted || wanted.is_any() || self.is_any() {
            return true;
        }
        match (self, wanted) {
            (Self::Nil, _) => wanted.is_nullable(),
            (Self::PtrTo(inner), _) => inner.fits(wanted),
            // Literals are converted; other integers are not, but the difference shows nowhere.
            (Self::Int | Self::Sized(_), Self::Float) => true,
            (Self::Sized(_), Self::Int) => false,
            _ => false,
        }
    }

    /// How messages call the type.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Nil => "nil".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Sized(kind) => kind.type_name().to_owned(),
            Self::Float => "float64".to_owned(),
            Self::Float32 => "float32".to_owned(),
            Self::Str => "string".to_owned(),
            Self::Time => "time.Time".to_owned(),
            Self::Duration => "time.Duration".to_owned(),
            Self::List(element) => format!("[]{}", element.name()),
            Self::Items(_) => "[]any".to_owned(),
            Self::Map(element) => format!("map[string]{}", element.name()),
            Self::Struct(one) => one.name.to_owned(),
            Self::Ptr(one) => format!("*{}", one.name),
            Self::PtrTo(inner) => format!("*{}", inner.name()),
        }
    }
}
