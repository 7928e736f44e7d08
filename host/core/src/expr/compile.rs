//! From the parser's tree to ours: names become references or slots, functions become pointers, and whatever is
//! unknown becomes a fault. All faults of an expression are collected.

use super::node::{Arithmetic, Comparison, Element, Kind, Node, Path};
use super::parse::{self, Parsed};
use super::path;
use super::value::Constant;
use super::write::write_json;
use super::{Fault, FaultKind, Names, RefIx, SOURCE_LEN_MAX, UnknownName};
use crate::payload::{Payload, Segment};
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

mod calls;
pub(super) use calls::PATTERN_SIZE_MAX;
mod loops;

/// Names of types; they stand for themselves unless something visible is called the same.
const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "uint",
];

/// Compiles one expression.
pub(super) struct Compiler<'s, 'n> {
    source: &'s str,
    names: &'n mut dyn Names,
    references: &'n mut Vec<RefIx>,
    info: SourceInfo,
    /// Loop variables in scope; the position is the slot.
    locals: Vec<String>,
    faults: Vec<Fault>,
    /// Whether the value depends on anything but the source.
    depends: bool,
    uses_secrets: bool,
}

/// A name and what is selected from it by literals.
struct Chain<'e> {
    root: &'e str,
    offset: u32,
    segments: Vec<Segment>,
    /// Offset of each segment.
    offsets: Vec<u32>,
}

impl<'s, 'n> Compiler<'s, 'n> {
    pub(super) fn new(source: &'s str, names: &'n mut dyn Names, references: &'n mut Vec<RefIx>) -> Self {
        Self {
            source,
            names,
            references,
            info: SourceInfo::default(),
            locals: Vec::new(),
            faults: Vec::new(),
            depends: false,
            uses_secrets: false,
        }
    }

    /// The whole expression; `None` if there are faults.
    pub(super) fn root(&mut self) -> Option<Node> {
        if let Some(written) = path::recognise(self.source) {
            let offset = u32::try_from(written.offset).unwrap_or(u32::MAX);
            return self.written_path(written, offset);
        }
        match parse::parse(self.source) {
            Ok(Parsed { root, info }) => {
                self.info = info;
                self.node(&root)
            }
            Err(faults) => {
                self.faults = faults;
                None
            }
        }
    }

    /// The faults, whether the value depends on anything, and whether secrets are used.
    pub(super) fn finish(self) -> (Vec<Fault>, bool, bool) {
        (self.faults, self.depends, self.uses_secrets)
    }

    fn written_path(&mut self, mut written: path::WrittenPath, offset: u32) -> Option<Node> {
        let Segment::Key(root) = written.segments.remove(0) else { return None };
        let offsets = vec![offset; written.segments.len()];
        self.chain(Chain { root: &root, offset, segments: written.segments, offsets })
    }

