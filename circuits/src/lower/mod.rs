//! Lowering: from a program's operations to relations.
//!
//! The lowering knows classes, accesses and expressions; it knows no layer by name. [`access`](mod@self) turns
//! affine reads into views and indicators, `rounding` turns expressions into hints and lookups.

mod access;
mod rounding;

use crate::hint::Hint;
use crate::plan::Layout;
use crate::program::{Class, Operation, Precision, Program, Source, Visibility};
use crate::relation::{
    Column, Einsum, Equality, Group, Kind, Lookup, Public, System, TableSpec, TensorId, TensorSpec, Values,
    View,
};
use crate::shape::Shape;
use crate::table::{MAX_LOG_ROWS, Table};
use crate::tensor::Bounds;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use thiserror::Error;

/// The operations that a proof covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All of them.
    All,
    /// Those of these numbers. Tensors that they read, and that no covered operation writes, are
    /// range-checked.
    Only(BTreeSet<usize>),
    /// None: the ranges of the committed constants, which a verifying key's own proof shows.
    Constants,
}

impl Coverage {
    fn contains(&self, operation: usize) -> bool {
        match self {
            Coverage::All => true,
            Coverage::Only(set) => set.contains(&operation),
            Coverage::Constants => false,
        }
    }
}

/// What the planner chooses between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choices {
    /// Quotient and remainder in one table of pairs, instead of two range tables.
    pub packed: bool,
    /// log2 of the largest table of a clamp; beyond it, two levels.
    pub log_clamp: usize,
}

impl Choices {
    /// All that the planner tries.
    pub fn candidates() -> impl Iterator<Item = Choices> {
        [12, 16, MAX_LOG_ROWS]
            .into_iter()
            .flat_map(|log_clamp| [false, true].map(|packed| Choices { packed, log_clamp }))
    }
}

/// Why a program has no lowering.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LowerError {
    /// An operation that the argument cannot prove.
    #[error("operation {operation} ({name}) cannot be proven: {reason}")]
    Operation {
        /// Its number.
        operation: usize,
        /// Its name.
        name: String,
        /// What is missing.
        reason: &'static str,
    },
    /// A committed tensor is too wide for a range table.
    #[error("{what} {index} is committed, and its bounds are wider than a range table")]
    TooWide {
        /// "input", "constant" or "operation".
        what: &'static str,
        /// Its number.
        index: usize,
    },
    /// A tensor of a valid program has too many cells for one proof.
    #[error("the program is too large for one proof")]
    TooLarge,
    /// A proof covers integers.
    #[error("an f32 program has no proof: receipts, audits and disputes are its evidence")]
    Precision,
    /// A sample names no operation, or one that the program does not have.
    #[error("a proof of a sample covers at least one operation, and only those of the program")]
    Coverage,
    /// No candidate was tried.
    #[error("there is nothing to plan")]
    NothingToPlan,
}

/// Constants of at most this many values are one tensor; wider ones are committed as digits.
const NARROW: u64 = 1 << 9;
/// Bounds of a balanced digit, base 256.
const DIGIT: Bounds = Bounds { lo: -128, hi: 127 };
/// The most tables, and the most rows of them in all: beyond, a short program would take much memory.
const MAX_TABLES: usize = 1 << 10;
const MAX_TABLE_ROWS: usize = 1 << 24;
/// More padded cells than this in all are refused.
const MAX_CELLS: u64 = 1 << 36;

/// Lowers the covered operations of a program that [`Program::check`] accepts.
///
/// # Errors
/// Where an operation has no lowering under these choices.
pub fn lower(program: &Program, coverage: &Coverage, choices: Choices) -> Result<System, LowerError> {
    if program.precision != Precision::Int8 {
        return Err(LowerError::Precision);
    }
    if let Coverage::Only(set) = coverage
        && set.last().is_none_or(|&last| last >= program.operations.len())
    {
        return Err(LowerError::Coverage);
    }
    let mut lowering = Lowering::new(program, choices);
    if *coverage != Coverage::Constants {
        lowering.inputs_and_wires();
    }
    for (number, operation) in program.operations.iter().enumerate() {
        if coverage.contains(number) {
            lowering.operation(number, operation).map_err(|reason| LowerError::Operation {
                operation: number,
                name: operation.name.clone(),
                reason,
            })?;
        }
    }
    lowering.ranges(coverage)?;
    lowering.finish()
}

