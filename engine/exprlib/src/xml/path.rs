//! Paths: steps between slashes, each a selector and filters in brackets.

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A bracket without its partner.
    #[error("path has invalid filter brackets")]
    Brackets,
    /// Nothing between brackets, or nothing before the equals sign.
    #[error("path contains an empty filter expression")]
    Empty,
    /// A quote without its partner.
    #[error("path has mismatched filter quotes")]
    Quotes,
    /// A function that there is not.
    #[error("path has unknown function {0:?}")]
    Function(String),
}

/// A compiled path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) selector: Selector,
    pub(super) filters: Vec<Filter>,
}

/// Which elements a step goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selector {
    /// `.`.
    Itself,
    /// A slash at the beginning.
    Root,
    /// `..`.
    Parent,
    /// `*`.
    Children,
    /// A name.
    Tag(Name),
    /// `//`: the element and all below it, level by level.
    Descendants,
}

/// Which of them it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    /// `[3]`, from 1 in the path and from 0 here; negative counts from the end.
    Position(isize),
    /// `[@name]` and `[@name='value']`.
    Attribute {
        name: Name,
        value: Option<Box<[u8]>>,
    },
    /// `[name]` and `[name='text']`.
    Child { name: Name, text: Option<Box<[u8]>> },
    /// `[text()]` and `[text()='text']`.
    Function {
        function: Function,
        value: Option<Box<[u8]>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Text,
    Name,
    LocalName,
    NamespacePrefix,
    NamespaceUri,
}

/// A name to be looked for; an empty prefix fits any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) prefix: Box<[u8]>,
    pub(super) local: Box<[u8]>,
}

impl Name {
    pub(super) fn new(text: &[u8]) -> Self {
        let (prefix, local) = match memchr::memchr(b':', text) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (&text[..0], text),
        };
        Self {
            prefix: prefix.into(),
            local: local.into(),
        }
    }
}

impl Path {
    /// Compiles a path.
    ///
    /// # Errors
    ///
    /// When a filter is malformed.
    pub fn compile(path: &[u8]) -> Result<Self, PathError> {
        // "Everything below" needs something to be below.
        let completed = if path.ends_with(b"//") {
            [path, b"*"].concat()
        } else {
            path.to_vec()
        };
        let mut segments = Vec::new();
        let rest = match completed.strip_prefix(b"/") {
            Some(rest) => {
                segments.push(Segment {
                    selector: Selector::Root,
                    filters: Vec::new(),
                });
                rest
            }
            None => &completed,
        };
        for part in split_outside_quotes(rest) {
            segments.push(Segment::compile(part)?);
        }
        Ok(Self { segments })
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

fn split_outside_quotes(path: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut open_quote = None;
    for (at, byte) in path.iter().enumerate() {
        match (open_quote, byte) {
            (None, b'\'' | b'"') => open_quote = Some(*byte),
            (None, b'/') => {
                parts.push(&path[start..at]);
                start = at + 1;
            }
            (Some(quote), byte) if quote == *byte => open_quote = None,
            _ => {}
        }
    }
    parts.push(&path[start..]);
    parts
}

impl Segment {
    fn compile(text: &[u8]) -> Result<Self, PathError> {
        let mut parts = text.split(|byte| *byte == b'[');
        let selector = match parts.next().unwrap_or_default() {
            b"." => Selector::Itself,
            b".." => Selector::Parent,
            b"*" => Selector::Children,
            b"" => Selector::Descendants,
            name => Selector::Tag(Name::new(name)),
        };
        let filters = parts
            .map(|part| Filter::compile(part.strip_suffix(b"]").ok_or(PathError::Brackets)?))
            .collect::<Result<_, _>>()?;
        Ok(Self { selector, filters })
    }
}

impl Filter {
    fn compile(text: &[u8]) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        let (key, value) = match memchr::memchr(b'=', text).map(|at| text.split_at(at)) {
            Some((key, [_, quote @ (b'\'' | b'"'), quoted @ ..])) => {
                match memchr::memchr(*quote, quoted) {
                    Some(end) if end + 1 == quoted.len() => (key, Some(quoted[..end].into())),
                    _ => return Err(PathError::Quotes),
                }
            }
            _ => (text, None),
        };
        if let Some(name) = key.strip_prefix(b"@") {
            return Ok(Self::Attribute {
                name: Name::new(name),
                value,
            });
        }
        if let Some(name) = key.strip_suffix(b"()") {
            return Ok(Self::Function {
                function: Function::from_name(name)?,
                value,
            });
        }
        if key.is_empty() {
            return Err(PathError::Empty);
        }
        match position(key).filter(|_| value.is_none()) {
            Some(position) => Ok(Self::Position(position)),
            None => Ok(Self::Child {
                name: Name::new(key),
                text: value,
            }),
        }
    }
}

fn position(text: &[u8]) -> Option<isize> {
    let number: isize = std::str::from_utf8(text).ok()?.parse().ok()?;
    // A plus sign makes it a name.
    (text.first() != Some(&b'+')).then_some(if number > 0 { number - 1 } else { number })
}

impl Function {
    fn from_name(name: &[u8]) -> Result<Self, PathError> {
        Ok(match name {
            b"text" => Self::Text,
            b"name" => Self::Name,
            b"local-name" => Self::LocalName,
            b"namespace-prefix" => Self::NamespacePrefix,
            b"namespace-uri" => Self::NamespaceUri,
            _ => {
                return Err(PathError::Function(
                    String::from_utf8_lossy(name).into_owned(),
                ));
            }
        })
    }
}