    /// Compiles `expr`; `None` if that is impossible, with a fault recorded.
    fn node(&mut self, expr: &IdedExpr) -> Option<Node> {
        let offset = self.offset(expr);
        if let Some(chain) = self.as_chain(expr) {
            return self.chain(chain);
        }
        let kind = match &expr.expr {
            Expr::Literal(literal) => self.literal(offset, literal)?,
            Expr::Select(select) => {
                let operand = Box::new(self.node(&select.operand)?);
                Kind::Select(operand, select.field.as_str().into())
            }
            Expr::Call(call) => return self.call(offset, call),
            Expr::List(list) => {
                let optional = |ix: usize| list.optional_indices.contains(&ix);
                let elements: Vec<_> = list.elements.iter().map(|element| self.node(element)).collect();
                let element =
                    |(ix, node): (usize, Option<Node>)| Some(Element { node: node?, optional: optional(ix) });
                let elements = elements.into_iter().enumerate().map(element).collect::<Option<Box<[_]>>>()?;
                constant_list(&elements).unwrap_or(Kind::List(elements))
            }
            Expr::Map(map) => {
                let mut entries = Vec::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let (key, value) = (self.node(&entry.key), self.node(&entry.value));
                    entries.push(
                        key.zip(value).map(|(key, node)| (key, Element { node, optional: entry.optional })),
                    );
                }
                Kind::Map(entries.into_iter().collect::<Option<_>>()?)
            }
            Expr::Struct(made) => {
                return self.unsupported(offset, format!("there is no message type `{}`", made.type_name));
            }
            Expr::Ident(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                return self.unsupported(offset, "this cannot be evaluated".into());
            }
        };
        Some(Node { offset, kind })
    }

    fn literal(&mut self, offset: u32, literal: &LiteralValue) -> Option<Kind> {
        Some(Kind::Constant(match literal {
            LiteralValue::Null => Constant::Null,
            LiteralValue::Boolean(value) => Constant::Bool(*value.inner()),
            LiteralValue::Int(value) => Constant::Int(*value.inner()),
            LiteralValue::UInt(value) => Constant::Uint(*value.inner()),
            LiteralValue::Double(value) => Constant::Double(*value.inner()),
            LiteralValue::String(value) => Constant::Str(value.inner().into()),
            LiteralValue::Bytes(_) => {
                self.unsupported(offset, "bytes are not supported".into());
                return None;
            }
        }))
    }

    /// `expr` as a name and what is selected from it by literals.
    fn as_chain<'e>(&self, expr: &'e IdedExpr) -> Option<Chain<'e>> {
        let mut segments = Vec::new();
        let mut offsets = Vec::new();
        let mut inner = expr;
        loop {
            let offset = self.offset(inner);
            match &inner.expr {
                Expr::Ident(root) => {
                    segments.reverse();
                    offsets.reverse();
                    return Some(Chain { root, offset, segments, offsets });
                }
                Expr::Select(select) if !select.test => {
                    segments.push(Segment::Key(select.field.as_str().into()));
                    inner = &select.operand;
                }
                Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
                    let [operand, index] = args.as_slice() else { return None };
                    let Expr::Literal(literal) = &index.expr else { return None };
                    segments.push(match literal {
                        LiteralValue::String(key) => Segment::Key(key.inner().into()),
                        LiteralValue::Int(index) => Segment::Index(usize::try_from(*index.inner()).ok()?),
                        _ => return None,
                    });
                    inner = operand;
                }
                _ => return None,
            }
            offsets.push(offset);
        }
    }

    fn chain(&mut self, chain: Chain<'_>) -> Option<Node> {
        if let Some(slot) = self.locals.iter().rposition(|local| local == chain.root) {
            let mut node = Node { offset: chain.offset, kind: Kind::Local(slot) };
            for (segment, offset) in chain.segments.into_iter().zip(chain.offsets) {
                let operand = node;
                let kind = match segment {
                    Segment::Key(key) => Kind::Select(Box::new(operand), key),
                    Segment::Index(index) => {
                        let index = Constant::Int(i64::try_from(index).unwrap_or(i64::MAX));
                        Kind::Index(Box::new((operand, Node { offset, kind: Kind::Constant(index) })))
                    }
                };
                node = Node { offset, kind };
            }
            return Some(node);
        }
        let keys = chain.segments.iter().map_while(|segment| match segment {
            Segment::Key(key) => Some(&**key),
            Segment::Index(_) => None,
        });
        let names: Vec<&str> = std::iter::once(chain.root).chain(keys).collect();
        let kind = match self.names.resolve(&names) {
            Ok(resolved) => {
                let consumed = resolved.consumed.clamp(1, names.len());
                let name = names[..consumed].join(".").into();
                let segments = chain.segments[consumed - 1..].into();
                Kind::Path(Box::new(self.path(resolved.reference, name, segments)))
            }
            Err(unknown) => match TYPES.into_iter().find(|name| *name == chain.root && names.len() == 1) {
                Some(name) => Kind::Constant(Constant::Type(name)),
                None => return self.unknown_name(chain.offset, unknown),
            },
        };
        Some(Node { offset: chain.offset, kind })
    }

    fn path(&mut self, reference: RefIx, name: Box<str>, segments: Box<[Segment]>) -> Path {
        self.depends = true;
        let nth = self.references.iter().position(|known| *known == reference).unwrap_or_else(|| {
            self.references.push(reference);
            self.references.len() - 1
        });
        Path { reference, nth, segments, name }
    }

    fn binary(&mut self, args: &[IdedExpr]) -> Option<Box<(Node, Node)>> {
        let [left, right] = args else { return None };
        let (left, right) = (self.node(left), self.node(right));
        Some(Box::new((left?, right?)))
    }

    fn unary(&mut self, args: &[IdedExpr]) -> Option<Box<Node>> {
        let [operand] = args else { return None };
        self.node(operand).map(Box::new)
    }

    /// An operator; `None` within `Some` if its operands have faults.
    fn operator(&mut self, call: &CallExpr) -> Option<Option<Kind>> {
        let args = call.args.as_slice();
        if let Some(op) = arithmetic(&call.func_name) {
            return Some(self.binary(args).map(|sides| Kind::Arithmetic(op, sides)));
        }
        if let Some(op) = comparison(&call.func_name) {
            return Some(self.binary(args).map(|sides| Kind::Comparison(op, sides)));
        }
        Some(match call.func_name.as_str() {
            operators::LOGICAL_AND => self.binary(args).map(Kind::And),
            operators::LOGICAL_OR => self.binary(args).map(Kind::Or),
            operators::LOGICAL_NOT => self.unary(args).map(Kind::Not),
            operators::NEGATE => self.unary(args).map(Kind::Negate),
            operators::IN => self.binary(args).map(Kind::In),
            operators::INDEX => self.binary(args).map(Kind::Index),
            operators::OPT_INDEX => self.binary(args).map(Kind::OptionalIndex),
            operators::OPT_SELECT => self.optional_select(args),
            operators::CONDITIONAL => {
                let [condition, yes, no] = args else { return Some(None) };
                let (condition, yes, no) = (self.node(condition), self.node(yes), self.node(no));
                condition
                    .zip(yes)
                    .zip(no)
                    .map(|((condition, yes), no)| Kind::Condition(Box::new((condition, yes, no))))
            }
            _ => return None,
        })
    }

    fn optional_select(&mut self, args: &[IdedExpr]) -> Option<Kind> {
        let [operand, field] = args else { return None };
        let operand = self.node(operand)?;
        let Expr::Literal(LiteralValue::String(field)) = &field.expr else { return None };
        Some(Kind::OptionalSelect(Box::new(operand), field.inner().into()))
    }

    fn offset(&self, expr: &IdedExpr) -> u32 {
        self.info.offset_for(expr.id).map_or(0, |(start, _)| start)
    }

    fn fault(&mut self, offset: u32, kind: FaultKind, message: String, hint: String) {
        self.faults.push(Fault { offset: offset as usize, kind, message, hint });
    }

    fn unknown_name(&mut self, offset: u32, unknown: UnknownName) -> Option<Node> {
        self.fault(offset, FaultKind::UnknownName, unknown.message, unknown.hint);
        None
    }

    fn unsupported(&mut self, offset: u32, message: String) -> Option<Node> {
        self.fault(offset, FaultKind::Syntax, message, String::new());
        None
    }
}

/// A list of literals as one ready-made value, so that `x in ['a', 'b']` builds nothing when it runs.
fn constant_list(elements: &[Element]) -> Option<Kind> {
    let mut text = String::from("[");
    for element in elements {
        let Kind::Constant(constant) = &element.node.kind else { return None };
        if element.optional || matches!(constant, Constant::Uint(_) | Constant::Type(_)) {
            return None;
        }
        if text.len() > 1 {
            text.push(',');
        }
        write_json(&mut text, &constant.value(), SOURCE_LEN_MAX).ok()?;
    }
    text.push(']');
    let payload = Payload::parse(text).ok()?;
    Some(Kind::Constant(Constant::Json(payload)))
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterEqual,
        _ => return None,
    })
}
