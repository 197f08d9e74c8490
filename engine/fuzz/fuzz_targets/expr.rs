//! Expressions: any source in any place, on an event that holds any bytes.
//!
//! ```text
//! place, one digit | source, UTF-8, up to a NUL | bytes of the event's fields
//! ```

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use overspill_event::{Alert, Event, Schema, SchemaBuilder};
use overspill_expr::{
    AlertObject, Compiler, Context, Env, EvalError, LeakyObject, LeakyView, Map, NoStash,
    OverflowObject, Program, QueueObject, RequestObject, Services, Value,
};
use overspill_fuzz::{Input, NOW, event, text};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let place = input.byte();
    let source = text(input.field());
    let probe = input.0;
    let env = match place {
        b'1' => Env::condition(),
        b'2' => Env::overflow_filter(),
        b'3' => Env::profile(),
        b'4' => Env::context(),
        b'5' => Env::assertions(),
        _ => Env::event(),
    };
    let mut builder = SchemaBuilder::new();
    let Ok(program) = Compiler::new(&mut builder).compile(source, &env) else {
        return;
    };
    let schema = builder.freeze();
    let case = Case {
        vars: variables(place, &schema, probe),
        // An overflow filter has an `evt` that is nil, a profile and an assertion have none.
        event: (!matches!(place, b'2' | b'3' | b'5')).then(|| event(&schema, probe)),
        services: Services::none(),
    };
    booleans(&program, &case);
    texts(&program, &case);
    if !program.reads().effects {
        let is_true = case.run(|cx| program.eval_bool_reference(cx)) == Ok(true);
        let why = case.run(|cx| program.explain_false(cx));
        assert!(!is_true || why.is_none(), "true, and explained: {why:?}");
    }
});

/// What an expression is evaluated on.
struct Case {
    vars: Vec<Value>,
    event: Option<Event>,
    services: Services,
}

impl Case {
    /// Evaluates on the event as it was at first: an expression may write to it.
    fn run<T>(&self, evaluate: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let mut event = self.event.clone();
        evaluate(&mut Context {
            evt: event.as_mut(),
            vars: &self.vars,
            stash: &mut NoStash,
            services: &self.services,
            now: NOW,
        })
    }
}

/// The tree of tests gives what the general evaluator gives.
fn booleans(program: &Program, case: &Case) {
    let plain = case.run(|cx| program.eval_bool_reference(cx));
    let general = case.run(|cx| program.to_bool_tree().eval(cx));
    assert_eq!(general, plain, "{}", program.text());
    if let Some(tree) = program.as_bool_tree() {
        assert_eq!(case.run(|cx| tree.eval(cx)), plain, "{}", program.text());
    }
    if plain.is_err() {
        assert!(
            program.reads().can_fail || matches!(plain, Err(EvalError::NotBool { .. })),
            "{} fails, and says that it cannot: {plain:?}",
            program.text()
        );
    }
}

/// What is asked for text is the value when that is text, and nothing is written otherwise.
fn texts(program: &Program, case: &Case) {
    let value = case.run(|cx| program.eval(cx));
    let mut out = b"kept".to_vec();
    let is_text = case.run(|cx| program.eval_str(cx, &mut out));
    match (&value, &is_text) {
        (Ok(value), Ok(true)) => {
            assert_eq!(value.as_bytes(), Some(&out[4..]), "{}", program.text());
        }
        (Ok(_), Ok(false)) | (Err(_), Err(_)) => {
            assert_eq!(out, b"kept", "{}", program.text());
        }
        _ => panic!("{}: {value:?} but {is_text:?}", program.text()),
    }
    if let Ok(value) = &value {
        // What becomes of a value that is no text: it is printed.
        let _ = (value.text(), value.type_name(), value.to_arg());
    }
}

fn variables(place: u8, schema: &Arc<Schema>, probe: &[u8]) -> Vec<Value> {
    let queue = || {
        let events: Vec<Arc<Event>> = (0..2).map(|_| Arc::new(event(schema, probe))).collect();
        QueueObject::new(events.into(), 5)
    };
    let leaky = || {
        let view = LeakyView {
            mapkey: "key".to_owned(),
            scenario: "a/b".to_owned(),
            uuid: "7".to_owned(),
            first: NOW,
            last: NOW,
            overflow: NOW,
            total: 2,
            duration_ns: 1_000_000_000,
            capacity: 5,
        };
        Value::object(LeakyObject::new(view, queue()))
    };
    match place {
        b'1' => vec![Value::object(queue()), leaky()],
        b'2' => vec![
            Value::object(queue()),
            Value::object(OverflowObject::nothing()),
            leaky(),
        ],
        b'3' => vec![Value::object(AlertObject::new(Arc::new(Alert::default())))],
        b'4' => vec![Value::Map(Map::of([])), Value::object(RequestObject)],
        b'5' => vec![Value::Nil],
        _ => Vec::new(),
    }
}
