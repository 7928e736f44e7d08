//! A small host application that embeds Jackfield: two of its own functions become methods, one workflow is
//! written in code and one in JSON, and both run while their records are followed.
//!
//! ```text
//! cargo run -p jackfield-example-embed
//! ```

use anyhow::Result;
use jackfield::schemars::{self, JsonSchema};
use jackfield::{
    AppMethod, Body, Call, Compensate, Engine, Host, MethodError, Outcome, Retry, Run, Step, Workflow, json,
};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::time::Duration;

#[derive(Deserialize, JsonSchema)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Serialize, JsonSchema)]
struct Price {
    cents: u64,
}

/// Knows what things cost. It is called as `shop.price`; the schemas of its parameters and its result come from
/// the types, so a workflow that calls it wrongly is refused before it runs.
fn price(_: &Call, order: Order) -> Result<Price, MethodError> {
    let cents = match order.item.as_str() {
        "patch cable" => 450,
        "rack" => 12_900,
        other => {
            return Err(MethodError::new("shop.unknown_item", format!("nobody sells `{other}`")).permanent());
        }
    };
    Ok(Price { cents: cents * u64::from(order.count) })
}

/// Ships on the second attempt, so that there is a retry to see.
fn ship(call: &Call, items: Vec<String>) -> Result<String, MethodError> {
    if call.attempt == 1 {
        return Err(MethodError::new("shop.busy", "the dock is full"));
    }
    Ok(format!("parcel with {}", items.join(", ")))
}

/// The price of every line of an order at the same time, their sum, and a parcel.
fn order_workflow() -> jackfield::WorkflowBuilder {
    let one_price = Step::call("price_one", "shop", "price").params("${line}");
    Workflow::new("order")
        .version("1.0.0")
        .step(
            Step::foreach("price_all", "input.lines", Body::new().step(one_price))
                .bind("line", "ix")
                .max_concurrency(4),
        )
        .step(Step::set("sum").variable("cents", "${steps.price_all.output.map(p, p.cents).sum()}"))
        .step(
            Step::call("send", "shop", "ship")
                .params("${input.lines.map(l, l.item)}")
                .timeout(Duration::from_secs(5))
                .retry(Retry::attempts(3).delay(Duration::from_millis(20)))
                .compensate(Compensate::call("shop", "take_back").param("parcel", "${steps.send.output}")),
        )
        .output(json!({ "cents": "${vars.cents}", "parcel": "${steps.send.output}" }))
}

/// The same application, asked in JSON; this order cannot be priced, which the workflow catches.
const QUOTE: &str = r#"{
  "id": "quote",
  "mode": "parallel",
  "steps": [
    { "id": "price", "plugin": "shop", "method": "price",
      "parameters": { "item": "${input.item}", "count": 1 },
      "catch": [ { "errors": ["shop.*"], "as": "why", "output": { "refused": "${why.message}" } } ] },
    { "id": "note", "type": "log", "message": "asked for ${input.item}" }
  ],
  "output": "${steps.price.output}"
}"#;

#[tokio::main]
async fn main() -> Result<()> {
    let host = Host::builder()
        .engine(Engine::memory())
        .threads(2)
        .app_method(
            "shop",
            "1.0.0",
            AppMethod::inline("price", price)
                .description("what an item costs")
                .pure()
                .parameters_schema::<Order>()
                .output_schema::<Price>(),
        )
        .app_method("shop", "1.0.0", AppMethod::blocking("ship", ship))
        .method("shop", "1.0.0", "take_back", |_: jackfield::Value| Ok::<_, MethodError>(()))
        .build()?;
    let mut out = io::stdout();

    let order = host.define(&order_workflow())?;
    let input = json!({ "lines": [{ "item": "patch cable", "count": 12 }, { "item": "rack", "count": 1 }] });
    let run = host.start(&order, input)?;
    let outcome = follow(&run, &mut out).await?;
    writeln!(out, "order: {} with {}\n", outcome.status, outcome.output.as_str())?;

    let quote = host.parse(QUOTE)?;
    let run = host.start(&quote, json!({ "item": "unicorn" }))?;
    let outcome = follow(&run, &mut out).await?;
    writeln!(out, "quote: {} with {}", outcome.status, outcome.output.as_str())?;

    host.shutdown();
    Ok(())
}

/// Prints the records of a run as they come, then waits for its outcome.
async fn follow(run: &Run, out: &mut impl Write) -> Result<Outcome> {
    let mut records = run.records();
    while let Some(record) = records.next().await {
        let step = record.step.as_deref().unwrap_or("the run");
        writeln!(out, "{:>20}  {:?}", step, record.event)?;
    }
    Ok(run.outcome().await)
}