struct Lowering<'a> {
    program: &'a Program,
    choices: Choices,
    system: System,
    inputs: Vec<TensorId>,
    /// For each constant: (weight, tensor), the constant being their weighted sum.
    constants: Vec<Vec<(i64, TensorId)>>,
    wires: Vec<TensorId>,
    tables: Vec<Table>,
    windows: rounding::Windows,
}

impl<'a> Lowering<'a> {
    fn new(program: &'a Program, choices: Choices) -> Self {
        let system = System {
            tensors: Vec::new(),
            einsums: Vec::new(),
            equalities: Vec::new(),
            lookups: Vec::new(),
            tables: Vec::new(),
            layout: Layout::default(),
            names: program.operations.iter().map(|operation| operation.name.clone()).collect(),
        };
        let mut lowering = Lowering {
            program,
            choices,
            system,
            inputs: Vec::new(),
            constants: Vec::new(),
            wires: Vec::new(),
            tables: Vec::new(),
            windows: rounding::Windows::new(program, choices.log_clamp),
        };
        for i in 0..program.constants.len() {
            let tensors = lowering.constant(i);
            lowering.constants.push(tensors);
        }
        lowering
    }

    fn inputs_and_wires(&mut self) {
        let program = self.program;
        for (i, input) in program.inputs.iter().enumerate() {
            let kind = match input.visibility {
                Visibility::Public => Kind::Public(Public::Input(i)),
                Visibility::Committed => Kind::Committed(Group::Input(i)),
            };
            let id = self.tensor(input.shape.clone(), input.bounds, kind, Values::Input(i));
            self.inputs.push(id);
        }
        for (i, operation) in program.operations.iter().enumerate() {
            let kind = match program.output_of(i) {
                None => Kind::Committed(Group::Wires),
                Some(o) => match program.outputs[o].visibility {
                    Visibility::Public => Kind::Public(Public::Output(o)),
                    Visibility::Committed => Kind::Committed(Group::Output(o)),
                },
            };
            let id = self.tensor(operation.shape.clone(), operation.bounds(), kind, Values::Wire(i));
            self.wires.push(id);
        }
    }

    fn tensor(&mut self, shape: Shape, bounds: Bounds, kind: Kind, values: Values) -> TensorId {
        self.system.tensors.push(TensorSpec { shape, bounds, kind, values });
        self.system.tensors.len() - 1
    }

    fn constant(&mut self, i: usize) -> Vec<(i64, TensorId)> {
        let constant = &self.program.constants[i];
        let shape = constant.shape.clone();
        if !self.program.committed_model {
            let kind = Kind::Public(Public::Constant(i));
            return alloc::vec![(1, self.tensor(shape, constant.bounds, kind, Values::Constant(i)))];
        }
        let kind = Kind::Committed(Group::Key);
        if constant.bounds.count() <= NARROW {
            return alloc::vec![(1, self.tensor(shape, constant.bounds, kind, Values::Constant(i)))];
        }
        let places = digits(constant.bounds);
        (0..places)
            .map(|place| {
                let values = Values::Digit { constant: i, place };
                (1i64 << (8 * place), self.tensor(shape.clone(), DIGIT, kind, values))
            })
            .collect()
    }

    /// The tensors, with weights, whose weighted sum a source is.
    fn source(&self, source: Source) -> Vec<(i64, TensorId)> {
        match source {
            Source::Input(i) => alloc::vec![(1, self.inputs[i])],
            Source::Constant(i) => self.constants[i].clone(),
            Source::Operation(i) => alloc::vec![(1, self.wires[i])],
        }
    }

    fn hint(&mut self, operation: usize, shape: &Shape, hint: Hint, bounds: Bounds) -> TensorId {
        let values = Values::Hint { operation, hint };
        self.tensor(shape.clone(), bounds, Kind::Committed(Group::Hints), values)
    }

