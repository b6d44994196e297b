//! Files: the wrong kind, a full disk, nothing half written.

use crate::models::proven;

#[test]
fn a_file_of_the_wrong_kind_is_named_for_what_it_is() {
    let world = proven("");
    world.assay("key m.assay -o m.vk").done();
    world.write("empty", b"");
    world.assay("verify p.proof --model m.vk").refused(&["m.vk", "verifying key", "--vk"]);
    world.assay("verify p.proof --vk m.assay").refused(&["m.assay", "a program", "--model"]);
    world.assay("verify p.proof --model p.proof").refused(&["is a proof"]);
    world.assay("prove m.onnx --input xs.npy -o q.proof").refused(&["assay compile"]);
    world.assay("inspect m.onnx").refused(&["m.onnx"]);
    world.assay("inspect empty").refused(&["empty"]);
    world.assay("verify none.proof --model m.assay").refused(&["none.proof", "cannot read"]);
    world.assay("verify m.assay --model m.assay").refused(&["a proof or a receipt", "is a program"]);
    world.assay("export --format ree m.assay -o e.json").refused(&["a receipt", "is a program"]);
    world.assay("replay m.onnx --model m.assay --input xs.npy --sample 2").refused(&["a receipt", "ONNX"]);
    world.assay("verify empty --model m.assay").rejected(&["magic"]);
    let other = world.assay("verify p.proof --model m.assay --input xs.npy --sample 3 --json").json();
    assert_eq!((&other["verdict"], &other["inputs"]["x"]["equals"]), (&"rejected".into(), &false.into()));
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_full_disk_nothing_is_half_written() {
    let world = proven("");
    let before = world.files();
    // A limit of no blocks on the size of files stands in for a disk that is full.
    for line in [
        "compile m.onnx -o new.assay",
        "prove m.assay --input xs.npy --sample 2 -o new.proof",
        "key m.assay -o new.vk",
        "compile m.onnx -o m.assay",
    ] {
        let kept = world.read("m.assay");
        let answer = world.shell(&format!("trap '' XFSZ; ulimit -f 0; exec $ASSAY {line}"));
        answer.refused(&["cannot write"]);
        assert_eq!(world.files(), before);
        assert_eq!(world.read("m.assay"), kept);
    }
    let answer =
        world.shell("trap '' XFSZ; ulimit -f 0; exec $ASSAY run m.assay --input xs.npy --sample 2 -o out");
    answer.refused(&["out/y.npy", "cannot write"]);
    assert_eq!(std::fs::read_dir(world.path("out")).unwrap().count(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn devices_are_written_to_and_a_full_one_is_an_error() {
    let world = proven("");
    world.assay("key m.assay -o /dev/full").refused(&["/dev/full", "cannot write"]);
    world.shell("$ASSAY inspect m.assay > /dev/full").refused(&["standard output"]);
    assert!(
        world
            .shell("$ASSAY prove m.assay --input xs.npy --sample 2 -o /dev/stdout | head -c 8")
            .stdout
            .starts_with("ASSAYPRF")
    );
    let head = world.shell("$ASSAY inspect m.assay | head -n 1");
    assert_eq!((head.code, head.stderr.as_str()), (0, ""));
}

#[test]
fn a_folder_that_does_not_exist_is_an_error() {
    let world = proven("");
    world.assay("key m.assay -o no/such/m.vk").refused(&["no/such/m.vk", "cannot write"]);
    world.assay("compile m.onnx -o no/such/m.assay").refused(&["no/such/m.assay"]);
}
