//! Runs of one character class.
//!
//! A run that is not possessive can end in many places. They are tried longest first or shortest
//! first, but only where what follows can start, and if a literal follows, where it stands. While
//! one is tried, its length stands among what is left to try, and the next is found from there.

use super::{GiveUp, Pace, Step, Walk};
use crate::matcher::special::node::{Run, Stop};

impl Run {
    /// How fast the bytes of the class are looked at.
    #[inline(always)]
    pub(super) fn pace(&self) -> Pace {
        if self.stop == Stop::Table {
            Pace::Slow
        } else {
            Pace::Fast
        }
    }

    fn takes(&self, byte: u8) -> bool {
        self.table[usize::from(byte)]
    }
}

impl Walk<'_> {
    /// Length of the longest prefix of a part of the subject that is in the class.
    #[inline(always)]
    pub(super) fn longest(&mut self, run: &Run, window: &[u8]) -> usize {
        if run.stop == Stop::At(b'\n') && self.is_one_line() {
            return window.len();
        }
        run.longest(window)
    }

    /// A run of one class.
    pub(super) fn run(
        &mut self,
        run: &Run,
        node: u32,
        next: u32,
        at: usize,
    ) -> Result<Step, GiveUp> {
        let rest = self.rest(at);
        if run.greedy || run.possessive {
            let length = self.longest(run, rest.get(..run.max).unwrap_or(rest));
            self.looked(length, run.pace())?;
            if length < run.min {
                return Ok(None);
            }
            if run.possessive || run.to_end {
                return Ok(Some((next, at + length)));
            }
            return self.shorter(run, node, next, at, length);
        }
        if run.literal.is_some() {
            return self.up_to_literal(run, node, next, at, (run.min, 0));
        }
        let least = rest.get(..run.min).unwrap_or(rest);
        if least.len() < run.min || self.longest(run, least) < run.min {
            return Ok(None);
        }
        self.longer(run, node, next, at, run.min)
    }

    /// The same after an end was tried in vain.
    pub(super) fn run_on(
        &mut self,
        run: &Run,
        node: u32,
        next: u32,
        at: usize,
        tried: usize,
    ) -> Result<Step, GiveUp> {
        if run.greedy {
            return match tried.checked_sub(1).filter(|length| *length >= run.min) {
                Some(length) => self.shorter(run, node, next, at, length),
                None => Ok(None),
            };
        }
        if run.literal.is_some() {
            return self.up_to_literal(run, node, next, at, (tried + 1, tried));
        }
        match self.rest(at).get(tried) {
            Some(byte) if tried < run.max && run.takes(*byte) => {
                self.longer(run, node, next, at, tried + 1)
            }
            _ => Ok(None),
        }
    }

    /// The longest end up to a length that is in the class.
    fn shorter(
        &mut self,
        run: &Run,
        node: u32,
        next: u32,
        at: usize,
        longest: usize,
    ) -> Result<Step, GiveUp> {
        let length = match &run.literal {
            Some(literal) => {
                let (rest, literal) = (self.rest(at), literal.needle());
                let window = rest.get(..longest + literal.len()).unwrap_or(rest);
                let found = match literal {
                    [byte] => memchr::memrchr(*byte, window),
                    _ => memchr::memmem::rfind(window, literal),
                };
                let looked = window.len() - found.unwrap_or(0);
                self.looked(looked, Pace::Fast)?;
                found.filter(|length| *length >= run.min)
            }
            None => {
                let may_end = |walk: &Self, end| walk.is_boundary(end) && walk.may_start(next, end);
                let mut lengths = (run.min..=longest).rev();
                let found = lengths.find(|length| may_end(self, at + length));
                self.looked(longest - found.unwrap_or(run.min), Pace::Slow)?;
                found
            }
        };
        let Some(length) = length else {
            return Ok(None);
        };
        if length > run.min {
            self.leave(node, at, length as u32)?;
        }
        Ok(Some((next, at + length)))
    }

    /// The first place where the literal stands, of those from `from` on. The class is known to go
    /// as far as `checked`.
    fn up_to_literal(
        &mut self,
        run: &Run,
        node: u32,
        next: u32,
        at: usize,
        (from, checked): (usize, usize),
    ) -> Result<Step, GiveUp> {
        let rest = self.rest(at);
        let Some(literal) = &run.literal else {
            return Err(GiveUp);
        };
        let Some(found) = rest.get(from..).and_then(|rest| literal.find(rest)) else {
            self.looked(rest.len().saturating_sub(from), Pace::Fast)?;
            return Ok(None);
        };
        let length = from + found;
        self.looked(found, run.pace())?;
        let between = rest.get(checked..length).unwrap_or_default();
        if length > run.max || self.longest(run, between) < between.len() {
            return Ok(None);
        }
        self.leave(node, at, length as u32)?;
        Ok(Some((next, at + length)))
    }

    /// The first end from `length` on, as far as which the class is known to go.
    fn longer(
        &mut self,
        run: &Run,
        node: u32,
        next: u32,
        at: usize,
        mut length: usize,
    ) -> Result<Step, GiveUp> {
        let rest = self.rest(at);
        let from = length;
        while !(self.is_boundary(at + length) && self.may_start(next, at + length)) {
            // The next byte is in the class, and so are those before what must follow.
            let more = rest.get(length..).unwrap_or_default();
            let step = match run.follow {
                Some(byte) => memchr::memchr(byte, more).unwrap_or(more.len()).max(1),
                None => 1,
            };
            let between = more.get(..step).unwrap_or_default();
            if between.len() < step || length + step > run.max || self.longest(run, between) < step
            {
                let pace = if run.follow.is_some() {
                    run.pace()
                } else {
                    Pace::Slow
                };
                self.looked(length - from + between.len(), pace)?;
                return Ok(None);
            }
            length += step;
        }
        let pace = if run.follow.is_some() {
            run.pace()
        } else {
            Pace::Slow
        };
        self.looked(length - from, pace)?;
        if length < rest.len() {
            self.leave(node, at, length as u32)?;
        }
        Ok(Some((next, at + length)))
    }
}
