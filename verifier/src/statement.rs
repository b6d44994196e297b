//! The statement that a proof proves: this program, on these inputs, gives these outputs.
//!
//! Each input and output is either public, and the statement holds its values, or committed, and it holds the
//! commitments to its rows.

use crate::point;
use crate::rejection::Rejection;
use alloc::vec::Vec;
use ark_bn254::G1Affine;
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::plan::Layout;
use assay_circuits::program::{Class, Program, Visibility};
use assay_circuits::relation::Group;
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, Tensor, integers_from_bytes};

/// One input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Its values.
    Public(Tensor),
    /// The commitments to its rows.
    Committed(Vec<G1Affine>),
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Statement {
    /// The inputs, in the program's order.
    pub inputs: Vec<Value>,
    /// The outputs, in the program's order.
    pub outputs: Vec<Value>,
}

/// What a program fixes of one input or output.
struct Slot<'a> {
    part: &'static str,
    index: usize,
    shape: &'a Shape,
    bounds: Bounds,
    visibility: Visibility,
    rows: usize,
}

fn slots<'a>(program: &'a Program, layout: &Layout) -> (Vec<Slot<'a>>, Vec<Slot<'a>>) {
    let inputs = program.inputs.iter().enumerate().map(|(index, input)| Slot {
        part: "input",
        index,
        shape: &input.shape,
        bounds: input.bounds,
        visibility: input.visibility,
        rows: layout.rows(Group::Input(index)),
    });
    let outputs = program.outputs.iter().enumerate().filter_map(|(index, output)| {
        let operation = program.operations.get(output.operation)?;
        Some(Slot {
            part: "output",
            index,
            shape: &operation.shape,
            bounds: output_bounds(program, output.operation),
            visibility: output.visibility,
            rows: layout.rows(Group::Output(index)),
        })
    });
    (inputs.collect(), outputs.collect())
}

/// Bounds that the verifier holds a public output to: those of its wire.
fn output_bounds(program: &Program, operation: usize) -> Bounds {
    let operation = program.operations.get(operation);
    operation.map_or(Bounds { lo: 0, hi: 0 }, |operation| match operation.class {
        Class::Rank => Bounds { lo: 0, hi: operation.reduce.first().map_or(0, |&n| n as i64 - 1) },
        _ => operation.bounds(),
    })
}

impl Statement {
    /// Checks the statement against the program: number, shapes, bounds and visibility of every part.
    pub fn check(&self, program: &Program, layout: &Layout) -> Result<(), Rejection> {
        let (inputs, outputs) = slots(program, layout);
        let groups = [("input", &self.inputs, inputs), ("output", &self.outputs, outputs)];
        for (part, values, slots) in groups {
            if values.len() != slots.len() {
                return Err(Rejection::Statement {
                    part,
                    index: values.len(),
                    problem: "list is too long or short",
                });
            }
            for (value, slot) in values.iter().zip(&slots) {
                slot.check(value)?;
            }
        }
        Ok(())
    }

    /// The message that a transcript absorbs: for each part its kind, and the digest of its values or its rows.
    pub fn digest_message(&self, program: &Program, layout: &Layout) -> Vec<u8> {
        let (inputs, outputs) = slots(program, layout);
        let mut w = Writer::new();
        // One instance; true lengths of all axes are the program's.
        w.u64(1);
        for (values, slots) in [(&self.inputs, inputs), (&self.outputs, outputs)] {
            w.length(values.len());
            for (value, slot) in values.iter().zip(&slots) {
                match value {
                    Value::Public(tensor) => {
                        w.u8(0);
                        w.bytes(&tensor.digest(&slot.bounds));
                    }
                    Value::Committed(rows) => {
                        w.u8(1);
                        w.list(rows, |w, row| w.bytes(&point::encode(row)));
                    }
                }
            }
        }
        w.finish()
    }

    /// The canonical encoding, whose reader knows the program.
    pub fn encode(&self, program: &Program, layout: &Layout) -> Vec<u8> {
        let (inputs, outputs) = slots(program, layout);
        let mut w = Writer::new();
        for (values, slots) in [(&self.inputs, inputs), (&self.outputs, outputs)] {
            for (value, slot) in values.iter().zip(&slots) {
                match value {
                    Value::Public(tensor) => w.bytes(&tensor.to_bytes(&slot.bounds)),
                    Value::Committed(rows) => rows.iter().for_each(|row| w.bytes(&point::encode(row))),
                }
            }
        }
        w.finish()
    }

    /// Reads what [`Statement::encode`] wrote.
    pub fn decode(r: &mut Reader<'_>, program: &Program, layout: &Layout) -> Result<Statement, DecodeError> {
        let (inputs, outputs) = slots(program, layout);
        let mut read =
            |slots: Vec<Slot<'_>>| slots.iter().map(|slot| slot.decode(r)).collect::<Result<_, _>>();
        Ok(Statement { inputs: read(inputs)?, outputs: read(outputs)? })
    }
}

impl Slot<'_> {
    fn check(&self, value: &Value) -> Result<(), Rejection> {
        let problem = match (value, self.visibility) {
            (Value::Public(tensor), Visibility::Public) => {
                if tensor.shape != *self.shape || tensor.values.len() != self.shape.cells() {
                    "has another shape than the model's"
                } else if tensor.values.iter().any(|&value| !self.bounds.contains(value)) {
                    "has a value out of the model's bounds"
                } else {
                    return Ok(());
                }
            }
            (Value::Committed(rows), Visibility::Committed) if rows.len() == self.rows => return Ok(()),
            (Value::Committed(_), Visibility::Committed) => "has another number of rows than the model's",
            (Value::Public(_), Visibility::Committed) => "is public, the model commits it",
            (Value::Committed(_), Visibility::Public) => "is committed, the model shows it",
        };
        Err(Rejection::Statement { part: self.part, index: self.index, problem })
    }

    fn decode(&self, r: &mut Reader<'_>) -> Result<Value, DecodeError> {
        match self.visibility {
            Visibility::Public => {
                let width = self.bounds.bytes();
                let bytes = r.bytes(self.shape.cells().saturating_mul(width), "public tensor")?;
                let values = integers_from_bytes(bytes, width);
                let tensor = Tensor { shape: self.shape.clone(), values };
                Ok(Value::Public(tensor))
            }
            Visibility::Committed => decode_points(r, self.rows, "committed tensor").map(Value::Committed),
        }
    }
}

/// Reads `count` points, after checking that their bytes are there.
pub(crate) fn decode_points(
    r: &mut Reader<'_>,
    count: usize,
    what: &'static str,
) -> Result<Vec<G1Affine>, DecodeError> {
    let bytes = r.bytes(count.saturating_mul(point::ENCODED), what)?;
    let (encodings, _) = bytes.as_chunks::<{ point::ENCODED }>();
    point::decode_all(encodings).map_err(|_| r.invalid(what))
}
