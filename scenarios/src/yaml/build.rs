//! Events of the YAML scanner to documents, without recursion.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::{
    BYTES_MAX, DEPTH_MAX, DOCUMENTS_MAX, Data, Document, Entry, Mark, NODES_MAX, Node, Scalar,
    Style, YamlError,
};

/// Reads every document of a stream.
///
/// # Errors
/// The first place that is not YAML, or the first limit that was reached. A document with duplicate
/// keys is no error here: it carries its [`Document::problems`].
pub fn parse(text: &str) -> Result<Vec<Document>, YamlError> {
    if text.len() > BYTES_MAX {
        let message = format!("file is longer than {BYTES_MAX} bytes");
        return Err(YamlError {
            at: Mark::default(),
            message,
        });
    }
    // A byte order mark is no content; the scanner would take it for the first key's.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            at: mark(error.marker()),
            message: lowercase_first(error.info()),
        })?;
        builder.event(event, span)?;
    }
    Ok(builder.documents)
}

/// A collection that is not complete yet.
struct Frame {
    start: Mark,
    anchor: usize,
    extent: Extent,
    open: Open,
}

/// How large a value is with its aliases expanded.
#[derive(Clone, Copy)]
struct Extent {
    /// Values inside, itself included.
    size: usize,
    /// Levels of collections, itself included.
    depth: usize,
}

impl Extent {
    const SCALAR: Extent = Extent { size: 1, depth: 0 };
    const EMPTY: Extent = Extent { size: 1, depth: 1 };

    fn add(&mut self, inner: Extent) {
        self.size = self.size.saturating_add(inner.size);
        self.depth = self.depth.max(inner.depth.saturating_add(1));
    }
}

enum Open {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        key: Option<Key>,
    },
}

struct Key {
    text: Arc<str>,
    style: Style,
    at: Mark,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Document>,
    problems: Vec<YamlError>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, Extent)>,
    n_nodes: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let start = mark(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let scalar = Scalar {
                    text: Arc::from(&*text),
                    style,
                    tag: core_tag(tag.as_deref()),
                };
                let node = Node {
                    start,
                    end: mark(&span.end),
                    data: Data::Scalar(scalar),
                };
                self.complete(node, anchor, Extent::SCALAR)
            }
            Event::Alias(id) => {
                let Some((node, extent)) = self.anchors.get(&id) else {
                    let message =
                        "alias of an anchor that contains it or stands in another document"
                            .to_owned();
                    return Err(YamlError { at: start, message });
                };
                let (node, extent) = (node.clone(), *extent);
                self.complete(node, 0, extent)
            }
            Event::SequenceStart(anchor, _) => self.open(start, anchor, Open::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.open(
                start,
                anchor,
                Open::Map {
                    entries: Vec::new(),
                    key: None,
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.close(mark(&span.end)),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
        }
    }

    fn open(&mut self, start: Mark, anchor: usize, open: Open) -> Result<(), YamlError> {
        self.check_depth(Extent::EMPTY, start)?;
        self.frames.push(Frame {
            start,
            anchor,
            extent: Extent::EMPTY,
            open,
        });
        Ok(())
    }

    fn close(&mut self, end: Mark) -> Result<(), YamlError> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        // The collection itself; what is inside was counted as it came.
        self.count(1, frame.start)?;
        let data = match frame.open {
            Open::List(items) => Data::List(Arc::from(items)),
            Open::Map { entries, .. } => Data::Map(Arc::from(self.resolve(entries))),
        };
        let node = Node {
            start: frame.start,
            end,
            data,
        };
        self.place(node, frame.anchor, frame.extent)
    }

    fn complete(&mut self, node: Node, anchor: usize, extent: Extent) -> Result<(), YamlError> {
        self.check_depth(extent, node.start)?;
        self.count(extent.size, node.start)?;
        self.place(node, anchor, extent)
    }

    fn check_depth(&self, inner: Extent, at: Mark) -> Result<(), YamlError> {
        if self.frames.len().saturating_add(inner.depth) > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} levels of nesting");
            return Err(YamlError { at, message });
        }
        Ok(())
    }

    fn count(&mut self, size: usize, at: Mark) -> Result<(), YamlError> {
        self.n_nodes = self.n_nodes.saturating_add(size);
        if self.n_nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, aliases expanded");
            return Err(YamlError { at, message });
        }
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn place(&mut self, node: Node, anchor: usize, extent: Extent) -> Result<(), YamlError> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), extent));
        }
        let Some(frame) = self.frames.last_mut() else {
            if self.documents.len() >= DOCUMENTS_MAX {
                let message = format!("more than {DOCUMENTS_MAX} documents");
                return Err(YamlError {
                    at: node.start,
                    message,
                });
            }
            let problems = std::mem::take(&mut self.problems);
            self.documents.push(Document {
                root: node,
                problems,
            });
            return Ok(());
        };
        frame.extent.add(extent);
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map { entries, key } => match key.take() {
                Some(Key { text, style, at }) => {
                    entries.push(Entry {
                        key: text,
                        key_style: style,
                        at,
                        value: node,
                        merged: false,
                    });
                }
                None => {
                    let Data::Scalar(scalar) = node.data else {
                        let message = format!("{} cannot be a key", node.data.kind());
                        return Err(YamlError {
                            at: node.start,
                            message,
                        });
                    };
                    *key = Some(Key {
                        text: scalar.text,
                        style: scalar.style,
                        at: node.start,
                    });
                }
            },
        }
        Ok(())
    }

    /// Finds duplicate keys and replaces `<<` by what it merges.
    ///
    /// As in yaml.v2 a merge stands where it is written: keys after it override its keys, and its
    /// keys override those before it. Of several merged maps, the first has precedence.
    fn resolve(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut seen: HashSet<Arc<str>> = HashSet::with_capacity(entries.len());
        let mut resolved = Vec::with_capacity(entries.len());
        for entry in entries {
            if &*entry.key == "<<" && entry.key_style == Style::Plain {
                self.merge(&entry, &mut resolved);
                continue;
            }
            if !seen.insert(Arc::clone(&entry.key)) {
                let message = format!("duplicate key `{}`", crate::diagnostic::shown(&entry.key));
                self.problems.push(YamlError {
                    at: entry.at,
                    message,
                });
            }
            resolved.push(entry);
        }
        resolved
    }

    fn merge(&mut self, entry: &Entry, into: &mut Vec<Entry>) {
        let maps: Vec<&Node> = match &entry.value.data {
            Data::Map(_) => vec![&entry.value],
            Data::List(items) => items.iter().rev().collect(),
            Data::Scalar(_) => Vec::new(),
        };
        let wrong = maps.is_empty() || maps.iter().any(|map| !matches!(map.data, Data::Map(_)));
        if wrong {
            let message = "`<<` takes a map or a list of maps".to_owned();
            self.problems.push(YamlError {
                at: entry.at,
                message,
            });
            return;
        }
        for map in maps {
            if let Data::Map(merged) = &map.data {
                into.extend(merged.iter().cloned().map(|entry| Entry {
                    merged: true,
                    ..entry
                }));
            }
        }
    }
}

fn mark(marker: &Marker) -> Mark {
    let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Mark {
        line: to_u32(marker.line()),
        column: to_u32(marker.col().saturating_add(1)),
    }
}

fn core_tag(tag: Option<&Tag>) -> Option<Arc<str>> {
    tag.filter(|tag| tag.is_yaml_core_schema())
        .map(|tag| Arc::from(tag.suffix.as_str()))
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "not YAML".to_owned(),
    }
}
