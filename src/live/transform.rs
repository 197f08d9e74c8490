//! CrowdSec's `transform` of acquisitions: an expression over each line, as read from `crowdsec`'s
//! `pkg/acquisition/acquisition.go` (a88b497b4) and its documentation.
//!
//! A text takes the place of the line, a list of texts makes a line of each. Whatever else comes out, or an error,
//! leaves the line as it is and is counted.

use std::sync::{Arc, Mutex, PoisonError};

use overspill_connectors::transform::{Made, Transform};
use overspill_event::{Event, Position, SchemaBuilder};
use overspill_expr::{Compiler, Context, Env, NoStash, Services, Value};
use overspill_golike::time::Time;

use crate::wire::chain;

/// Compiles one. Data files and databases are those of the content.
///
/// # Errors
/// What is wrong with the expression.
pub(super) fn compile(text: &str, services: &Services) -> Result<Transform, String> {
    let mut schema = SchemaBuilder::new();
    let program = Compiler::new(&mut schema)
        .compile(text, &Env::event())
        .map_err(|error| chain(&error))?;
    // One thread reads a source, so nobody waits for it.
    let event = Mutex::new(Event::new(schema.freeze()));
    let services = services.clone();
    Ok(Transform::new(move |line, origin, arrival_ns| {
        let mut event = event.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Time::from_unix_ns(arrival_ns);
        event.begin_line(origin, line, Position::default());
        event.arrival_time = now;
        let value = program.eval(&mut Context {
            evt: Some(&mut event),
            vars: &[],
            stash: &mut NoStash,
            services: &services,
            now,
        });
        match value {
            Ok(value) => made(&value),
            Err(error) => Made::unchanged(format!("transform: {}", chain(&error))),
        }
    }))
}

/// What a result says of the line.
fn made(value: &Value) -> Made {
    let text = |value: &Value| value.as_bytes().map(Arc::<[u8]>::from);
    if let Value::List(items) = value {
        let lines: Vec<_> = items.iter().map(|item| text(&item)).collect();
        let n_odd = lines.iter().filter(|line| line.is_none()).count();
        let trouble = (n_odd > 0).then(|| {
            format!(
                "transform: {n_odd} of {} elements are no texts",
                lines.len()
            )
        });
        return Made { lines, trouble };
    }
    match text(value) {
        Some(text) => Made {
            lines: vec![Some(text)],
            trouble: None,
        },
        None => Made::unchanged("transform: the result is neither a text nor a list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use overspill_connectors::LiveSource;
    use overspill_connectors::acquis::{Acquisition, Surroundings, Value as Tree, read};
    use overspill_connectors::source::{
        Batch, Begun, Count, Left, Outlet, PartitionId, Position as Place, Resume, Turn,
        system_clock,
    };
    use overspill_scenarios::yaml;

    use super::*;

    #[derive(Default)]
    struct Lines(Vec<String>);

    impl Outlet for Lines {
        fn begin(&mut self, _begun: Begun) {}

        fn has_room(&mut self, _partition: PartitionId) -> bool {
            true
        }

        fn give(&mut self, batch: Batch) {
            let text = |line| String::from_utf8_lossy(batch.lines.bytes(line)).into_owned();
            self.0.extend(batch.lines.lines.iter().map(text));
        }

        fn caught_up(&mut self, _partition: PartitionId, _as_of_ns: i64, _position: Place) {}

        fn end(&mut self, _partition: PartitionId, _left: Left) {}
    }

    /// A document that reads a file once, with this transform.
    fn acquisition(path: &std::path::Path, transform: &str) -> (Option<Acquisition>, Vec<String>) {
        let text = format!(
            "filename: {}\nmode: cat\nlabels: {{ type: x }}\ntransform: {transform:?}\n",
            path.display()
        );
        let documents = yaml::parse(&text).unwrap();
        let tree: Tree = super::super::sources::value(&documents[0].root);
        let surroundings = Surroundings {
            file: "a.yaml",
            exclude: &|_| Err("none here".to_owned()),
            transform: &|text| compile(text, &Services::none()),
            state_dir: std::path::Path::new("/state"),
            tenants: &BTreeMap::new(),
        };
        let (acquisition, findings) = read(&tree, &surroundings);
        let findings = findings.iter().map(ToString::to_string).collect();
        (acquisition, findings)
    }

    /// What the lines of a text become, how many were left as they were, and the reasons.
    fn lines(text: &str, transform: &str) -> (Vec<String>, u64, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, text).unwrap();
        let (acquisition, findings) = acquisition(&path, transform);
        assert_eq!(findings, Vec::<String>::new());
        let built = acquisition.unwrap().build(Resume::First, system_clock());
        let mut source: Box<dyn LiveSource> = built.unwrap();
        let mut outlet = Lines::default();
        while source.poll(&mut outlet, std::time::Duration::ZERO).unwrap() != Turn::Ended {}
        let counters = source.counters();
        let samples = counters
            .take_samples()
            .into_iter()
            .map(|sample| sample.text);
        (
            outlet.0,
            counters.get(Count::TransformErrors),
            samples.collect(),
        )
    }

    fn check(text: &str, transform: &str, expected: &[&str]) {
        let (made, n_errors, reasons) = lines(text, transform);
        assert_eq!(made, expected, "{transform}");
        assert_eq!(n_errors, 0, "{reasons:?}");
    }

    #[test]
    fn texts_take_the_place_of_the_line_and_lists_make_lines_of_their_texts() {
        check("a b\nc d\n", "evt.Line.Raw + '!'", &["a b!", "c d!"]);
        check(
            "a b\nc d\n",
            "Split(evt.Line.Raw, ' ')",
            &["a", "b", "c", "d"],
        );
        check(
            "one\n",
            "evt.Line.Labels.type + evt.Line.Module",
            &["xfile"],
        );
        check(
            "{\"Records\":[{\"a\":1},{\"b\":\"two\"}]}\n",
            "map(JsonExtractSlice(evt.Line.Raw, 'Records'), ToJsonString(#))",
            &["{\"a\":1}", "{\"b\":\"two\"}"],
        );
        // A list of none leaves the line out, so it is a filter.
        check(
            "keep 1\ndrop 2\nkeep 3\n",
            "evt.Line.Raw startsWith 'drop' ? [] : [evt.Line.Raw]",
            &["keep 1", "keep 3"],
        );
    }

    #[test]
    fn what_is_no_text_leaves_the_line_and_is_counted() {
        for (transform, n_copies, why) in [
            ("nil", 1, "neither a text nor a list"),
            ("5", 1, "neither a text nor a list"),
            ("evt.Line.Raw == 'a'", 1, "neither a text nor a list"),
            ("['x', 5]", 1, "1 of 2 elements are no texts"),
            ("[1, 2]", 2, "2 of 2 elements are no texts"),
            ("fromJSON(evt.Line.Raw)", 1, "transform: "),
        ] {
            let (made, n_errors, reasons) = lines("a\n", transform);
            let copies = made.iter().filter(|line| *line == "a").count();
            assert_eq!((copies, n_errors), (n_copies, 1), "{transform}: {made:?}");
            assert!(reasons[0].contains(why), "{transform}: {reasons:?}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_compiled_refuses_its_document() {
        let path = std::path::Path::new("/a.log");
        for transform in ["evt.Line.Rawest", "map(", "nobody(evt)"] {
            let (acquisition, findings) = acquisition(path, transform);
            assert!(acquisition.is_none());
            assert!(
                findings[0].starts_with("a.yaml:4:12: key `transform`: "),
                "{findings:?}"
            );
        }
    }
}
