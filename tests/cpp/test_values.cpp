// Shapes, failures, tensors and views: values that need no file.

#include <array>
#include <memory>
#include <string>
#include <type_traits>

#include "support.hpp"

using tsr::DType;
using tsr::Failure;
using tsr::Shape;
using tsr::Tensor;
using tsr::TensorView;

TEST_CASE("element types have their names and sizes") {
    const std::array<DType, 4> types = {DType::FP32, DType::FP16, DType::INT8, DType::INT32};
    std::string said;
    for (DType type : types)
        said += std::string(tsr::name(type)) + std::to_string(tsr::itemsize(type)) + " ";
    CHECK(said == "FP324 FP162 INT81 INT324 ");
}

TEST_CASE("a shape has its rank, its dimensions and their product") {
    CHECK(Shape().rank() == 0);
    CHECK(Shape().numel() == 1);
    CHECK(Shape{}.to_string() == "()");
    CHECK(Shape{5}.to_string() == "(5,)");
    const Shape shape{2, 3, 4, 5};
    CHECK(shape.rank() == 4);
    CHECK(shape[0] == 2);
    CHECK(shape[3] == 5);
    CHECK(shape.numel() == 120);
    CHECK_TEXT(shape.to_string(), "(2, 3, 4, 5)");
    CHECK(std::vector<std::int64_t>(shape.begin(), shape.end()) ==
          std::vector<std::int64_t>{2, 3, 4, 5});
    const int dims[] = {7, 0};
    CHECK(Shape(dims, dims + 2) == Shape{7, 0});
    CHECK(Shape(dims, dims) == Shape{});
}

TEST_CASE("shapes of another rank are other shapes") {
    CHECK(Shape{} != Shape{1});
    CHECK(Shape{1} != Shape{1, 1});
    CHECK(Shape{2, 3} != Shape{3, 2});
    CHECK(Shape{2, 3} == Shape{2, 3});
    CHECK_FALSE(Shape{2, 3} != Shape{2, 3});
}

TEST_CASE("of more than four dimensions a shape keeps the rank") {
    const Shape shape{1, 2, 3, 4, 5};
    CHECK(shape.rank() == 5);
    CHECK_TEXT(shape.to_string(), "(1, 2, 3, 4, ...)");
    CHECK(std::distance(shape.begin(), shape.end()) == 4);
    CHECK(shape != Shape{1, 2, 3, 4});
}

TEST_CASE("a product never wraps") {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    CHECK(Shape{65536, 65536, 65536, 65536}.numel() == most);
    CHECK(Shape{most, 1, 1}.numel() == most);
    CHECK(Shape{most, 2}.numel() == most);
    CHECK(Shape{most, most, 0}.numel() == 0);
    CHECK(Shape{3037000499, 3037000499}.numel() == 9223372030926249001);
    CHECK(Shape{-2, -3}.numel() == 0);
    CHECK(Shape{std::numeric_limits<std::int64_t>::min()}.numel() == 0);
    CHECK(TensorView(DType::FP32, {most}, nullptr).nbytes() == SIZE_MAX);
    CHECK(TensorView(DType::INT8, {most}, nullptr).nbytes() == SIZE_MAX / 2);
}

TEST_CASE("a failure says what, where, and what would be right") {
    Failure failure;
    CHECK_FALSE(failure);
    CHECK_TEXT(failure.message(), "nothing went wrong");
    failure.kind = Failure::Kind::Format;
    failure.field = "ndim";
    failure.offset = 20;
    failure.found = "5";
    failure.expected = "0 to 4";
    CHECK(failure);
    CHECK_TEXT(failure.message(), "ndim at offset 20: got 5, expected 0 to 4");
    failure.clause = "V1-NDIM-1";
    CHECK_TEXT(failure.message(), "ndim at offset 20: got 5, expected 0 to 4 [V1-NDIM-1]");
    failure.note = "why";
    failure.path = "a/b.tsr";
    CHECK_TEXT(failure.message(),
               "a/b.tsr: ndim at offset 20: got 5, expected 0 to 4 (why) [V1-NDIM-1]");
    failure.kind = Failure::Kind::Unsupported;
    CHECK_TEXT(failure.message(), "a/b.tsr: ndim: got 5, expected 0 to 4 (why) [V1-NDIM-1]");
    failure.kind = Failure::Kind::System;
    failure.code = std::make_error_code(std::errc::no_such_file_or_directory);
    CHECK_TEXT(failure.message(), "a/b.tsr: No such file or directory");
}

