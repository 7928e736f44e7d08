//! Makes a value wrong in one place.

use fastrand::Rng;
use serde_json::{Value, json};

/// Changes one place of a value, any of them.
pub(super) fn spoil(value: &mut Value, rng: &mut Rng) {
    let places = count(value);
    let mut place = rng.usize(..places);
    if let Some(place) = find(value, &mut place) {
        change(place, rng);
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(object) => object.values().map(count).sum(),
        _ => 0,
    }
}

fn find<'a>(value: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| find(item, place)),
        Value::Object(object) => object.values_mut().find_map(|item| find(item, place)),
        _ => None,
    }
}

fn change(place: &mut Value, rng: &mut Rng) {
    match place {
        Value::Object(object) if rng.bool() => {
            let names: Vec<String> = object.keys().cloned().collect();
            match names.as_slice() {
                [] => _ = object.insert("no_such_key".into(), Value::Null),
                _ if rng.u8(..3) == 0 => _ = object.insert("no_such_key".into(), json!(1)),
                names => _ = object.shift_remove(&names[rng.usize(..names.len())]),
            }
        }
        Value::Array(items) if rng.bool() => match rng.bool() {
            true => items.clear(),
            false => items.push(json!({ "no_such_item": [] })),
        },
        _ => *place = other(place, rng),
    }
}

/// A value of another type.
fn other(value: &Value, rng: &mut Rng) -> Value {
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(0.5),
        json!("no such text"),
        json!({ "no_such_key": 1 }),
        json!([[]]),
    ];
    let others: Vec<&Value> = others
        .iter()
        .filter(|other| std::mem::discriminant(*other) != std::mem::discriminant(value) || value.is_number())
        // serde reads a list as the fields of a structure in their order, and is not to be blamed on the author
        .filter(|other| !(value.is_object() && other.is_array()))
        .collect();
    others[rng.usize(..others.len())].clone()
}
