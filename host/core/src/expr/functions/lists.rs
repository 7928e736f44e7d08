//! Lists and maps: `size`, `slice`, `sort`, `distinct`, `flatten`, `reverse`, `first`, `last`, `keys`, `values`.

use super::{Function, Style, argument, expected, index, int};
use crate::expr::EvalError;
use crate::expr::machine::Machine;
use crate::expr::number;
use crate::expr::value::{Value, position};

const fn method(name: &'static str, usage: &'static str, body: super::Body) -> Function {
    Function { name, style: Style::Method, arity: 1..=1, usage, body }
}

pub(super) const ALL: &[Function] = &[
    Function { name: "size", style: Style::Both, arity: 1..=1, usage: "size(x) or x.size()", body: size },
    Function {
        name: "slice",
        style: Style::Method,
        arity: 3..=3,
        usage: "list.slice(from, to)",
        body: slice,
    },
    Function {
        name: "flatten",
        style: Style::Method,
        arity: 1..=2,
        usage: "list.flatten(depth)",
        body: flatten,
    },
    method("sort", "list.sort()", sort),
    method("distinct", "list.distinct()", distinct),
    method("first", "list.first()", |_, values| end(values, false)),
    method("last", "list.last()", |_, values| end(values, true)),
    method("keys", "map.keys()", |machine, values| parts(machine, values, true)),
    method("values", "map.values()", |machine, values| parts(machine, values, false)),
    Function { name: "sum", style: Style::Method, arity: 1..=1, usage: "list.sum()", body: sum },
    Function {
        name: "lists.range",
        style: Style::Global,
        arity: 1..=1,
        usage: "lists.range(n)",
        body: range,
    },
    method("reverse", "x.reverse()", reverse),
];

type Answer<'a> = Result<Value<'a>, EvalError>;

/// Elements of the list that argument 0 is, counted as work.
fn items<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Result<Vec<Value<'a>>, EvalError> {
    let list = argument(values, 0)?;
    let len = list.list_len().ok_or_else(|| expected("a list", list))?;
    machine.work(len)?;
    machine.build(len * size_of::<Value<'_>>())?;
    Ok(list.entries().map(|(_, item)| item).collect())
}

fn size<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let value = argument(values, 0)?;
    if let Some(text) = value.as_str() {
        machine.scan(text)?;
        return Ok(position(text.chars().count()));
    }
    let len = value.list_len().or_else(|| value.map_len());
    len.map(position).ok_or_else(|| expected("a string, a list or a map", value))
}

pub(super) fn concat<'a>(machine: &mut Machine<'a>, left: &Value<'a>, right: &Value<'a>) -> Answer<'a> {
    let len = left.list_len().unwrap_or(0) + right.list_len().unwrap_or(0);
    machine.build(len * size_of::<Value<'_>>())?;
    Ok(Value::list(left.entries().chain(right.entries()).map(|(_, item)| item).collect()))
}

fn slice<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let (from, to) = (index(values, 1)?, index(values, 2)?);
    let items = items(machine, values)?;
    match items.get(from..to) {
        Some(part) => Ok(Value::list(part.to_vec())),
        None => {
            Err(EvalError::new(format!("no slice from {from} to {to} in a list of {} elements", items.len())))
        }
    }
}

fn flatten<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let depth = if values.len() > 1 { int(values, 1)? } else { 1 };
    if !(0..=128).contains(&depth) {
        return Err(
            EvalError::new(format!("cannot flatten to depth `{depth}`")).hint("The depth is 0 to 128.")
        );
    }
    let mut items = items(machine, values)?;
    for _ in 0..depth {
        if items.iter().all(|item| item.list_len().is_none()) {
            break;
        }
        let mut flat = Vec::new();
        for item in items {
            if let Some(len) = item.list_len() {
                machine.work(len)?;
                machine.build(len * size_of::<Value<'_>>())?;
                flat.extend(item.entries().map(|(_, inner)| inner));
            } else {
                flat.push(item);
            }
        }
        items = flat;
    }
    machine.list(items)
}

fn sort<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let mut keyed: Vec<_> = items(machine, values)?.into_iter().map(|item| (item.clone(), item)).collect();
    machine.sort(&mut keyed)?;
    Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect()))
}

fn distinct<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let mut kept: Vec<Value<'a>> = Vec::new();
    for item in items(machine, values)? {
        let mut known = false;
        for other in &kept {
            if number::equal(machine, &item, other)? {
                known = true;
                break;
            }
        }
        if !known {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn end<'a>(values: &[Value<'a>], last: bool) -> Answer<'a> {
    let list = argument(values, 0)?;
    let len = list.list_len().ok_or_else(|| expected("a list", list))?;
    let at = if last { len.checked_sub(1) } else { Some(0) };
    Ok(Value::Optional(at.and_then(|at| list.element(at)).map(std::rc::Rc::new)))
}

fn parts<'a>(machine: &mut Machine<'a>, values: &[Value<'a>], keys: bool) -> Answer<'a> {
    let map = argument(values, 0)?;
    if map.map_len().is_none() {
        return Err(expected("a map", map));
    }
    machine.list(map.entries().map(|(key, value)| if keys { key } else { value }).collect())
}

fn sum<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let mut total = Value::Int(0);
    for item in items(machine, values)? {
        let added = number::arithmetic(crate::expr::node::Arithmetic::Add, &total, &item);
        total = added.ok_or_else(|| expected("numbers only", &item))??;
    }
    Ok(total)
}

fn range<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let count = index(values, 0)?;
    machine.build(count.saturating_mul(size_of::<Value<'_>>()))?;
    Ok(Value::list((0..count).map(position).collect()))
}

fn reverse<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    if let Some(text) = argument(values, 0)?.as_str() {
        return machine.text(text.chars().rev().collect());
    }
    let mut items = items(machine, values)?;
    items.reverse();
    Ok(Value::list(items))
}
