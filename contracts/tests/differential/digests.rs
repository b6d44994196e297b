//! BLAKE3's official vectors through the deployed referee, chunk by chunk and node by node.

use crate::machine::Machine;
use assay_contracts::abi::Referee;
use assay_verifier::tensor_tree::{LEVELS, Node, Tree, Value};

/// Vectors of lengths that BLAKE3's own test vectors have, and others: bytes are `i mod 251`.
struct Vectors {
    official: usize,
    cases: Vec<(Vec<u8>, Value)>,
}

/// The lengths of the official vectors, but the empty one, which no tensor has.
const OFFICIAL: [usize; 34] = [
    1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 4096, 4097,
    5120, 5121, 6144, 6145, 7168, 7169, 8192, 8193, 16384, 31744, 102400,
];

fn vectors() -> Vectors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/test/vectors/blake3.json");
    let text = std::fs::read(path).expect("the vectors are there");
    let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let list = |name: &str| json[name].as_array().expect("a list").clone();
    let case = |(length, digest): (serde_json::Value, serde_json::Value)| {
        let length = length.as_u64().expect("a length") as usize;
        let digest = alloy::hex::decode(digest.as_str().expect("hex")).expect("hex");
        ((0..length).map(|i| (i % 251) as u8).collect(), digest.try_into().expect("32 bytes"))
    };
    let cases: Vec<(Vec<u8>, Value)> = list("lengths").into_iter().zip(list("digests")).map(case).collect();
    let official = OFFICIAL.iter().filter(|&&length| cases.iter().any(|(bytes, _)| bytes.len() == length));
    Vectors { official: official.count(), cases }
}

fn chunk_value(machine: &mut Machine, bytes: &[u8], chunk: u64) -> Value {
    let part = bytes.chunks(1024).nth(chunk as usize).expect("a chunk").to_vec();
    let call = Referee::chunkValueCall { chunk: part.into(), index: chunk, length: bytes.len() as u64 };
    machine.ask(machine.referee, &call).expect("a chunk's value").0
}

/// The value of a node, four levels by four, as a game reveals them.
fn node_value(machine: &mut Machine, bytes: &[u8], node: Node) -> Value {
    if node.chunks == 1 {
        return chunk_value(machine, bytes, node.first);
    }
    let below = node.below(LEVELS);
    let values: Vec<Value> = below.iter().map(|&below| node_value(machine, bytes, below)).collect();
    let call = Referee::mergeCall {
        values: values.concat().into(),
        first: node.first,
        chunks: node.chunks,
        length: bytes.len() as u64,
    };
    machine.ask(machine.referee, &call).expect("a node's value").0
}

#[test]
fn official_vectors_are_what_the_referee_computes() {
    let (mut machine, vectors) = (Machine::new(), vectors());
    assert_eq!(vectors.official, OFFICIAL.len());
    let mut compared = 0;
    for (bytes, digest) in &vectors.cases {
        let tree = Tree::new(bytes.len() as u64).expect("a length");
        let whole = Node { first: 0, chunks: tree.chunks() };
        assert_eq!(node_value(&mut machine, bytes, whole), *digest, "{} bytes", bytes.len());
        compared += 1;
        // From a first, a middle and the last chunk up.
        for chunk in [0, tree.chunks() / 2, tree.chunks() - 1] {
            let siblings = tree.path(bytes, chunk).expect("a path");
            let part = bytes.chunks(1024).nth(chunk as usize).expect("a chunk").to_vec();
            assert_eq!(tree.root_from_chunk(&part, chunk, &siblings), Ok(*digest));
            let length = bytes.len() as u64;
            let siblings: Vec<u8> = siblings.concat();
            let mut call = Referee::rootFromChunkCall {
                chunk: part.into(),
                index: chunk,
                length,
                siblings: siblings.into(),
            };
            let root = machine.ask(machine.referee, &call).expect("a root");
            assert_eq!(root.0, *digest, "chunk {chunk} of {} bytes", bytes.len());
            call.index += 1;
            let other = machine.ask(machine.referee, &call);
            assert!(other.is_err() || other.is_ok_and(|root| root.0 != *digest));
        }
    }
    assert!(compared >= 200, "{compared} vectors");
}
