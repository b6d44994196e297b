//! What the curve layer costs, each beside its arkworks baseline in the same run:
//! row commitments (time per cell is `1 / throughput`), multi-scalar multiplication, decoding, the basis.
//!
//! `cargo bench -p assay-benches --bench curve`; arkworks runs on one thread, ours on those of `RAYON_NUM_THREADS`.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::VariableBaseMSM;
use ark_ff::Field;
use assay_prover::commitment::{self, Basis};
use assay_verifier::{basis, msm, point};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// A sequence of 53-bit integers without pattern (Marsaglia's xorshift).
fn integers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(0x139d_52a5_5bd9_c7e5u64), |x| {
        let x = x ^ x << 13;
        let x = x ^ x >> 7;
        Some(x ^ x << 17)
    })
    .map(|x| x >> 11)
}

fn signed_byte(x: u64) -> i32 {
    (x % 256) as i32 - 128
}

/// After a rectifier: half of them zero, the others mostly small.
fn activation(x: u64) -> i32 {
    let sum = (x % 64) + (x >> 8) % 64 + (x >> 16) % 64;
    (sum as i32 - 96).max(0)
}

fn remainder(x: u64) -> i32 {
    (x % 512) as i32
}

fn commit_rows(c: &mut Criterion) {
    let kinds: [(&str, fn(u64) -> i32); 3] =
        [("signed byte", signed_byte), ("activation", activation), ("remainder", remainder)];
    let mut group = c.benchmark_group("commit_rows");
    group.sample_size(10);
    for (rows, len) in [(139, 128), (300, 128), (98, 1024), (1000, 1024)] {
        let basis = Basis::new(len);
        group.throughput(Throughput::Elements((rows * len) as u64));
        for (kind, entry) in kinds {
            let cells: Vec<i32> = integers().take(rows * len).map(entry).collect();
            let cells: Vec<&[i32]> = cells.chunks(len).collect();
            let id = BenchmarkId::new(kind, format!("{rows} rows of {len}"));
            group.bench_function(id, |b| b.iter(|| black_box(commitment::commit_rows(&basis, &cells))));
        }
        let cells: Vec<u8> = integers().take(rows * len).map(|x| x as u8).collect();
        let id = BenchmarkId::new("arkworks msm_u8", format!("{rows} rows of {len}"));
        group.bench_function(id, |b| {
            let commit = |row| G1Projective::msm_u8(basis.points(), row);
            b.iter(|| black_box(cells.chunks(len).map(commit).collect::<Vec<_>>()));
        });
    }
    group.finish();
}

fn full_width(c: &mut Criterion) {
    let points = basis::basis(4096);
    let scalars: Vec<Fr> = (1u64..=4096).map(|i| Fr::from(i).pow([0x1234_5678])).collect();
    let mut group = c.benchmark_group("msm");
    group.sample_size(20);
    for terms in [128, 386, 1024, 4096] {
        let (points, scalars) = (&points[..terms], &scalars[..terms]);
        group.throughput(Throughput::Elements(terms as u64));
        let id = |name| BenchmarkId::new(name, terms);
        group.bench_function(id("verifier"), |b| b.iter(|| black_box(msm::msm(points, scalars))));
        group.bench_function(id("prover"), |b| b.iter(|| black_box(assay_prover::msm::msm(points, scalars))));
        group.bench_function(id("arkworks"), |b| {
            b.iter(|| black_box(G1Projective::msm_unchecked(points, scalars)))
        });
    }
    group.finish();
}

fn decoding(c: &mut Criterion) {
    let points = basis::basis(400);
    let encodings: Vec<_> = points.iter().map(point::encode).collect();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(400));
    group.bench_function("decode_all", |b| b.iter(|| black_box(point::decode_all(&encodings))));
    group.bench_function("decode", |b| {
        b.iter(|| encodings.iter().all(|bytes| point::decode(black_box(bytes)).is_ok()))
    });
    group.bench_function("arkworks", |b| {
        let recover =
            |point: &G1Affine| G1Affine::get_point_from_x_unchecked(black_box(point.x), true).is_some();
        b.iter(|| points.iter().all(recover));
    });
    group.finish();
}

fn reference_string(c: &mut Criterion) {
    let mut group = c.benchmark_group("basis");
    group.bench_function("1024 shipped points", |b| b.iter(|| black_box(basis::basis(1024))));
    group.bench_function("one computed point", |b| b.iter(|| black_box(basis::point(black_box(5000)))));
    group
        .sample_size(10)
        .bench_function("2048 points on all cores", |b| b.iter(|| black_box(Basis::new(2048))));
    group.finish();
}

criterion_group!(curve, commit_rows, full_width, decoding, reference_string);
criterion_main!(curve);
