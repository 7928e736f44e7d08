//! The bundled plugin `table`: what is usually done to rows, one method each.

mod aggregate;
mod chart;
mod check;
mod columns;
mod derive;
mod describe;
mod filter;
mod join;
mod row;
mod scale;
mod sort;

#[cfg(test)]
mod tests;

use jackfield_file_access::Files;
use jackfield_plugin_api::prelude::*;
use row::Rows;

const FILES: Files = Files::of("table");

export_plugin! {
    name: "table",
    description: "selects, filters, sorts, groups, joins, checks and draws rows",
    fs_write: &["**"],
    methods: [
        select { pure, description: "keeps some columns, in the given order, perhaps under new names. \
            Example: {\"rows\": [..], \"columns\": [\"date\", \"temp\"], \"rename\": {\"temp\": \"celsius\"}}" },
        filter { pure, description: "keeps the rows that meet conditions. \
            Example: {\"rows\": [..], \"where\": [{\"column\": \"wind\", \"op\": \">\", \"value\": 5}]}" },
        sort { pure, description: "sorts rows; equal ones keep their order. \
            Example: {\"rows\": [..], \"by\": [{\"column\": \"date\", \"desc\": true}]}" },
        group { pure, description: "makes one row of all that agree in some columns. \
            Example: {\"rows\": [..], \"by\": [\"month\"], \"aggregates\": [{\"op\": \"mean\", \"column\": \"temp\", \"as\": \"mean\"}]}" },
        aggregate { pure, description: "computes figures over all rows. \
            Example: {\"rows\": [..], \"aggregates\": [{\"op\": \"max\", \"column\": \"temp\", \"as\": \"hottest\"}]}" },
        join { pure, description: "puts rows of two tables together that agree in some columns. \
            Example: {\"left\": [..], \"right\": [..], \"on\": [\"month\"]}" },
        concat { pure, description: "puts the rows of several tables one behind the other. \
            Example: {\"tables\": [[..], [..]]}" },
        normalize { pure, description: "brings numeric columns to a common range. \
            Example: {\"rows\": [..], \"columns\": [\"price\"], \"method\": \"minmax\"}" },
        scale { pure, description: "computes factor * value + offset. Fahrenheit to Celsius: \
            {\"rows\": [..], \"column\": \"temp\", \"as\": \"celsius\", \"factor\": 0.5555555555555556, \"offset\": -17.77777777777778}" },
        derive { pure, description: "takes a part of a date into a new column. \
            Example: {\"rows\": [..], \"column\": \"date\", \"as\": \"month\", \"op\": \"month\"}" },
        validate { pure, description: "sets rows aside that break rules. \
            Example: {\"rows\": [..], \"rules\": {\"wind\": {\"type\": \"number\", \"min\": 0}}}" },
        describe { pure, description: "tells for every column how many values it has and where they lie. \
            Example: {\"rows\": [..]}" },
        chart { idempotent, description: "draws rows as a line or bar chart into an SVG file. \
            Example: {\"rows\": [..], \"x\": \"month\", \"series\": [{\"column\": \"mean\"}], \"path\": \"out/chart.svg\"}" },
    ],
}

/// Rows that a method answers.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Table {
    /// The rows.
    pub(crate) rows: Rows,
}

fn select(_ctx: &Context, p: columns::Select) -> Result<Table, Error> {
    columns::select(p)
}

fn filter(_ctx: &Context, p: filter::Filter) -> Result<Table, Error> {
    filter::filter(p)
}

fn sort(_ctx: &Context, p: sort::Sort) -> Result<Table, Error> {
    sort::sort(p)
}

fn group(ctx: &Context, p: aggregate::Group) -> Result<Table, Error> {
    aggregate::group(p, &|| ctx.is_cancelled())
}

fn aggregate(_ctx: &Context, p: aggregate::Aggregate) -> Result<aggregate::Figures, Error> {
    aggregate::aggregate(&p)
}

fn join(ctx: &Context, p: join::Join) -> Result<Table, Error> {
    join::join(&p, &|| ctx.is_cancelled())
}

fn concat(_ctx: &Context, p: columns::Concat) -> Result<Table, Error> {
    Ok(Table { rows: p.tables.into_iter().flatten().collect() })
}

fn normalize(_ctx: &Context, p: scale::Normalize) -> Result<Table, Error> {
    scale::normalize(p)
}

fn scale(_ctx: &Context, p: scale::Scale) -> Result<Table, Error> {
    scale::scale(p)
}

fn derive(_ctx: &Context, p: derive::Derive) -> Result<Table, Error> {
    derive::derive(p)
}

fn validate(ctx: &Context, p: check::Validate) -> Result<check::Checked, Error> {
    let checked = check::validate(p)?;
    if checked.bad_count > 0 {
        let fields = serde_json::json!({ "bad": checked.bad_count, "valid": checked.valid_count });
        ctx.log(Level::Warn, "rows were set aside", &fields);
    }
    Ok(checked)
}

fn describe(_ctx: &Context, p: describe::Describe) -> Result<describe::Description, Error> {
    Ok(describe::describe(&p))
}

fn chart(_ctx: &Context, p: chart::Chart) -> Result<chart::Drawn, Error> {
    chart::chart(&p)
}