    fn table(&mut self, table: Table) -> Result<usize, &'static str> {
        if let Some(number) = self.tables.iter().position(|other| *other == table) {
            return Ok(number);
        }
        let rows: usize = self.tables.iter().chain([&table]).map(Table::rows).sum();
        if self.tables.len() >= MAX_TABLES || rows > MAX_TABLE_ROWS {
            return Err("the tables of the program are too many or too large");
        }
        self.tables.push(table);
        Ok(self.tables.len() - 1)
    }

    fn lookup(
        &mut self,
        operation: Option<usize>,
        axes: &[usize],
        table: Table,
        columns: Vec<Column>,
    ) -> Result<(), &'static str> {
        let table = self.table(table)?;
        self.system.lookups.push(Lookup { operation, table, axes: axes.to_vec(), columns });
        Ok(())
    }

    fn operation(&mut self, number: usize, operation: &Operation) -> Result<(), &'static str> {
        match operation.class {
            Class::Rank => self.rank(number, operation),
            Class::Maximum => Err("a fold by maximum belongs to f32 programs"),
            _ => self.rounding(number, operation),
        }
    }

    /// The position of the first greatest element, where a statement shows it: the element there is a public
    /// one-hot product, and exceeds each element before it, and is not exceeded by any after.
    fn rank(&mut self, number: usize, operation: &Operation) -> Result<(), &'static str> {
        let output = self.program.output_of(number).ok_or("a position is provable only as an output")?;
        if self.program.outputs[output].visibility != Visibility::Public {
            return Err("a position is provable only as a public output");
        }
        let access = &operation.sums[0].terms[0].factors[0];
        let (_, bounds) = self.program.source(access.source).ok_or("it reads nothing")?;
        let count = bounds.with_zero().count();
        if count > 1 << MAX_LOG_ROWS {
            return Err("the elements that it compares are wider than a range table");
        }
        let sizes = operation.loop_sizes();
        let shape = Shape::new(sizes.clone()).ok_or("it has too many axes")?;
        let bit = Bounds { lo: 0, hi: 1 };
        let selected = Kind::Public(Public::Selected(output));
        let selected = self.tensor(shape.clone(), bit, selected, Values::Selected(output));
        let before = Kind::Public(Public::Before(output));
        let before = self.tensor(shape, bit, before, Values::Before(output));
        let kind = Kind::Virtual { operation: number, sum: 0 };
        let values = Values::Sum { operation: number, sum: 0 };
        let greatest = self.tensor(operation.shape.clone(), bounds, kind, values);
        let term =
            self.einsum_term(operation, &operation.sums[0].terms[0], &[(selected, View::identity(&sizes))]);
        let [term] = <[_; 1]>::try_from(term?).map_err(|_| "it compares a constant")?;
        self.system.einsums.push(Einsum { output: greatest, terms: alloc::vec![term] });
        let element =
            access::view(access, &self.tensor_sizes(access.source), &sizes).ok_or("it reads no view")?;
        let [(weight, tensor)] =
            <[_; 1]>::try_from(self.source(access.source)).map_err(|_| "it compares a constant")?;
        let column = Column {
            terms: alloc::vec![
                (1, greatest, View::identity(operation.shape.sizes())),
                (-weight, tensor, element),
                (-1, before, View::identity(&sizes)),
            ],
            constant: 0,
            divisor: 1,
        };
        self.lookup(Some(number), &sizes, Table::Range { first: 0, count }, alloc::vec![column])
    }

    fn tensor_sizes(&self, source: Source) -> Vec<usize> {
        self.program.shape(source).map_or_else(Vec::new, |shape| shape.sizes().to_vec())
    }

    /// The wire equals the sum.
    fn equality(&mut self, number: usize, operation: &Operation) -> Result<(), &'static str> {
        let defined = self.virtual_sum(number, operation, 0)?;
        self.system.equalities.push(Equality { defined, stated: self.wires[number] });
        Ok(())
    }

    /// Ranges of committed tensors that the covered operations read and none of them writes.
    fn ranges(&mut self, coverage: &Coverage) -> Result<(), LowerError> {
        let mut read = BTreeSet::new();
        for (number, operation) in self.program.operations.iter().enumerate() {
            if coverage.contains(number) {
                let terms = operation.sums.iter().flat_map(|sum| &sum.terms);
                read.extend(terms.flat_map(|term| &term.factors).map(|access| access.source));
            }
        }
        if *coverage == Coverage::Constants {
            for tensors in self.constants.clone() {
                for (_, tensor) in tensors {
                    self.range(tensor).map_err(|_| LowerError::TooLarge)?;
                }
            }
        }
        for source in read {
            let (what, index, tensor) = match source {
                Source::Input(i) => ("input", i, self.inputs[i]),
                Source::Operation(i) if !coverage.contains(i) => ("operation", i, self.wires[i]),
                _ => continue,
            };
            let spec = &self.system.tensors[tensor];
            if matches!(spec.kind, Kind::Committed(_)) {
                if spec.bounds.count() > 1 << MAX_LOG_ROWS {
                    return Err(LowerError::TooWide { what, index });
                }
                self.range(tensor).map_err(|_| LowerError::TooLarge)?;
            }
        }
        Ok(())
    }

    fn range(&mut self, tensor: TensorId) -> Result<(), &'static str> {
        let spec = &self.system.tensors[tensor];
        let (axes, bounds) = (spec.shape.sizes().to_vec(), spec.bounds);
        let view = View::identity(&axes);
        let column = Column { terms: alloc::vec![(1, tensor, view)], constant: 0, divisor: 1 };
        let table = Table::Range { first: bounds.lo, count: bounds.count() };
        self.lookup(None, &axes, table, alloc::vec![column])
    }

    fn finish(mut self) -> Result<System, LowerError> {
        for table in core::mem::take(&mut self.tables) {
            if table.log_rows() > MAX_LOG_ROWS {
                return Err(LowerError::TooLarge);
            }
            let shape = Shape::new(alloc::vec![table.rows()]).ok_or(LowerError::TooLarge)?;
            let number = self.system.tables.len();
            let bounds = Bounds { lo: 0, hi: MAX_CELLS as i64 };
            let kind = Kind::Committed(Group::Hints);
            let multiplicity = self.tensor(shape, bounds, kind, Values::Multiplicity(number));
            self.system.tables.push(TableSpec { table, multiplicity });
        }
        let tensors = self.system.tensors.iter().map(|spec| spec.shape.variables());
        let lookups = self.system.lookups.iter().map(Lookup::variables);
        let cells: u64 = tensors.chain(lookups).map(|variables| 1u64 << variables.min(50)).sum();
        if cells > MAX_CELLS {
            return Err(LowerError::TooLarge);
        }
        self.system.layout = Layout::new(&self.system.tensors, *crate::plan::ROW_LOGS.start(), 0);
        Ok(self.system)
    }
}

