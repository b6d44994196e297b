"""Makes the cases `made_*`: operators and forms that ONNX's own node tests leave out.

Needs the Python packages onnx and onnxruntime. The processor must have VNNI (or not be an x86): elsewhere ONNX Runtime
saturates sums of products of uint8 and int8 to 16 bits, and the expected outputs are wrong.

    python make_cases.py
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(7)
MICROSOFT = "com.microsoft"


def case(name, op, inputs, constants=(), outputs=1, opset=13, domain="", **attributes):
    """Writes a model of one node, its inputs and what ONNX Runtime makes of them. `inputs` and `constants`
    are lists of (position, array); positions in neither are absent."""
    arrays = dict(inputs) | dict(constants)
    names = [f"i{p}" if p in arrays else "" for p in range(max(arrays) + 1)]
    results = [f"o{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    info = [
        helper.make_tensor_value_info(f"i{p}", helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for p, a in inputs
    ]
    initializers = [numpy_helper.from_array(a, f"i{p}") for p, a in constants]
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    out_info = [onnx.ValueInfoProto(name=name) for name in results]
    model = helper.make_model(
        helper.make_graph([node], name, info, out_info, initializers), opset_imports=opsets, ir_version=8
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, {f"i{p}": a for p, a in inputs})
    for output, array in zip(model.graph.output, found):
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        output.CopyFrom(helper.make_tensor_value_info(output.name, dtype, array.shape))
    folder = HERE / f"made_{name}" / "test_data_set_0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "model.onnx").write_bytes(model.SerializeToString())
    for kind, tensors in [("input", [a for _, a in inputs]), ("output", found)]:
        for i, array in enumerate(tensors):
            (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())


def real(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def u8(*shape):
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def i8(*shape):
    return RANDOM.integers(-128, 128, shape, dtype=np.int8)


def f(*values):
    return np.array(values if len(values) > 1 else values[0], dtype=np.float32)


def z(value, dtype=np.uint8):
    return np.array(value, dtype=dtype)


def i64(*values):
    return np.array(values, dtype=np.int64)


bias = RANDOM.integers(-2000, 2000, 5).astype(np.int32)
gemm = [(1, f(0.02)), (2, z(120)), (3, i8(5, 7)), (4, f(0.01)), (5, z(0, np.int8)), (6, bias)]
case("qgemm", "QGemm", [(0, u8(3, 7))], gemm + [(7, f(0.05)), (8, z(128))], domain=MICROSOFT, transB=1)
gemm[3] = (4, f(0.01, 0.02, 0.03, 0.015, 0.012))
gemm[4] = (5, np.zeros(5, dtype=np.int8))
case("qgemm_real_output", "QGemm", [(0, u8(3, 7))], gemm, domain=MICROSOFT, transB=1, alpha=1.0)

pair = [(1, f(0.05)), (2, z(100)), (4, f(0.03)), (5, z(140)), (6, f(0.07)), (7, z(90))]
case("qlinear_add", "QLinearAdd", [(0, u8(2, 3, 4)), (3, u8(3, 1))], pair, domain=MICROSOFT)
case("qlinear_mul", "QLinearMul", [(0, u8(2, 3, 4)), (3, u8(2, 3, 4))], pair, domain=MICROSOFT)
one = [(1, f(0.05)), (2, z(128)), (3, f(1 / 256)), (4, z(0))]
case("qlinear_sigmoid", "QLinearSigmoid", [(0, u8(40))], one, domain=MICROSOFT)
one = [(1, f(0.05)), (2, z(3, np.int8)), (3, f(0.04)), (4, z(-20, np.int8))]
case("qlinear_leaky_relu", "QLinearLeakyRelu", [(0, i8(40))], one, domain=MICROSOFT, alpha=0.1)
one = [(1, f(0.05)), (2, z(100)), (3, f(0.04)), (4, z(110))]
pool = dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
case("qlinear_average_pool", "QLinearAveragePool", [(0, u8(1, 2, 6, 5))], one, domain=MICROSOFT, **pool)
case("qlinear_global_average_pool", "QLinearGlobalAveragePool", [(0, u8(2, 3, 5, 4))], one, domain=MICROSOFT)
parts = [(0, f(0.05)), (1, z(100)), (3, f(0.04)), (4, z(110)), (6, f(0.1)), (7, z(0))]
case("qlinear_concat", "QLinearConcat", [(2, u8(2, 3)), (5, u8(2, 2))], parts, domain=MICROSOFT, axis=1)

conv = [(1, f(0.02)), (2, z(120)), (3, i8(4, 2, 3, 3)), (4, f(0.01, 0.02, 0.005, 0.04))]
conv += [(5, np.zeros(4, dtype=np.int8)), (6, f(0.3)), (7, z(128)), (8, bias[:4])]
grouped = dict(group=2, pads=[1, 1, 1, 1], strides=[2, 1], dilations=[1, 2])
case("qlinear_conv_grouped_per_filter", "QLinearConv", [(0, u8(1, 4, 6, 7))], conv, **grouped)

case("conv_grouped_dilated", "Conv", [(0, real(2, 4, 7, 6))], [(1, real(6, 2, 3, 2)), (2, real(6))], **grouped)
case("conv_1d_same_upper", "Conv", [(0, real(1, 2, 9))], [(1, real(3, 2, 4))], auto_pad="SAME_UPPER", strides=[2])
case("conv_depthwise", "Conv", [(0, real(1, 3, 5, 5))], [(1, real(6, 1, 3, 3))], group=3, pads=[1, 1, 1, 1])
transposed = dict(group=2, strides=[2, 3], dilations=[2, 1], pads=[1, 0, 2, 1], output_padding=[1, 0])
case("conv_transpose_grouped", "ConvTranspose", [(0, real(1, 4, 3, 4))], [(1, real(4, 2, 2, 3)), (2, real(4))], **transposed)
case("max_pool_ceil_int8", "MaxPool", [(0, i8(1, 2, 7, 7))], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[0, 1, 0, 1])
case("gemm_transposed", "Gemm", [(0, real(4, 3))], [(1, real(5, 4)), (2, real(5))], transA=1, transB=1, alpha=0.5, beta=2.0)
case("matmul_broadcast", "MatMul", [(0, real(2, 1, 3, 4)), (1, real(5, 4, 2))])

case("slice_attributes", "Slice", [(0, real(4, 5, 3))], opset=9, axes=[1, -3], starts=[-3, 1], ends=[100, 3])
case("pad_attributes", "Pad", [(0, real(3, 4))], opset=10, pads=[1, -1, 0, 2], mode="constant", value=1.5)
case("clip_attributes", "Clip", [(0, real(9))], opset=10, min=-0.5, max=0.25)
case("split_attributes", "Split", [(0, real(2, 6))], outputs=2, opset=11, axis=1, split=[2, 4])
case("squeeze_attributes", "Squeeze", [(0, real(1, 3, 1))], opset=11, axes=[-1])
case("reduce_attributes", "ReduceMean", [(0, real(2, 3, 4))], opset=11, axes=[0, -1], keepdims=0)
case("softmax_flattened", "Softmax", [(0, real(2, 3, 4))], opset=11, axis=1)
case("slice_negative_step", "Slice", [(0, real(4, 6))], [(1, i64(-1)), (2, i64(-100)), (3, i64(1)), (4, i64(-2))])
case("gather_negative", "Gather", [(0, real(3, 4))], [(1, i64(-1, 0))], axis=1)
case("layer_normalization", "LayerNormalization", [(0, real(2, 3, 8))], [(1, real(8)), (2, real(8))], opset=17)
case("quantize_per_axis", "QuantizeLinear", [(0, real(2, 3, 4))], [(1, f(0.01, 0.1, 0.02)), (2, i8(3))], axis=1)
