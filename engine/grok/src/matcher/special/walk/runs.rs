//! Runs of one character class.
//!
//! A run that is not possessive can end in many places. They are tried longest first or shortest
//! first, but only where what follows can start, and if a literal follows, where it stands.

use super::{GiveUp, Pace, Step, Walk};
use crate::matcher::special::node::{Run, Stop};

impl Run {
    /// How fast the bytes of the class are looked at.
    pub(super) fn pace(&self) -> Pace {
        if self.stop == Stop::Table {
            Pace::Slow
        } else {
            Pace::Fast
        }
    }
}

impl Walk<'_> {
    /// A run of one class.
    pub(super) fn run(&mut self, run: &Run, next: u32, at: usize) -> Result<Step, GiveUp> {
        let rest = self.text.get(at..).unwrap_or_default();
        if run.possessive || run.to_end {
            let length = run.longest(rest, run.max, self.one_line);
            self.work(length, run.pace())?;
            return Ok(Step::when(length >= run.min, next, at + length));
        }
        match (run.greedy, run.literal.is_some()) {
            (true, true) => self.greedy_before_literal(run, next, at),
            (true, false) => self.greedy(run, next, at),
            (false, true) => self.lazy_before_literal(run, next, at),
            (false, false) => self.lazy(run, next, at),
        }
    }

    /// The longest first; ends are the places where the literal stands.
    fn greedy_before_literal(&mut self, run: &Run, next: u32, at: usize) -> Result<Step, GiveUp> {
        let text = self.text;
        let rest = text.get(at..).unwrap_or_default();
        let literal = run
            .literal
            .as_ref()
            .map_or(&[][..], |literal| literal.needle());
        let mut longest = run.longest(rest, run.max, self.one_line);
        self.work(longest, run.pace())?;
        loop {
            let window = rest.get(..longest + literal.len()).unwrap_or(rest);
            let Some(length) = memchr::memmem::rfind(window, literal) else {
                self.work(window.len(), Pace::Fast)?;
                return Ok(Step::Fail);
            };
            self.work(longest.saturating_sub(length), Pace::Fast)?;
            if length < run.min {
                return Ok(Step::Fail);
            }
            if length == run.min {
                return Ok(Step::On(next, at + length));
            }
            if self.choose(next, at + length)? {
                return Ok(Step::Found);
            }
            longest = length - 1;
        }
    }

    fn greedy(&mut self, run: &Run, next: u32, at: usize) -> Result<Step, GiveUp> {
        let rest = self.text.get(at..).unwrap_or_default();
        let longest = run.longest(rest, run.max, self.one_line);
        self.work(longest, Pace::Slow)?;
        if longest < run.min {
            return Ok(Step::Fail);
        }
        let mut open = None;
        for length in (run.min..=longest).rev() {
            let end = at + length;
            if !self.is_boundary(end) || !self.may_start(next, end) {
                continue;
            }
            if let Some(longer) = open.replace(end)
                && self.choose(next, longer)?
            {
                return Ok(Step::Found);
            }
        }
        Ok(open.map_or(Step::Fail, |end| Step::On(next, end)))
    }

    /// The shortest first; ends are the places where the literal stands.
    fn lazy_before_literal(&mut self, run: &Run, next: u32, at: usize) -> Result<Step, GiveUp> {
        let text = self.text;
        let rest = text.get(at..).unwrap_or_default();
        let Some(literal) = &run.literal else {
            return Err(GiveUp);
        };
        let mut from = run.min;
        let mut checked = 0;
        loop {
            let Some(found) = rest.get(from..).and_then(|rest| literal.find(rest)) else {
                self.work(rest.len().saturating_sub(from), Pace::Fast)?;
                return Ok(Step::Fail);
            };
            let length = from + found;
            self.work(found, run.pace())?;
            let between = rest.get(checked..length).unwrap_or_default();
            if length > run.max || run.longest(between, usize::MAX, self.one_line) < between.len() {
                return Ok(Step::Fail);
            }
            checked = length;
            if self.choose(next, at + length)? {
                return Ok(Step::Found);
            }
            from = length + 1;
        }
    }

    fn lazy(&mut self, run: &Run, next: u32, at: usize) -> Result<Step, GiveUp> {
        let rest = self.text.get(at..).unwrap_or_default();
        let longest = run.longest(rest, run.max, self.one_line);
        self.work(longest, Pace::Slow)?;
        for length in run.min..=longest {
            let end = at + length;
            if self.is_boundary(end) && self.may_start(next, end) && self.choose(next, end)? {
                return Ok(Step::Found);
            }
        }
        Ok(Step::Fail)
    }
}
