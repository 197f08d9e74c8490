//! The operator table.

/// How equal precedences group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assoc {
    Left,
    Right,
}

/// A binary operator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator {
    pub(super) precedence: u16,
    pub(super) assoc: Assoc,
}

pub(super) fn binary_operator(op: &str) -> Option<Operator> {
    let precedence = match op {
        "|" => 0,
        "or" | "||" => 10,
        "and" | "&&" => 15,
        "==" | "!=" | "<" | ">" | "<=" | ">=" | "in" | "matches" | "contains" | "startsWith"
        | "endsWith" => 20,
        ".." => 25,
        "+" | "-" => 30,
        "*" | "/" | "%" => 60,
        "**" | "^" => {
            return Some(Operator {
                precedence: 100,
                assoc: Assoc::Right,
            });
        }
        "??" => 500,
        _ => return None,
    };
    Some(Operator {
        precedence,
        assoc: Assoc::Left,
    })
}

/// Operators that may follow `not`: `x not in y`.
pub(super) fn negates(op: &str) -> bool {
    matches!(
        op,
        "in" | "matches" | "contains" | "startsWith" | "endsWith"
    )
}

/// Operators that chain: `a < b < c`.
pub(super) fn is_chainable(op: &str) -> bool {
    matches!(op, "<" | ">" | "<=" | ">=")
}
