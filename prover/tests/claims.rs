//! The claims of `papers/dispute.md` and the tests that stand for them.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::Path;

/// The names of all functions under a folder.
fn functions(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            functions(&entry, into);
            continue;
        }
        let word = match entry.extension().and_then(|end| end.to_str()) {
            Some("rs") => "fn ",
            Some("sol") => "function ",
            _ => continue,
        };
        let text = read_to_string(&entry).unwrap();
        let names = text.lines().filter_map(|line| line.trim_start().strip_prefix(word));
        let names = names.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        into.extend(names.map(String::from));
    }
}

#[test]
fn every_claim_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut names = BTreeSet::new();
    for folder in [
        "circuits/src",
        "verifier/src",
        "prover/tests",
        "cli/src",
        "cli/tests",
        "contracts/tests",
        "contracts/test",
    ] {
        functions(&root.join(folder), &mut names);
    }
    let paper = read_to_string(root.join("papers/dispute.md")).unwrap();
    let (_, claims) = paper.split_once("## 8. Claims and their tests\n").unwrap();
    let (_, claims) = claims.split_once("\n1. ").unwrap();
    assert_eq!(claims.matches(". **").count(), 18, "nineteen claims");
    let mut named = 0;
    for name in claims.split('`').skip(1).step_by(2).filter(|name| name.contains('_') && !name.contains(' '))
    {
        assert!(names.contains(name), "there is no test `{name}`");
        named += 1;
    }
    assert!(named >= 90, "{named}");
}
