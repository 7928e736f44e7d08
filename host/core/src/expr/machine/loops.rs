//! Loops: `all`, `exists`, `map`, `filter` and their relatives.

use super::{EvalError, Machine, Macro, MacroKind, MapValue, Value, insert};
use crate::expr::number;
use std::cmp::Ordering;

impl<'a> Machine<'a> {
    /// Runs a loop.
    pub(super) fn run_loop(&mut self, looped: &'a Macro) -> Result<Value<'a>, EvalError> {
        let range = self.eval(&looped.range)?;
        if range.list_len().is_none() && range.map_len().is_none() {
            return Err(EvalError::new(format!(
                "expected a list or a map to loop over, got {}",
                range.describe()
            )));
        }
        let result = match looped.kind {
            MacroKind::All => self.quantify(looped, &range, false),
            MacroKind::Exists => self.quantify(looped, &range, true),
            MacroKind::ExistsOne => self.exists_one(looped, &range),
            MacroKind::Filter => self.filter(looped, &range),
            MacroKind::List => self.map_to_list(looped, &range),
            MacroKind::Map | MacroKind::MapEntry => self.map_to_map(looped, &range),
            MacroKind::SortBy => self.sort_by(looped, &range),
        };
        self.locals.truncate(looped.slot);
        result
    }

    /// Binds the variables of the loop to one entry.
    fn bind_entry(
        &mut self,
        looped: &Macro,
        is_map: bool,
        key: Value<'a>,
        item: Value<'a>,
    ) -> Result<(), EvalError> {
        self.iterate()?;
        self.locals.truncate(looped.slot);
        if looped.two_variables {
            self.locals.push(key);
            self.locals.push(item);
        } else {
            self.locals.push(if is_map { key } else { item });
        }
        Ok(())
    }

    /// `exists` if `decisive`, else `all`: one decisive element wins over errors in others.
    fn quantify(
        &mut self,
        looped: &'a Macro,
        range: &Value<'a>,
        decisive: bool,
    ) -> Result<Value<'a>, EvalError> {
        let is_map = range.map_len().is_some();
        let mut failed = None;
        for (key, item) in range.entries() {
            self.bind_entry(looped, is_map, key, item)?;
            match self.truth(&looped.body) {
                Ok(truth) if truth == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn exists_one(&mut self, looped: &'a Macro, range: &Value<'a>) -> Result<Value<'a>, EvalError> {
        let is_map = range.map_len().is_some();
        let mut count = 0;
        for (key, item) in range.entries() {
            self.bind_entry(looped, is_map, key, item)?;
            count += u32::from(self.truth(&looped.body)?);
        }
        Ok(Value::Bool(count == 1))
    }

    fn filter(&mut self, looped: &'a Macro, range: &Value<'a>) -> Result<Value<'a>, EvalError> {
        let is_map = range.map_len().is_some();
        let mut kept = Vec::new();
        for (key, item) in range.entries() {
            let candidate = if is_map { key.clone() } else { item.clone() };
            self.bind_entry(looped, is_map, key, item)?;
            if self.truth(&looped.body)? {
                kept.push(candidate);
            }
        }
        self.list(kept)
    }

    fn map_to_list(&mut self, looped: &'a Macro, range: &Value<'a>) -> Result<Value<'a>, EvalError> {
        let is_map = range.map_len().is_some();
        let mut made = Vec::new();
        for (key, item) in range.entries() {
            self.bind_entry(looped, is_map, key, item)?;
            if self.passes(looped)? {
                made.push(self.eval_lazy(&looped.body)?);
            }
        }
        self.list(made)
    }

    /// `transformMap` keeps the key; `transformMapEntry` takes the entries of the map that its body yields.
    fn map_to_map(&mut self, looped: &'a Macro, range: &Value<'a>) -> Result<Value<'a>, EvalError> {
        let mut made = MapValue::new();
        for (key, item) in range.entries() {
            self.bind_entry(looped, true, key.clone(), item)?;
            if !self.passes(looped)? {
                continue;
            }
            if looped.kind == MacroKind::Map {
                let value = self.eval_lazy(&looped.body)?;
                insert(&mut made, key, value)?;
                continue;
            }
            let entries = self.eval(&looped.body)?;
            if entries.map_len().is_none() {
                return Err(EvalError::new(format!(
                    "expected a map with the entry, got {}",
                    entries.describe()
                )));
            }
            for (key, value) in entries.entries() {
                self.iterate()?;
                insert(&mut made, key, value)?;
            }
        }
        self.map(made)
    }

    fn sort_by(&mut self, looped: &'a Macro, range: &Value<'a>) -> Result<Value<'a>, EvalError> {
        let is_map = range.map_len().is_some();
        let mut keyed = Vec::new();
        for (key, item) in range.entries() {
            let element = if is_map { key.clone() } else { item.clone() };
            self.bind_entry(looped, is_map, key, item)?;
            keyed.push((self.eval(&looped.body)?, element));
        }
        self.sort(&mut keyed)?;
        self.list(keyed.into_iter().map(|(_, element)| element).collect())
    }

    /// Sorts by the first of each pair, keeping the order of equal ones.
    pub(in crate::expr) fn sort(&mut self, keyed: &mut [(Value<'a>, Value<'a>)]) -> Result<(), EvalError> {
        let steps = keyed.len().checked_ilog2().unwrap_or(0) as usize + 1;
        self.work(keyed.len() * steps)?;
        let mut failed = None;
        if let Some(((first, _), rest)) = keyed.split_first() {
            for (key, _) in rest {
                failed = failed.or(number::order(first, key).err());
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if keyed.iter().any(|(key, _)| matches!(key, Value::Double(double) if double.is_nan())) {
            return Err(EvalError::new("cannot sort by NaN"));
        }
        keyed.sort_by(|(a, _), (b, _)| number::order(a, b).ok().flatten().unwrap_or(Ordering::Equal));
        Ok(())
    }

    fn passes(&mut self, looped: &'a Macro) -> Result<bool, EvalError> {
        looped.filter.as_ref().map_or(Ok(true), |filter| self.truth(filter))
    }
}
