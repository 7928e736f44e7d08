//! What an expression is compiled to: a small tree in which names are references or slots and functions are pointers.

use super::RefIx;
use super::functions::Function;
use super::value::Constant;
use crate::payload::Segment;
use regex::Regex;

/// A node and where it stands in the source.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) offset: u32,
    pub(super) kind: Kind,
}

/// What a node computes.
#[derive(Debug)]
pub(super) enum Kind {
    Constant(Constant),
    Path(Box<Path>),
    Local(usize),
    Select(Box<Node>, Box<str>),
    OptionalSelect(Box<Node>, Box<str>),
    Has(Box<Node>, Box<str>),
    Index(Box<(Node, Node)>),
    OptionalIndex(Box<(Node, Node)>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Condition(Box<(Node, Node, Node)>),
    Arithmetic(Arithmetic, Box<(Node, Node)>),
    Comparison(Comparison, Box<(Node, Node)>),
    In(Box<(Node, Node)>),
    List(Box<[Element]>),
    Map(Box<[(Node, Element)]>),
    Macro(Box<Macro>),
    Bind(Box<(usize, Node, Node)>),
    OptionalMap(Box<OptionalMap>),
    Matches(Box<(Node, Regex)>),
    Call(&'static Function, Box<[Node]>),
    Now,
    Uuid,
    Secret(Box<str>),
}

/// A reference and what is selected from it by literals.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) reference: RefIx,
    pub(super) nth: usize,
    pub(super) segments: Box<[Segment]>,
    /// The reference as it was written, for messages.
    pub(super) name: Box<str>,
}

/// An element of a list or the value of a map entry.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) node: Node,
    /// Written with `?`: left out if the value is an empty optional.
    pub(super) optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// A loop over a list or a map.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) kind: MacroKind,
    pub(super) range: Node,
    /// The slot of the first loop variable; a second one has the next.
    pub(super) slot: usize,
    pub(super) two_variables: bool,
    pub(super) filter: Option<Node>,
    pub(super) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    List,
    Map,
    MapEntry,
    SortBy,
}

/// `optional.optMap(x, f)` and `optFlatMap`.
#[derive(Debug)]
pub(super) struct OptionalMap {
    pub(super) operand: Node,
    pub(super) slot: usize,
    pub(super) body: Node,
    pub(super) flat: bool,
}
