//! The graphs that every peer runs: which node waits for which, as index arrays.

use anyhow::{Result, ensure};
use clap::ValueEnum;

/// Nodes side by side in the layered graph, and the side of the wave.
const WIDTH: usize = 100;

/// How the nodes of a graph hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Shape {
    /// Each node waits for the one before
    Chain,
    /// No node waits
    Fan,
    /// 100 wide, each node waits for three of the layer before
    Layered,
    /// A square; each node waits for those above it and left of it
    Wave,
    /// Binary, from the root down
    Tree,
    /// A million nodes, layered
    Large,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Fan => "fan",
            Self::Layered => "layered",
            Self::Wave => "wave",
            Self::Tree => "tree",
            Self::Large => "large",
        }
    }

    /// Nodes that it is run with.
    pub(crate) fn nodes(self) -> usize {
        match self {
            Self::Chain | Self::Fan | Self::Layered | Self::Wave => 10_000,
            Self::Tree => 8_191,
            Self::Large => 1_000_000,
        }
    }

    /// What `node` waits for. Smaller numbers only, so nodes in order are in topological order.
    fn dependencies(self, node: usize) -> Vec<usize> {
        let row = node % WIDTH;
        match self {
            Self::Fan => Vec::new(),
            Self::Chain => node.checked_sub(1).into_iter().collect(),
            Self::Tree => node.checked_sub(1).map(|below| below / 2).into_iter().collect(),
            Self::Layered | Self::Large if node < WIDTH => Vec::new(),
            Self::Layered | Self::Large => {
                let layer = node - row - WIDTH;
                [row, row + 1, row + 7].iter().map(|at| layer + at % WIDTH).collect()
            }
            Self::Wave => {
                let left = (row > 0).then(|| node - 1);
                node.checked_sub(WIDTH).into_iter().chain(left).collect()
            }
        }
    }
}

/// A graph. Nodes are numbers from 0 on; none depends on a greater one.
pub(crate) struct Graph {
    pub(crate) shape: Shape,
    dependencies: Lists,
    successors: Lists,
}

impl Graph {
    /// The first `nodes` of the shape.
    pub(crate) fn new(shape: Shape, nodes: usize) -> Result<Self> {
        ensure!(nodes > 0, "a graph has at least one node");
        ensure!(u32::try_from(nodes).is_ok(), "a graph of {nodes} nodes is too large for 32 bits");
        let of: Vec<Vec<usize>> = (0..nodes).map(|node| shape.dependencies(node)).collect();
        let mut successors = vec![Vec::new(); nodes];
        for (node, dependencies) in of.iter().enumerate() {
            for dependency in dependencies {
                successors[*dependency].push(node);
            }
        }
        Ok(Self { shape, dependencies: Lists::new(&of), successors: Lists::new(&successors) })
    }

    pub(crate) fn len(&self) -> usize {
        self.dependencies.starts.len() - 1
    }

    pub(crate) fn edges(&self) -> usize {
        self.dependencies.items.len()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = u32> + use<> {
        (0u32..).take(self.len())
    }

    pub(crate) fn dependencies(&self, node: u32) -> &[u32] {
        self.dependencies.of(node)
    }

    pub(crate) fn successors(&self, node: u32) -> &[u32] {
        self.successors.of(node)
    }

    /// How many nodes each node waits for.
    pub(crate) fn in_degrees(&self) -> Vec<u32> {
        let degree =
            |node| u32::try_from(self.dependencies(node).len()).expect("nodes are counted in 32 bits");
        self.nodes().map(degree).collect()
    }

    /// Nodes that wait for nothing.
    pub(crate) fn roots(&self) -> impl Iterator<Item = u32> {
        self.nodes().filter(|node| self.dependencies(*node).is_empty())
    }

    /// Nodes that nothing waits for.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = u32> {
        self.nodes().filter(|node| self.successors(*node).is_empty())
    }
}

/// Lists of nodes, one after the other in one array.
struct Lists {
    starts: Vec<usize>,
    items: Vec<u32>,
}

impl Lists {
    fn new(lists: &[Vec<usize>]) -> Self {
        let (mut starts, mut items) = (vec![0], Vec::new());
        for list in lists {
            items.extend(list.iter().map(|node| u32::try_from(*node).expect("nodes fit into 32 bits")));
            starts.push(items.len());
        }
        Self { starts, items }
    }

    fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.items[self.starts[node]..self.starts[node + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(shape: Shape) -> Graph {
        Graph::new(shape, shape.nodes()).unwrap()
    }

    #[test]
    fn shapes_have_the_edges_that_they_are_named_after() {
        let edges: Vec<usize> = Shape::value_variants().iter().map(|shape| graph(*shape).edges()).collect();
        assert_eq!(edges, [9_999, 0, 9_900 * 3, 2 * 100 * 99, 8_190, 999_900 * 3]);
    }

    #[test]
    fn a_node_waits_for_the_nodes_that_its_shape_says() {
        for (shape, node, expected) in [
            (Shape::Chain, 7, &[6][..]),
            (Shape::Layered, 99, &[]),
            (Shape::Layered, 395, &[295, 296, 202]),
            (Shape::Wave, 0, &[]),
            (Shape::Wave, 3, &[2]),
            (Shape::Wave, 300, &[200]),
            (Shape::Wave, 301, &[201, 300]),
            (Shape::Tree, 8_190, &[4_094]),
        ] {
            assert_eq!(graph(shape).dependencies(node), expected, "{shape:?} {node}");
        }
    }

    #[test]
    fn successors_are_the_dependencies_turned_round() {
        let wave = graph(Shape::Wave);
        assert_eq!(wave.successors(301), [302, 401]);
        assert_eq!(
            (wave.roots().collect::<Vec<_>>(), wave.leaves().collect::<Vec<_>>()),
            (vec![0], vec![9_999])
        );
        assert_eq!(wave.in_degrees()[..3], [0, 1, 1]);
        assert_eq!(graph(Shape::Fan).leaves().count(), 10_000);
    }
}
