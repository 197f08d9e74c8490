//! A document as a flat list of elements, and the search for one of them.

use super::path::{Filter, Function, Name, Path, Selector};
use super::reader::{Reader, Token};

/// Most steps of one search. Only paths with several `//` in large documents get there; what is
/// not found by then is not found.
const STEPS_MAX: usize = 4_000_000;

/// A document.
#[derive(Debug)]
pub struct Document {
    /// In the order of their start tags; the first one is the document itself.
    elements: Vec<Element>,
    /// Decoded names, texts and values, one after another.
    strings: Vec<u8>,
}

/// A piece of the strings.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    start: usize,
    end: usize,
}

#[derive(Debug, Default)]
struct Element {
    parent: Option<usize>,
    prefix: Piece,
    tag: Piece,
    text: Piece,
    attributes: Vec<Attribute>,
    children: Vec<usize>,
}

#[derive(Debug)]
struct Attribute {
    prefix: Piece,
    name: Piece,
    value: Piece,
}

/// An element of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementId(usize);

impl Document {
    /// Reads a document; `None` if it is malformed.
    #[must_use]
    pub fn parse(xml: &[u8]) -> Option<Self> {
        let mut document = Self {
            elements: vec![Element::default()],
            strings: Vec::new(),
        };
        let mut reader = Reader::new(xml);
        let mut open = vec![0_usize];
        // The element whose text goes on, if the last thing read was its start tag, its text or a
        // comment. Its text is the last of the strings then.
        let mut texting = Some(0);
        while let Some(token) = reader.next()? {
            let top = *open.last()?;
            match token {
                Token::Start {
                    name,
                    attributes,
                    is_empty,
                } => {
                    let id = document.add(top, &name, attributes);
                    if !is_empty {
                        open.push(id);
                    }
                    texting = Some(id).filter(|_| !is_empty);
                }
                Token::End { name } => {
                    let (prefix, tag) = split_name(&name);
                    let element = &document.elements[top];
                    if top == 0
                        || document.piece(element.tag) != tag
                        || document.piece(element.prefix) != prefix
                    {
                        return None;
                    }
                    open.pop();
                    texting = None;
                }
                Token::Text(text) => {
                    if texting == Some(top) {
                        document.add_text(top, &text);
                    }
                }
                Token::Comment => {}
                Token::Other => texting = None,
            }
        }
        (open.len() == 1).then_some(document)
    }