/// Number of balanced digits, base 256, that hold every value of the bounds.
fn digits(bounds: Bounds) -> u32 {
    let reaches = |places: u32| {
        let power = (0..places).fold(0i128, |sum, place| sum + (1i128 << (8 * place)));
        -128 * power <= i128::from(bounds.lo) && i128::from(bounds.hi) <= 127 * power
    };
    (1..=8).find(|&places| reaches(places)).unwrap_or(8)
}

/// The greatest magnitude of a committed constant whose tensors lie within their ranges: its digits reach
/// beyond its bounds.
pub(crate) fn digits_reach(bounds: Bounds) -> i128 {
    match bounds.count() <= NARROW {
        true => bounds.magnitude().into(),
        false => (0..digits(bounds)).map(|place| 128i128 << (8 * place)).sum(),
    }
}

/// The balanced digit, base 256, of a value at a place: `value = sum of digit * 256^place`.
pub fn digit(value: i64, place: u32) -> i64 {
    let mut rest = i128::from(value);
    for _ in 0..place {
        rest = (rest - balanced(rest)) >> 8;
    }
    balanced(rest) as i64
}

fn balanced(value: i128) -> i128 {
    (value + 128).rem_euclid(256) - 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_make_the_value() {
        for value in [0, 1, -1, 127, 128, -128, -129, 32639, 32640, -32896, -32897, 1 << 40] {
            let places = digits(Bounds { lo: value, hi: value });
            let sum: i64 = (0..places).map(|place| digit(value, place) << (8 * place)).sum();
            assert_eq!(sum, value, "{places} digits of {value}");
        }
    }
}
