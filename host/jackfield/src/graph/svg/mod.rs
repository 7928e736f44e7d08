//! A picture of its own: boxes laid out from top to bottom, bodies as boxes inside boxes.

mod draw;
mod layout;
mod metrics;

use super::Graph;
use crate::Error;

/// Most steps that a picture shows; beyond that it takes long and nobody can read it.
pub const SVG_STEPS_MAX: usize = 400;

pub(super) fn render(graph: &Graph) -> Result<String, Error> {
    let steps = graph.step_count();
    if steps > SVG_STEPS_MAX {
        let message = format!(
            "the workflow has {steps} steps, and a picture shows at most {SVG_STEPS_MAX}; use the format text, dot or mermaid"
        );
        return Err(Error::setup(message));
    }
    Ok(draw::document(graph, &layout::graph(graph)))
}
