//! The shapes: which step depends on which. Steps are numbered from 0, and depend on smaller numbers only.

use crate::args::Shape;

/// A graph of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Graph {
    kind: Kind,
    pub(crate) steps: usize,
    /// Steps side by side, where that means something.
    pub(crate) width: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Chain,
    Fan,
    Tree,
    Layered(usize),
    Wave(usize),
    Stencil(usize),
}

impl Graph {
    /// The graph that `shape` runs, or defines; `calls` has none and counts its calls by a fan.
    pub(crate) fn new(shape: Shape, steps: usize, width: Option<usize>) -> Self {
        let kind = match shape {
            Shape::Chain | Shape::Waiting | Shape::Restart | Shape::List | Shape::Growth | Shape::Service => {
                Kind::Chain
            }
            Shape::Fan | Shape::Calls => Kind::Fan,
            Shape::Tree => Kind::Tree,
            Shape::Layered | Shape::Definition => Kind::Layered(width.unwrap_or(100)),
            Shape::Wave => Kind::Wave(width.unwrap_or_else(|| square_side(steps))),
            Shape::Stencil => Kind::Stencil(width.unwrap_or(4)),
        };
        let width = match kind {
            Kind::Chain | Kind::Fan | Kind::Tree => None,
            Kind::Layered(width) | Kind::Wave(width) | Kind::Stencil(width) => Some(width),
        };
        Self { kind, steps, width }
    }

    /// The steps that `step` depends on, each once.
    pub(crate) fn dependencies(&self, step: usize) -> Vec<usize> {
        match self.kind {
            Kind::Chain => step.checked_sub(1).into_iter().collect(),
            Kind::Fan => (step > 0).then_some(0).into_iter().collect(),
            Kind::Tree => step.checked_sub(1).map(|before| before / 2).into_iter().collect(),
            Kind::Layered(width) => above(step, width, |layer, column| {
                let third = if width > 7 { 7 } else { 2 };
                let offsets = [0, 1, third].into_iter().take(width);
                offsets.map(|offset| layer + (column + offset) % width).collect()
            }),
            Kind::Wave(width) => {
                let left = (!step.is_multiple_of(width)).then(|| step - 1);
                left.into_iter().chain(step.checked_sub(width)).collect()
            }
            Kind::Stencil(width) => above(step, width, |layer, column| {
                (column.saturating_sub(1)..=(column + 1).min(width - 1)).map(|it| layer + it).collect()
            }),
        }
    }

    /// Steps on the longest way through the graph.
    pub(crate) fn critical_path(&self) -> usize {
        let last = self.steps - 1;
        match self.kind {
            Kind::Chain => self.steps,
            Kind::Fan => self.steps.min(2),
            Kind::Tree => self.steps.ilog2() as usize + 1,
            Kind::Layered(width) | Kind::Stencil(width) => last / width + 1,
            Kind::Wave(width) => match last / width {
                0 => self.steps,
                // the corner of the last full row, or the end of the row below it
                rows => (rows - 1 + width).max(rows + 1 + last % width),
            },
        }
    }
}

/// What a step in a layer depends on, given the first step of the layer before and the step's column.
fn above(step: usize, width: usize, of: impl Fn(usize, usize) -> Vec<usize>) -> Vec<usize> {
    let column = step % width;
    match (step - column).checked_sub(width) {
        Some(layer) => of(layer, column),
        None => Vec::new(),
    }
}

fn square_side(steps: usize) -> usize {
    let side = steps.isqrt();
    if side * side < steps { side + 1 } else { side }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [Shape; 6] =
        [Shape::Chain, Shape::Fan, Shape::Layered, Shape::Wave, Shape::Tree, Shape::Stencil];

    fn edges(graph: &Graph) -> usize {
        (0..graph.steps).map(|step| graph.dependencies(step).len()).sum()
    }

    #[test]
    fn every_shape_has_its_number_of_edges() {
        for (shape, steps, width, expected) in [
            (Shape::Chain, 100, None, 99),
            (Shape::Fan, 100, None, 99),
            (Shape::Tree, 100, None, 99),
            // nine layers below the first, three edges a step
            (Shape::Layered, 1_000, Some(100), 2_700),
            (Shape::Layered, 1_000, None, 2_700),
            (Shape::Definition, 1_000, None, 2_700),
            (Shape::Layered, 10, Some(2), 16),
            (Shape::Layered, 10, Some(1), 9),
            (Shape::Layered, 14, Some(7), 21),
            // two edges a step but for the first row and the first column
            (Shape::Wave, 100, Some(10), 180),
            (Shape::Wave, 100, None, 180),
            // per layer 2 + 3 + 3 + 2
            (Shape::Stencil, 40, Some(4), 90),
            (Shape::Stencil, 40, None, 90),
            (Shape::Stencil, 10, Some(1), 9),
        ] {
            let graph = Graph::new(shape, steps, width);
            assert_eq!(edges(&graph), expected, "{graph:?}");
        }
    }

    #[test]
    fn neighbours_are_the_right_ones() {
        let graph = |shape, width| Graph::new(shape, 100, Some(width));
        assert_eq!(graph(Shape::Layered, 10).dependencies(19), [9, 0, 6]);
        assert_eq!(graph(Shape::Wave, 10).dependencies(25), [24, 15]);
        assert_eq!(graph(Shape::Wave, 10).dependencies(20), [10]);
        assert_eq!(graph(Shape::Stencil, 4).dependencies(5), [0, 1, 2]);
        assert_eq!(graph(Shape::Stencil, 4).dependencies(4), [0, 1]);
        assert_eq!(graph(Shape::Stencil, 4).dependencies(7), [2, 3]);
        assert_eq!(graph(Shape::Tree, 1).dependencies(6), [2]);
    }

    #[test]
    fn steps_depend_on_smaller_numbers_and_the_critical_path_is_the_longest_way() {
        for shape in SHAPES {
            for steps in [1, 2, 3, 7, 8, 9, 10, 11, 50, 200] {
                for width in [None, Some(1), Some(2), Some(4), Some(10), Some(60)] {
                    let graph = Graph::new(shape, steps, width);
                    let mut depths = Vec::new();
                    for step in 0..steps {
                        let dependencies = graph.dependencies(step);
                        assert!(dependencies.iter().all(|it| *it < step), "{graph:?} {step}");
                        depths.push(dependencies.iter().map(|it| depths[*it]).max().unwrap_or(0) + 1);
                    }
                    assert_eq!(Some(graph.critical_path()), depths.into_iter().max(), "{graph:?}");
                }
            }
        }
    }
}