TEST_CASE("a failure is thrown as what it is, and copies of that do not throw") {
    static_assert(std::is_nothrow_copy_constructible_v<tsr::FormatError>);
    static_assert(std::is_base_of_v<std::runtime_error, tsr::Error>);
    Failure failure;
    failure.kind = Failure::Kind::Format;
    failure.path = "x.tsr";
    failure.field = "magic";
    failure.offset = 3;
    failure.found = "b'NUM'";
    failure.expected = "b'TSR!'";
    failure.clause = "V1-MAGIC-1";
    failure.note = "a note";
    std::unique_ptr<tsr::FormatError> kept;
    try {
        tsr::raise(failure);
    } catch (const tsr::FormatError& error) {
        kept = std::make_unique<tsr::FormatError>(error);
    }
    REQUIRE(kept);
    CHECK(std::string(kept->what()) == failure.message());
    CHECK(kept->path() == "x.tsr");
    CHECK(kept->field() == "magic");
    CHECK(kept->offset() == 3);
    CHECK(kept->found() == "b'NUM'");
    CHECK(kept->expected() == "b'TSR!'");
    CHECK(kept->clause() == "V1-MAGIC-1");
    CHECK(is_same(kept->failure(), failure));
    failure.kind = Failure::Kind::Unsupported;
    CHECK_THROWS_AS(tsr::raise(failure), tsr::UnsupportedError);
    CHECK(is_same(thrown_by<tsr::Error>([&] { tsr::raise(failure); }), failure));
    failure.kind = Failure::Kind::System;
    failure.code = std::make_error_code(std::errc::is_a_directory);
    CHECK_THROWS_WITH_AS(tsr::raise(failure), "x.tsr: Is a directory", std::system_error);
}

TEST_CASE("a view gives elements as what they are, where they are aligned") {
    const float values[] = {1, 2, 3, 4, 5, 6};
    const TensorView view(values, {2, 3});
    CHECK(view.dtype() == DType::FP32);
    CHECK(view.shape() == Shape{2, 3});
    CHECK(view.numel() == 6);
    CHECK(view.nbytes() == 24);
    CHECK(view.as<float>() == values);
    CHECK(view.as<std::int32_t>() == nullptr);
    CHECK(view.as<std::int8_t>() == nullptr);
    CHECK(view.as<std::uint16_t>() == nullptr);
    const auto* odd = reinterpret_cast<const std::byte*>(values) + 1;
    CHECK(TensorView(DType::FP32, {2}, odd).as<float>() == nullptr);
    CHECK(TensorView(DType::FP32, {2}, odd + 1).as<float>() == nullptr);
    CHECK(TensorView(DType::INT32, {2}, odd + 3).as<std::int32_t>() != nullptr);
    CHECK(TensorView(DType::FP16, {2}, odd).as<std::uint16_t>() == nullptr);
    CHECK(TensorView(DType::FP16, {2}, odd + 1).as<std::uint16_t>() != nullptr);
    CHECK(static_cast<const void*>(TensorView(DType::INT8, {2}, odd).as<std::int8_t>()) == odd);
    const std::int8_t small[] = {1};
    const std::int32_t large[] = {1};
    const std::uint16_t halves[] = {1};
    CHECK(TensorView(small, {1}).dtype() == DType::INT8);
    CHECK(TensorView(large, {1}).dtype() == DType::INT32);
    CHECK(TensorView(halves, {1}).dtype() == DType::FP16);
}

namespace {

Tensor filled(std::initializer_list<float> values) {
    Tensor tensor(DType::FP32, {static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), tensor.as<float>());
    return tensor;
}

}  // namespace

TEST_CASE("a tensor owns its elements, and a copy has its own") {
    Tensor one = filled({1, 2});
    Tensor other = one;
    CHECK(bytes_of(other) == bytes_of(one));
    CHECK(other.data() != one.data());
    other.as<float>()[0] = 7;
    CHECK(one.as<float>()[0] == 1);
    other = one;
    CHECK(other.as<float>()[0] == 1);
    CHECK(other.data() != one.data());
    const Tensor& constant = one;
    CHECK(constant.as<float>() == one.as<float>());
    CHECK(constant.as<std::int32_t>() == nullptr);
    CHECK(constant.data() == one.data());
    const Tensor copy(one.view());
    CHECK(bytes_of(copy) == bytes_of(one));
    CHECK(copy.data() != one.data());
    CHECK(reinterpret_cast<std::uintptr_t>(one.data()) % alignof(float) == 0);
}

TEST_CASE("a tensor that was moved from is empty, and can be used again") {
    static_assert(std::is_nothrow_move_constructible_v<Tensor>);
    static_assert(std::is_nothrow_move_assignable_v<Tensor>);
    Tensor one = filled({1, 2});
    const std::byte* data = one.data();
    Tensor other = std::move(one);
    CHECK(other.data() == data);
    CHECK(one.shape() == Shape{0});  // NOLINT: it is what is tested
    CHECK(one.nbytes() == 0);
    CHECK(one.data() == nullptr);
    CHECK(one.as<float>() == nullptr);
    CHECK(Tensor(one).nbytes() == 0);
    one = std::move(other);
    CHECK(one.data() == data);
    CHECK(other.nbytes() == 0);
    other = filled({3});
    CHECK(other.as<float>()[0] == 3);
    one.swap(other);
    CHECK(one.as<float>()[0] == 3);
    CHECK(other.data() == data);
}