    /// The first element at a path.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<ElementId> {
        let mut budget = STEPS_MAX;
        let mut found = vec![0];
        for segment in path.segments() {
            let mut next = Vec::new();
            for element in found {
                let mut candidates = self.select(element, &segment.selector, &mut budget)?;
                for filter in &segment.filters {
                    candidates = self.filter(candidates, filter, &mut budget)?;
                }
                next.append(&mut candidates);
            }
            found = next;
        }
        found.first().copied().map(ElementId)
    }

    /// What stands directly after an element's start tag, comments left out.
    #[must_use]
    pub fn text(&self, element: ElementId) -> &[u8] {
        self.elements
            .get(element.0)
            .map_or(&[], |element| self.piece(element.text))
    }

    /// The value of an attribute. A name without prefix fits any prefix.
    #[must_use]
    pub fn attribute(&self, element: ElementId, name: &[u8]) -> Option<&[u8]> {
        let name = Name::new(name);
        let attributes = &self.elements.get(element.0)?.attributes;
        let found = attributes
            .iter()
            .find(|attribute| self.fits(&name, attribute.prefix, attribute.name))?;
        Some(self.piece(found.value))
    }

    fn piece(&self, piece: Piece) -> &[u8] {
        self.strings.get(piece.start..piece.end).unwrap_or_default()
    }

    fn keep(&mut self, text: &[u8]) -> Piece {
        let start = self.strings.len();
        self.strings.extend_from_slice(text);
        Piece {
            start,
            end: self.strings.len(),
        }
    }

    fn add(&mut self, parent: usize, name: &[u8], attributes: Vec<(Vec<u8>, Vec<u8>)>) -> usize {
        let id = self.elements.len();
        let (prefix, tag) = split_name(name);
        let mut element = Element {
            parent: Some(parent),
            prefix: self.keep(prefix),
            tag: self.keep(tag),
            ..Element::default()
        };
        for (name, value) in unique(attributes) {
            let (prefix, name) = split_name(&name);
            let (prefix, name) = (self.keep(prefix), self.keep(name));
            let value = self.keep(&value);
            element.attributes.push(Attribute {
                prefix,
                name,
                value,
            });
        }
        self.elements.push(element);
        self.elements[parent].children.push(id);
        id
    }

    fn add_text(&mut self, element: usize, text: &[u8]) {
        let added = self.keep(text);
        let text = &mut self.elements[element].text;
        if text.start == text.end {
            *text = added;
        } else {
            text.end = added.end;
        }
    }

    fn fits(&self, wanted: &Name, prefix: Piece, name: Piece) -> bool {
        (wanted.prefix.is_empty() || *wanted.prefix == *self.piece(prefix))
            && *wanted.local == *self.piece(name)
    }

    fn select(
        &self,
        element: usize,
        selector: &Selector,
        budget: &mut usize,
    ) -> Option<Vec<usize>> {
        let children = self.elements[element].children.as_slice();
        *budget = budget.checked_sub(1 + children.len())?;
        Some(match selector {
            Selector::Itself => vec![element],
            Selector::Root => vec![0],
            Selector::Parent => self.elements[element].parent.into_iter().collect(),
            Selector::Children => children.to_vec(),
            Selector::Tag(name) => children
                .iter()
                .copied()
                .filter(|child| self.is_named(*child, name))
                .collect(),
            Selector::Descendants => {
                let mut found = vec![element];
                let mut at = 0;
                while let Some(next) = found.get(at).copied() {
                    let children = &self.elements[next].children;
                    *budget = budget.checked_sub(1 + children.len())?;
                    found.extend_from_slice(children);
                    at += 1;
                }
                found
            }
        })
    }

    fn is_named(&self, element: usize, name: &Name) -> bool {
        self.fits(
            name,
            self.elements[element].prefix,
            self.elements[element].tag,
        )
    }

    fn filter(
        &self,
        candidates: Vec<usize>,
        filter: &Filter,
        budget: &mut usize,
    ) -> Option<Vec<usize>> {
        *budget = budget.checked_sub(1 + candidates.len())?;
        if let Filter::Position(position) = filter {
            let index = if *position < 0 {
                candidates.len().checked_sub(position.unsigned_abs())
            } else {
                Some(position.unsigned_abs())
            };
            return Some(
                index
                    .and_then(|index| candidates.get(index).copied())
                    .into_iter()
                    .collect(),
            );
        }
        let mut kept = Vec::new();
        for candidate in candidates {
            let element = &self.elements[candidate];
            *budget = budget.checked_sub(element.attributes.len() + element.children.len())?;
            // An element is kept once for each child that fits: positions count that way.
            let times = match filter {
                Filter::Child { name, text } => element
                    .children
                    .iter()
                    .filter(|child| self.is_named(**child, name))
                    .filter(|child| {
                        let own = self.piece(self.elements[**child].text);
                        text.as_deref().is_none_or(|text| text == own)
                    })
                    .count(),
                filter => usize::from(self.holds(candidate, filter)),
            };
            kept.extend(std::iter::repeat_n(candidate, times));
        }
        Some(kept)
    }

    fn holds(&self, id: usize, filter: &Filter) -> bool {
        let element = &self.elements[id];
        match filter {
            Filter::Attribute { name, value } => element.attributes.iter().any(|attribute| {
                self.fits(name, attribute.prefix, attribute.name)
                    && value
                        .as_deref()
                        .is_none_or(|value| value == self.piece(attribute.value))
            }),
            Filter::Function { function, value } => {
                let result = self.call(id, *function);
                match value {
                    Some(value) => result == **value,
                    None => !result.is_empty(),
                }
            }
            Filter::Child { .. } | Filter::Position(_) => {
                unreachable!("filters that count are dealt with where they count")
            }
        }
    }

    fn call(&self, id: usize, function: Function) -> Vec<u8> {
        let element = &self.elements[id];
        let (prefix, tag) = (self.piece(element.prefix), self.piece(element.tag));
        match function {
            Function::Text => self.piece(element.text).to_vec(),
            Function::LocalName => tag.to_vec(),
            Function::NamespacePrefix => prefix.to_vec(),
            Function::Name if prefix.is_empty() => tag.to_vec(),
            Function::Name => [prefix, b":", tag].concat(),
            Function::NamespaceUri => self.namespace_uri(id, prefix).to_vec(),
        }
    }

    fn namespace_uri(&self, id: usize, prefix: &[u8]) -> &[u8] {
        let mut at = Some(id);
        while let Some(element) = at.map(|id| &self.elements[id]) {
            let declared = element.attributes.iter().find(|attribute| {
                let (own_prefix, name) = (self.piece(attribute.prefix), self.piece(attribute.name));
                match prefix {
                    b"" => own_prefix.is_empty() && name == b"xmlns",
                    prefix => own_prefix == b"xmlns" && name == prefix,
                }
            });
            if let Some(attribute) = declared {
                return self.piece(attribute.value);
            }
            at = element.parent;
        }
        &[]
    }
}

/// Each attribute once, at its first place, with its last value.
fn unique(attributes: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut order: Vec<usize> = (0..attributes.len()).collect();
    order.sort_by(|left, right| attributes[*left].0.cmp(&attributes[*right].0));
    let mut last_value: Vec<Option<usize>> = vec![None; attributes.len()];
    for group in order.chunk_by(|left, right| attributes[*left].0 == attributes[*right].0) {
        if let (Some(first), Some(last)) = (group.first(), group.last()) {
            last_value[*first] = Some(*last);
        }
    }
    let kept = attributes.iter().zip(&last_value);
    kept.filter_map(|((name, _), last)| Some((name.clone(), attributes[(*last)?].1.clone())))
        .collect()
}

/// Prefix and local part of a name. A colon at either end belongs to the local part.
fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', name) {
        Some(at) if at > 0 && at + 1 < name.len() => (&name[..at], &name[at + 1..]),
        _ => (&[], name),
    }
}
