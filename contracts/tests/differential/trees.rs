//! BLAKE3's trees. The official vectors go through the contract in `contracts/test/Blake3.t.sol`.

use super::common::programs::Dice;
use super::evm::Evm;
use alloy::primitives::Bytes;
use alloy::sol_types::SolCall;
use assay_contracts::abi::Referee;
use assay_verifier::tensor_tree::{LEVELS, Node, Tree};

const CHUNK: usize = 1024;

fn packed(values: &[[u8; 32]]) -> Bytes {
    values.as_flattened().to_vec().into()
}

fn lengths() -> impl Iterator<Item = usize> {
    let near = |chunks: usize| [chunks * CHUNK - 1, chunks * CHUNK, chunks * CHUNK + 1];
    [1, 2, 63, 64, 65, 127].into_iter().chain((1..=17).chain([31, 32, 33, 64, 100]).flat_map(near))
}

#[test]
fn chunks_lead_to_the_same_digests_or_nowhere() {
    let (mut evm, mut dice) = (Evm::new(), Dice(34));
    let (mut right, mut elsewhere, mut nowhere) = (0, 0, 0);
    for length in lengths() {
        let bytes: Vec<u8> = (0..length).map(|_| dice.from(0..=255) as u8).collect();
        let digest = *blake3::hash(&bytes).as_bytes();
        let tree = Tree::new(length as u64).unwrap();
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let (chunk, index) = (chunk.to_vec(), index as u64);
            let siblings = tree.path(&bytes, index).unwrap();
            let (mut other, mut place, mut long, mut path) =
                (chunk.clone(), index, length as u64, siblings.clone());
            match dice.from(0..=5) {
                0 => place += 1,
                1 => long += 1,
                2 => long -= 1,
                3 => path.push([0; 32]),
                4 if !path.is_empty() => drop(path.pop()),
                _ => {
                    let at = dice.from(0..=chunk.len() as i64 - 1) as usize;
                    other[at] ^= 1 << dice.from(0..=7);
                }
            }
            for (chunk, index, length, siblings) in
                [(chunk, index, length as u64, siblings), (other, place, long, path)]
            {
                let twin =
                    Tree::new(length).and_then(|tree| tree.root_from_chunk(&chunk, index, &siblings).ok());
                let call = Referee::rootFromChunkCall {
                    chunk: chunk.into(),
                    index,
                    length,
                    siblings: packed(&siblings),
                };
                let answer = evm.ask(evm.referee, call.abi_encode().into());
                let answer =
                    answer.map(|word| Referee::rootFromChunkCall::abi_decode_returns(&word).unwrap().0);
                assert_eq!(answer, twin, "chunk {index} of {length} bytes");
                match twin {
                    Some(found) if found == digest => right += 1,
                    Some(_) => elsewhere += 1,
                    None => nowhere += 1,
                }
            }
        }
    }
    assert!(right > 900 && elsewhere > 300 && nowhere > 300, "{right} {elsewhere} {nowhere}");
}

#[test]
fn values_below_a_node_merge_to_the_same_value_or_to_none() {
    let (mut evm, mut dice) = (Evm::new(), Dice(35));
    let (mut merged, mut refused) = (0, 0);
    for length in lengths().filter(|&length| length > CHUNK) {
        let bytes: Vec<u8> = (0..length).map(|i| ((i * i) >> 3) as u8).collect();
        let tree = Tree::new(length as u64).unwrap();
        let mut nodes = vec![tree.root()];
        while let Some(node) = nodes.pop() {
            let Some((left, right)) = node.halves() else { continue };
            nodes.extend([left, right]);
            let value = |node: &Node| tree.value(&bytes, *node).unwrap();
            let mut values: Vec<_> = node.below(LEVELS).iter().map(value).collect();
            match dice.from(0..=5) {
                0 => values.push([1; 32]),
                1 => drop(values.pop()),
                2 => values[0][0] ^= 1,
                _ => {}
            }
            let twin = tree.merge(node, LEVELS, &values).ok();
            let call = Referee::mergeCall {
                values: packed(&values),
                first: node.first,
                chunks: node.chunks,
                length: length as u64,
            };
            let answer = evm.ask(evm.referee, call.abi_encode().into());
            let answer = answer.map(|word| Referee::mergeCall::abi_decode_returns(&word).unwrap().0);
            assert_eq!(answer, twin, "{node:?} of {length} bytes");
            if twin.is_some() { merged += 1 } else { refused += 1 }
        }
    }
    assert!(merged > 300 && refused > 100, "{merged} {refused}");
}