TEST_CASE("a tensor is assigned to itself") {
    Tensor tensor = filled({1, 2});
    Tensor& same = tensor;
    tensor = same;
    CHECK(bytes_of(tensor) == bytes_of(filled({1, 2})));
    tensor = std::move(same);
    CHECK(bytes_of(tensor) == bytes_of(filled({1, 2})));
    Tensor empty;
    Tensor& also = empty;
    empty = also;
    CHECK(empty.shape() == Shape{0});
}

TEST_CASE("a tensor with no element is one") {
    const Tensor none(DType::INT32, {2, 0, 3});
    CHECK(none.nbytes() == 0);
    CHECK(none.numel() == 0);
    const Tensor copy = none;
    CHECK(copy.dtype() == DType::INT32);
    CHECK(copy.shape() == Shape{2, 0, 3});
    CHECK(Tensor(TensorView(DType::INT8, {0}, nullptr)).dtype() == DType::INT8);
    CHECK(Tensor().shape() == Shape{0});
    CHECK(Tensor().dtype() == DType::FP32);
}

TEST_CASE("a tensor that cannot be is refused") {
    const Shape five{1, 1, 1, 1, 1};
    for (const Shape& shape : {five, Shape{-1}, Shape{2, -2, 0}}) {
        Failure failure;
        CHECK_FALSE(Tensor::allocate(DType::FP32, shape, failure));
        CHECK(failure.kind == Failure::Kind::Unsupported);
        CHECK_TEXT(failure.message(), "shape: got " + shape.to_string() +
                                          ", expected at most 4 dimensions, none of them negative");
        CHECK(is_same(thrown_by<tsr::UnsupportedError>([&] { Tensor(DType::FP32, shape); }),
                      failure));
    }
}

TEST_CASE("want of memory is one of the system's errors") {
    for (const std::int64_t dim : {std::int64_t{1} << 46, std::int64_t{1} << 62}) {
        Failure failure;
        CHECK_FALSE(Tensor::allocate(DType::INT8, {dim}, failure));
        CHECK(failure.code == std::errc::not_enough_memory);
        CHECK_FALSE(Tensor::allocate(DType::FP32, {dim, 2}, failure));
        CHECK(failure.code == std::errc::not_enough_memory);
        CHECK_THROWS_AS(Tensor(DType::FP32, {dim}), std::system_error);
    }
}

TEST_CASE("the CRC-32 of any bytes, wherever they lie and however they are cut") {
    Bytes bytes(3000);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<unsigned char>(i * i * 7 + i / 3);
    CHECK(tsr::detail::crc32(reinterpret_cast<const unsigned char*>("123456789"), 9) == 0xcbf43926);
    for (std::size_t start = 0; start < 18; ++start) {
        for (std::size_t size = 0; size < 400; size += 1 + size / 37) {
            const std::uint32_t crc = crc_of(bytes.data() + start, size);
            CHECK(tsr::detail::crc32(bytes.data() + start, size) == crc);
            const std::uint32_t first = tsr::detail::crc32(bytes.data() + start, size / 3);
            CHECK(tsr::detail::crc32(bytes.data() + start + size / 3, size - size / 3, first) ==
                  crc);
        }
    }
    CHECK(tsr::detail::crc32(bytes.data(), bytes.size()) == crc_of(bytes.data(), bytes.size()));
}

TEST_CASE("products of what a file claims do not wrap, and are said in full") {
    using tsr::detail::Wide;
    const auto product = [](std::initializer_list<std::int64_t> factors) {
        Wide value = 1;
        for (std::int64_t factor : factors) value.multiply(factor);
        return value;
    };
    constexpr std::int64_t most = 2147483647;
    constexpr std::int64_t least = -2147483648;
    CHECK_TEXT(product({65536, 65536, 65536, 65536}).to_string(), "18446744073709551616");
    CHECK_TEXT(product({most, most, most, most, 4}).to_string(),
               "85070591571778290947995441078751723524");
    CHECK_TEXT(product({least, least, least, least}).to_string(),
               "21267647932558653966460912964485513216");
    CHECK_TEXT(product({least, most, 1, 1}).to_string(), "-4611686016279904256");
    CHECK_TEXT(product({-3, 0}).to_string(), "0");
    CHECK(product({-3, 0}).equals_signed(0));
    CHECK(product({least, 65536, 65536}).equals_signed(std::numeric_limits<std::int64_t>::min()));
    CHECK_FALSE(product({65536, 65536, 65536, 65536}).equals(0));
    CHECK_FALSE(product({-1}).equals(1));
    CHECK_FALSE(product({-1}).equals(0xffffffffffffffffu));
    CHECK(product({65536, 65536, 65536, 65536}).exceeds(0xffffffffffffffffu));
    CHECK_FALSE(product({-1}).exceeds(0));
    Wide end = 0xffffffffffffffffu;
    end.add(0xffffffffffffffffu);
    CHECK_TEXT(end.to_string(), "36893488147419103230");
    end.round_up(256);
    CHECK_TEXT(end.to_string(), "36893488147419103232");
    Wide last = 0xffffffffffffff01u;
    last.round_up(256);
    CHECK_TEXT(last.to_string(), "18446744073709551616");
}
