// Bytes in memory <-> tensors and layouts, each against bytes that are written out here.

#include <cmath>
#include <limits>
#include <new>
#include <string>

#include "support.hpp"
#include "unit_without_zlib.hpp"

using tsr::DType;
using tsr::Failure;
using tsr::Format;
using tsr::Layout;
using tsr::ReadOptions;
using tsr::Shape;
using tsr::Tensor;
using tsr::TensorFile;
using tsr::TensorView;
using tsr::WriteOptions;

namespace {

std::size_t largest_array = 0;

}  // namespace

// Arrays of bytes are what the header allocates for elements: the largest is remembered.
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
    largest_array = std::max(largest_array, size);
    return ::operator new(size, tag);
}
void* operator new[](std::size_t size) {
    return ::operator new(size);
}
void operator delete[](void* data) noexcept {
    ::operator delete(data);
}
void operator delete[](void* data, std::size_t) noexcept {
    ::operator delete(data);
}

namespace {

const WriteOptions raw{Format::TSR4, false, false};
const WriteOptions zlib{Format::TSR4, true, false};
const ReadOptions lenient{false, true};
const ReadOptions unverified{true, false};

/// What every way to read makes of bytes that are refused; the same, or a failed check.
Failure refusal(const Bytes& file, const ReadOptions& options = {}) {
    Failure failure;
    CHECK_FALSE(tsr::loads(file.data(), file.size(), failure, options));
    CHECK(failure.kind == Failure::Kind::Format);
    CHECK(
        is_same(thrown_by<tsr::FormatError>([&] { tsr::loads(file.data(), file.size(), options); }),
                failure));
    const auto findings = tsr::validate(file.data(), file.size(), options);
    REQUIRE_FALSE(findings.empty());
    CHECK(is_same(findings[0], failure));
    return failure;
}

std::string message(const Bytes& file, const ReadOptions& options = {}) {
    return refusal(file, options).message();
}

std::vector<std::string> messages(const Bytes& file, const ReadOptions& options = {}) {
    std::vector<std::string> all;
    for (const Failure& finding : tsr::validate(file.data(), file.size(), options))
        all.push_back(finding.message());
    return all;
}

Tensor read(const Bytes& file, const ReadOptions& options = {}) {
    Failure failure;
    auto tensor = tsr::loads(file.data(), file.size(), failure, options);
    REQUIRE(tensor);
    CHECK_FALSE(failure);
    CHECK(bytes_of(tsr::loads(file.data(), file.size(), options)) == bytes_of(*tensor));
    CHECK(tsr::validate(file.data(), file.size(), options).empty());
    return std::move(*tensor);
}

/// Both forms of dumps, which give the same.
Bytes written(const TensorView& tensor, const WriteOptions& options = {}) {
    Failure failure;
    const auto file = tsr::dumps(tensor, failure, options);
    REQUIRE(file);
    CHECK_FALSE(failure);
    CHECK(*file == tsr::dumps(tensor, options));
    return bytes_of(*file);
}

/// What both forms of dumps and of save refuse.
Failure unsupported(const std::vector<TensorView>& tensors, const WriteOptions& options) {
    Failure failure;
    CHECK_FALSE(tsr::dumps(tensors, failure, options));
    CHECK(failure.kind == Failure::Kind::Unsupported);
    CHECK(
        is_same(thrown_by<tsr::UnsupportedError>([&] { tsr::dumps(tensors, options); }), failure));
    const Folder folder;
    Failure of_file;
    CHECK_FALSE(tsr::save(folder / "x.tsr", tensors, of_file, options));
    CHECK(is_same(of_file, failure));
    CHECK_THROWS_AS(tsr::save(folder / "x.tsr", tensors, options), tsr::UnsupportedError);
    CHECK(folder.names().empty());
    if (tensors.size() == 1) {
        CHECK_FALSE(tsr::dumps(tensors[0], of_file, options));
        CHECK(is_same(of_file, failure));
        CHECK_THROWS_AS(tsr::save(folder / "x.tsr", tensors[0], options), tsr::UnsupportedError);
    }
    return failure;
}

std::string why_not(const std::vector<TensorView>& tensors, const WriteOptions& options) {
    return unsupported(tensors, options).message();
}

}  // namespace

// ------------------------------------------------------------------ version 1

TEST_CASE("version 1: a tensor and its bytes, both ways") {
    const float values[] = {1, -2};
    CHECK(written(TensorView(values, {1, 2})) == v1_file());
    const Tensor tensor = read(v1_file());
    CHECK(tensor.dtype() == DType::FP32);
    CHECK(tensor.shape() == Shape{1, 2});
    CHECK(tensor.as<float>()[1] == -2);
}

TEST_CASE("version 1: every type and rank has the header that it should have") {
    struct Case {
        Shape shape;
        std::int32_t dims[4];
    };
    const Case cases[] = {{{}, {1, 1, 1, 1}},           {{5}, {1, 1, 1, 5}},
                          {{3, 4}, {1, 1, 3, 4}},       {{2, 3, 4}, {1, 2, 3, 4}},
                          {{2, 3, 4, 5}, {2, 3, 4, 5}}, {{0}, {1, 1, 1, 0}},
                          {{2, 0, 3}, {1, 2, 0, 3}},    {{0, 0, 0, 0}, {0, 0, 0, 0}}};
    const std::pair<DType, int> types[] = {{DType::FP32, 1}, {DType::INT8, 2}, {DType::INT32, 3}};
    for (const auto& [dtype, code] : types) {
        for (const Case& one : cases) {
            CAPTURE(one.shape.to_string());
            const auto rank = static_cast<std::int32_t>(one.shape.rank());
            const Bytes header = v1_header(code, rank, one.dims);
            Failure failure;
            const auto built = tsr::build_header(dtype, one.shape, failure);
            REQUIRE(built);
            CHECK(*built == tsr::build_header(dtype, one.shape));
            CHECK(Bytes(header) == bytes_of({built->begin(), built->end()}));
            const auto parsed = tsr::parse_header(header.data(), header.size(), failure);
            REQUIRE(parsed);
            CHECK(parsed->dtype == dtype);
            CHECK(parsed->shape == one.shape);
            const std::size_t nbytes = static_cast<std::size_t>(one.shape.numel()) *
                                       tsr::itemsize(dtype);
            CHECK(parsed->nbytes == nbytes);
            CHECK(tsr::parse_header(header.data(), 64).shape == one.shape);
            Bytes elements(nbytes);
            for (std::size_t i = 0; i < nbytes; ++i)
                elements[i] = static_cast<unsigned char>(37 * i);
            const Bytes file = written(TensorView(dtype, one.shape, elements.data()));
            CHECK(file == joined(header, elements));
            const Tensor tensor = read(file);
            CHECK(tensor.dtype() == dtype);
            CHECK(tensor.shape() == one.shape);
            CHECK(bytes_of(tensor) == elements);
        }
    }
}

TEST_CASE("values are bits: NaNs, zeros and subnormals stay what they are") {
    const std::int32_t bits[] = {0x7f800001,
                                 0x7fc00000,
                                 -1,
                                 static_cast<std::int32_t>(0xffa55aa5),
                                 std::numeric_limits<std::int32_t>::min(),
                                 1,
                                 0x7f800000,
                                 0x007fffff};
    const TensorView view(DType::FP32, {8}, bits);
    for (const WriteOptions& options : {WriteOptions{}, raw, zlib}) {
        const Tensor tensor = read(written(view, options));
        CHECK(std::memcmp(tensor.data(), bits, sizeof bits) == 0);
        CHECK(std::isnan(tensor.as<float>()[0]));
    }
}

TEST_CASE("version 1: every broken rule has its words") {
    const Bytes file = v1_file();
    const auto said = [&](std::size_t offset, auto value) {
        return message(patched(file, offset, value));
    };
    using i32 = std::int32_t;
    using i64 = std::int64_t;
    CHECK_TEXT(message({}),
               "header at offset 0: got 0 bytes, expected at least 64 bytes [V1-SIZE-1]");
    CHECK_TEXT(message(hex("545352")),
               "header at offset 0: got 3 bytes, expected at least 64 bytes [V1-SIZE-1]");
    CHECK_TEXT(message(hex("5453525b00")),
               "header at offset 0: got 5 bytes, expected at least 64 bytes "
               "(no TSR file: it starts with b'TSR[') [V1-SIZE-1]");
    CHECK_TEXT(said(0, 'X'), "magic at offset 0: got b'XSR!', expected b'TSR!' [V1-MAGIC-1]");
    CHECK_TEXT(message(joined(hex("934e554d"), Bytes(file.begin() + 4, file.end()))),
               "magic at offset 0: got b'\\x93NUM', expected b'TSR!' "
               "(this looks like an .npy file) [V1-MAGIC-1]");
    CHECK_TEXT(said(4, i32{-1}), "version at offset 4: got -1, expected 1 [V1-VERSION-1]");
    CHECK_TEXT(said(8, i32{65}), "header_size at offset 8: got 65, expected 64 [V1-HEADER-1]");
    CHECK_TEXT(said(12, i32{7}), "reserved_1 at offset 12: got 7, expected 0 [V1-RESERVED-1]");
    CHECK_TEXT(said(16, i32{0}),
               "dtype at offset 16: got 0, expected 1 (FP32), 2 (INT8) or 3 (INT32) [V1-DTYPE-1]");
    const char* announced[] = {"FP16", "BF16", "FP64", "INT16", "UINT8"};
    for (i32 code = 4; code <= 8; ++code)
        CHECK(refusal(patched(file, 16, code)).note ==
              std::string(announced[code - 4]) + " is announced, but not part of version 1");
    CHECK(refusal(patched(file, 16, i32{9})).note.empty());
    CHECK_TEXT(said(20, i32{5}), "ndim at offset 20: got 5, expected 0 to 4 [V1-NDIM-1]");
    CHECK(refusal(patched(file, 20, i32{-1})).clause == "V1-NDIM-1");
    CHECK_TEXT(said(36, i32{-2}), "dims[3] at offset 36: got -2, expected 0 or more [V1-DIMS-1]");
    CHECK_TEXT(said(28, i32{2}),
               "dims[1] at offset 28: got 2, expected 1 (ndim 2 leaves it unused) [V1-DIMS-2]");
    CHECK_TEXT(said(40, i64{3}),
               "total_elements at offset 40: got 3, expected 2 "
               "(the product of dims 1, 1, 1, 2) [V1-TOTAL-1]");
    CHECK_TEXT(said(48, i64{-9}), "reserved_2 at offset 48: got -9, expected 0 [V1-RESERVED-2]");
    CHECK_TEXT(said(56, i64{1} << 62),
               "reserved_3 at offset 56: got 4611686018427387904, expected 0 [V1-RESERVED-3]");
    CHECK_TEXT(message(Bytes(file.begin(), file.end() - 1)),
               "payload at offset 64: got 7 bytes, expected 8 bytes [V1-PAYLOAD-1]");
    CHECK_TEXT(message(joined(file, {1})),
               "end of file at offset 72: got 1 more byte, expected none [V1-PAYLOAD-2]");
    CHECK_TEXT(message(joined(file, {1, 2})),
               "end of file at offset 72: got 2 more bytes, expected none [V1-PAYLOAD-2]");
}

TEST_CASE("version 1: products that wrap are not taken for what they wrap to") {
    const std::int32_t dims[4] = {65536, 65536, 65536, 65536};
    Bytes file = v1_header(2, 4, {1, 1, 1, 1});
    std::memcpy(file.data() + 24, dims, sizeof dims);
    file = patched(file, 40, std::int64_t{0});
    CHECK_TEXT(message(file),
               "total_elements at offset 40: got 0, expected 18446744073709551616 "
               "(the product of dims 65536, 65536, 65536, 65536) [V1-TOTAL-1]");
    const std::int32_t open[4] = {2147483647, 2147483647, 0, 1};
    CHECK(read(v1_header(2, 4, open)).shape() == Shape{2147483647, 2147483647, 0, 1});
    CHECK_TEXT(message(v1_header(1, 4, open)),
               "dims at offset 24: got dims that span 18446744056529682436 bytes, "
               "expected at most 9223372036854775807 (a 0 counts as 1) [V1-LIMIT-1]");
}

TEST_CASE("version 1: all that is wrong is listed, in the order of the specification") {
    Bytes file(64);
    std::memcpy(file.data(), "TSR!", 4);
    file = patched(file, 12, std::int32_t{1});
    file = patched(file, 20, std::int32_t{3});
    file = patched(file, 28, std::int32_t{-1});
    file = patched(file, 48, std::int64_t{2});
    std::vector<std::string> clauses;
    for (const auto& finding : tsr::validate(file.data(), file.size()))
        clauses.push_back(finding.clause.substr(3));
    CHECK(clauses == std::vector<std::string>{"VERSION-1", "HEADER-1", "RESERVED-1", "DTYPE-1",
                                              "DIMS-1", "DIMS-2", "RESERVED-2"});
}

TEST_CASE("version 1: lenient reading waives four clauses, and no other") {
    Bytes file = patched(v1_file(), 12, std::int32_t{1});
    file = patched(patched(file, 48, std::int64_t{2}), 56, std::int64_t{3});
    file = joined(file, {1, 2, 3});
    CHECK(refusal(file).clause == "V1-RESERVED-1");
    CHECK(tsr::validate(file.data(), file.size()).size() == 4);
    CHECK(bytes_of(read(file, lenient)) == bytes_of(read(v1_file())));
    CHECK(refusal(patched(file, 4, std::int32_t{2}), lenient).clause == "V1-VERSION-1");
    CHECK(refusal(Bytes(file.begin(), file.begin() + 71), lenient).clause == "V1-PAYLOAD-1");
}

TEST_CASE("version 1: a header alone is parsed, with or without the size of its file") {
    const Bytes file = v1_file();
    Failure failure;
    CHECK(tsr::parse_header(file.data(), 64, failure));
    CHECK(tsr::parse_header(file.data(), 64, failure, 72));
    CHECK(tsr::parse_header(file.data(), 64, 72).nbytes == 8);
    CHECK_FALSE(tsr::parse_header(file.data(), 64, failure, 71));
    CHECK(failure.clause == "V1-PAYLOAD-1");
    CHECK_FALSE(tsr::parse_header(file.data(), 64, failure, 73));
    CHECK(failure.clause == "V1-PAYLOAD-2");
    CHECK(tsr::parse_header(file.data(), 64, failure, 73, lenient));
    CHECK_FALSE(failure);
    CHECK_FALSE(tsr::parse_header(file.data(), 63, failure));
    CHECK(failure.clause == "V1-SIZE-1");
    CHECK_THROWS_AS(tsr::parse_header(file.data(), 64, 71), tsr::FormatError);
    CHECK_FALSE(tsr::parse_header(raw_file().data(), 128, failure));
    CHECK(failure.note == "this is a TSR4 file, which tsr::TensorFile reads");
}

// ------------------------------------------------------------------ what has no encoding

TEST_CASE("what has no encoding is refused, with what would have one") {
    const float values[24] = {};
    const TensorView scalar(values, Shape{});
    const TensorView half(DType::FP16, {2}, values);
    const auto of = [](std::initializer_list<std::int64_t> shape, DType dtype = DType::INT8) {
        return TensorView(dtype, Shape(shape), nullptr);
    };
    CHECK_TEXT(why_not({half}, {}),
               "dtype: got FP16, expected FP32, INT8 or INT32 (Format::TSR4 has FP16)");
    CHECK_TEXT(why_not({of({1, 1, 1, 1, 1})}, {}),
               "shape: got (1, 1, 1, 1, ...), expected at most 4 dimensions");
    CHECK_TEXT(why_not({of({-1})}, {}),
               "shape: got (-1,), expected dimensions from 0 to 2147483647");
    CHECK_TEXT(why_not({of({2147483648})}, {}),
               "shape: got (2147483648,), expected dimensions from 0 to 2147483647");
    CHECK_TEXT(
        why_not({of({2147483647, 2147483647, 0}, DType::FP32)}, {}),
        "shape: got (2147483647, 2147483647, 0), expected at most 9223372036854775807 bytes, "
        "each 0 counted as 1");
    CHECK_TEXT(why_not({}, {}), "tensors: got 0, expected one (Format::TSR4 holds more)");
    CHECK_TEXT(why_not({scalar, scalar}, {}),
               "tensors: got 2, expected one (Format::TSR4 holds more)");
    CHECK_TEXT(why_not({scalar}, {Format::V1, true, false}),
               "compress: got true for Format::V1, expected Format::TSR4");
    for (const WriteOptions& options : {raw, zlib}) {
        CHECK_TEXT(why_not({}, options), "tensors: got 0, expected 1 to 4294967295");
        CHECK_TEXT(why_not({half, of({1, 1, 1, 1, 1})}, options),
                   "tensors[1].shape: got (1, 1, 1, 1, ...), expected at most 4 dimensions");
        CHECK_TEXT(why_not({of({0})}, options),
                   "tensors[0].shape: got (0,), expected dimensions from 1 to 2147483647 "
                   "(Format::V1 holds a dimension of 0)");
        CHECK_TEXT(why_not({of({2147483647, 2147483647, 2}, DType::FP32)}, options),
                   "tensors[0].shape: got (2147483647, 2147483647, 2), "
                   "expected at most 9223372036854775807 bytes");
    }
    Failure failure;
    CHECK_FALSE(tsr::build_header(DType::FP16, {}, failure));
    CHECK(is_same(thrown_by<tsr::UnsupportedError>([] { tsr::build_header(DType::FP16, {}); }),
                  failure));
    CHECK(tsr::build_header(DType::INT8, {2147483647, 2147483647, 2}, failure));
    CHECK_FALSE(tsr::build_header(DType::INT8, {2147483647, 2147483647, 3}, failure));
}

TEST_CASE("no element is looked at where a later tensor has no encoding") {
    const TensorView huge(DType::FP32, {2147483647, 1024}, nullptr);
    const TensorView none(DType::FP32, {0}, nullptr);
    for (const WriteOptions& options : {raw, zlib})
        CHECK(unsupported({huge, none}, options).field == "tensors[1].shape");
}

// ------------------------------------------------------------------ TSR4

TEST_CASE("TSR4: tensors and their bytes, both ways") {
    const std::uint16_t halves[] = {0x3c00, 0x4000};
    CHECK(written(TensorView(halves, {2}), raw) == raw_file());
    const Tensor tensor = read(raw_file());
    CHECK(tensor.dtype() == DType::FP16);
    CHECK(tensor.shape() == Shape{1, 1, 1, 2});
    CHECK(tensor.as<std::uint16_t>()[1] == 0x4000);
    const std::int8_t bytes[] = {0x10, 0x11, 0x12, 0x20};
    const std::vector<TensorView> views = {TensorView(bytes, {3}), TensorView(bytes + 3, {})};
    Failure failure;
    const auto file = tsr::dumps(views, failure);
    REQUIRE(file);
    CHECK(bytes_of(*file) == tsr4_file({3, 1}));
    CHECK(*file == tsr::dumps(views));
}

TEST_CASE("TSR4: rows are said to be padded as they were in the memory of the original") {
    const Bytes zeros(1 << 15);
    const auto stride = [&](DType dtype, const Shape& shape) {
        const Bytes file = written(TensorView(dtype, shape, zeros.data()), raw);
        return *tsr::parse(file.data(), file.size()).tensors[0].row_stride;
    };
    CHECK(stride(DType::FP32, {1}) == 256);
    CHECK(stride(DType::INT32, {64}) == 256);
    CHECK(stride(DType::FP32, {65}) == 512);
    CHECK(stride(DType::FP32, {9, 5, 13}) == 512);
    CHECK(stride(DType::INT8, {128}) == 128);
    CHECK(stride(DType::INT8, {129}) == 256);
    CHECK(stride(DType::FP16, {2, 3, 64}) == 384);
}

TEST_CASE("TSR4: a compressed file is read") {
    const Bytes file = zlib_file();
    TensorFile tensors = TensorFile::over(file.data(), file.size());
    REQUIRE(tensors.size() == 3);
    CHECK(tensors.layout().is_compressed);
    CHECK(tensors[0].shape() == Shape{1, 1, 2, 3});
    CHECK(tensors[0].as<float>()[5] == 5);
    CHECK(bytes_of(tensors[1]) == Bytes{1, 2, 3, 4, 5});
    CHECK(bytes_of(tensors.read(2)) == Bytes{0x00, 0x3c});
    CHECK(tensors[0].data() == tensors[0].data());
    CHECK(tsr::validate(file.data(), file.size()).empty());
}

TEST_CASE("TSR4: what is compressed is read again, large or small") {
    Bytes elements(3 << 20);
    for (std::size_t i = 0; i < elements.size(); ++i)
        elements[i] = static_cast<unsigned char>(i * i >> 7);
    for (const std::int64_t size : {1, 65535, 65536, 65537, 3 << 20}) {
        const Bytes file = written(TensorView(DType::INT8, {size}, elements.data()), zlib);
        const Tensor tensor = read(file);
        CHECK(tensor.shape() == Shape{1, 1, 1, size});
        CHECK(std::memcmp(tensor.data(), elements.data(), static_cast<std::size_t>(size)) == 0);
    }
    const TensorView scalar(DType::INT32, {}, elements.data());
    CHECK(read(written(scalar, zlib)).shape() == Shape{1, 1, 1, 1});
}

TEST_CASE("TSR4: every broken rule of the header has its words") {
    const Bytes file = tsr4_file({3, 1});
    const auto said = [&](std::size_t offset, auto value) {
        return message(sealed(patched(file, offset, value)));
    };
    using u16 = std::uint16_t;
    using u32 = std::uint32_t;
    using u64 = std::uint64_t;
    CHECK_TEXT(message(Bytes(file.begin(), file.begin() + 127)),
               "header at offset 0: got 127 bytes, expected at least 128 bytes [T4-SIZE-1]");
    CHECK(refusal(patched(file, 4, u16{5})).clause == "T4-CRC-1");
    const Failure crc = refusal(patched(file, 40, u32{0xab}));
    CHECK(crc.found == "0x000000ab");
    CHECK(crc.note == "the CRC-32 of the header");
    CHECK(crc.clause == "T4-CRC-1");
    CHECK_TEXT(said(4, u16{5}), "version_major at offset 4: got 5, expected 4 [T4-VERSION-1]");
    CHECK_TEXT(said(6, u16{21}), "version_minor at offset 6: got 21, expected 20 [T4-VERSION-2]");
    CHECK_TEXT(said(8, u32{64}), "header_size at offset 8: got 64, expected 128 [T4-HEADER-1]");
    CHECK_TEXT(said(12, u32{2}),
               "file_mode at offset 12: got 2, expected 0 (RAW) or 1 (ZLIB) [T4-MODE-1]");
    CHECK_TEXT(said(16, u32{0}),
               "tensor_count at offset 16: got 0, expected at least 1 [T4-COUNT-1]");
    CHECK_TEXT(said(20, u32{128}), "entry_size at offset 20: got 128, expected 64 [T4-ENTRY-1]");
    CHECK_TEXT(said(24, u64{256}),
               "dir_offset at offset 24: got 256, expected 128 [T4-DIRECTORY-1]");
    CHECK_TEXT(said(32, u64{512}),
               "data_offset at offset 32: got 512, expected 256 (behind 2 entries) [T4-DATA-1]");
    CHECK_TEXT(said(44, u32{1}), "reserved_0 at offset 44: got 1, expected 0 [T4-RESERVED-1]");
    CHECK_TEXT(said(127, char{1}), "reserved_1 at offset 48: got " + std::string(158, '0') +
                                       "01, expected 80 zero bytes [T4-RESERVED-2]");
    const auto many = sealed(patched(patched(file, 16, u32{0xffffffff}), 32, u64{274877907200}));
    CHECK_TEXT(message(many), "directory at offset 128: got " + std::to_string(file.size() - 128) +
                                  " bytes, expected 274877906880 bytes (4294967295 entries) "
                                  "[T4-DIRECTORY-2]");
}

TEST_CASE("TSR4: every broken rule of the directory has its words") {
    const Bytes file = tsr4_file({3, 1});
    const auto said = [&](std::size_t offset, auto value) {
        return message(patched(file, 192 + offset, value));
    };
    using i32 = std::int32_t;
    using i64 = std::int64_t;
    CHECK_TEXT(said(0, char{4}),
               "entries[1].dtype at offset 192: got 4, expected 0 (FP32), 1 (FP16), "
               "2 (INT8) or 3 (INT32) [T4-DTYPE-1]");
    CHECK_TEXT(said(3, char{5}),
               "entries[1].reserved_0 at offset 193: got 000005, "
               "expected 3 zero bytes [T4-RESERVED-3]");
    CHECK_TEXT(said(12, i32{0}),
               "entries[1].shape[2] at offset 204: got 0, expected 1 or more [T4-SHAPE-1]");
    CHECK_TEXT(said(20, i64{-1}),
               "entries[1].numel at offset 212: got -1, expected 1 "
               "(the product of shape 1, 1, 1, 1) [T4-NUMEL-1]");
    CHECK_TEXT(said(36, i64{2}),
               "entries[1].nbytes at offset 228: got 2, expected 1 "
               "(1 elements of int8) [T4-NBYTES-1]");
    CHECK_TEXT(said(44, i64{513}),
               "entries[1].data_offset at offset 236: got 513, expected 512 [T4-OFFSET-1]");
    CHECK_TEXT(
        said(52, i64{2}),
        "entries[1].payload_size at offset 244: got 2, expected 1 (no compression) [T4-STORED-1]");
    Bytes huge = patched(file, 192, char{0});
    for (std::size_t axis = 0; axis < 4; ++axis) huge = patched(huge, 196 + 4 * axis, i32{1 << 16});
    CHECK_TEXT(messages(huge)[0],
               "entries[1].numel at offset 212: got 1, "
               "expected 18446744073709551616 (the product of shape 65536, 65536, "
               "65536, 65536) [T4-NUMEL-1]");
    CHECK_TEXT(messages(huge)[1],
               "entries[1].shape at offset 196: got 73786976294838206464 bytes of "
               "float32, expected at most 9223372036854775807 [T4-LIMIT-1]");
    const Bytes one = tsr4_file({3});
    CHECK_TEXT(message(Bytes(one.begin(), one.end() - 1)),
               "payload[0] at offset 256: got 2 bytes, expected 3 bytes [T4-PAYLOAD-1]");
    CHECK_TEXT(message(Bytes(one.begin(), one.begin() + 200)),
               "payload[0] at offset 256: got 0 bytes, expected 3 bytes [T4-PAYLOAD-1]");
    CHECK_TEXT(message(joined(one, {9})),
               "end of file at offset 259: got 1 more byte, expected none [T4-END-1]");
}

TEST_CASE("TSR4: sums of offsets do not wrap") {
    const Bytes file = tsr4_file({3, 1});
    const Bytes wrapped = patched(file, 128 + 52, ~std::uint64_t{0} - 255);
    const auto all = messages(wrapped);
    REQUIRE(all.size() == 2);
    CHECK(all[0] ==
          "entries[0].payload_size at offset 180: got 18446744073709551360, expected 3 "
          "(no compression) [T4-STORED-1]");
    CHECK(all[1] ==
          "entries[1].data_offset at offset 236: got 512, "
          "expected 18446744073709551616 [T4-OFFSET-1]");
}

TEST_CASE("TSR4: what is wrong with the contents is found where it is used") {
    Bytes file = tsr4_file({3, 1, 2});
    const std::size_t second = 512 + 256;
    file[second] ^= 1;
    TensorFile tensors = TensorFile::over(file.data(), file.size());
    CHECK(bytes_of(tensors[0]) == Bytes{0x10, 0x11, 0x12});
    CHECK(bytes_of(tensors.read(2)) == Bytes{0x30, 0x31});
    Failure failure;
    CHECK_FALSE(tensors.view(1, failure));
    CHECK_TEXT(failure.message(), "entries[1].data_crc32 at offset 252: got 0x" +
                                      failure.found.substr(2) + ", expected 0x" +
                                      failure.expected.substr(2) +
                                      " (the CRC-32 of the elements' bytes) [T4-CRC-2]");
    Failure of_read;
    CHECK_FALSE(tensors.read(1, of_read));
    CHECK(is_same(of_read, failure));
    CHECK(is_same(thrown_by<tsr::FormatError>([&] { tensors[1]; }), failure));
    CHECK(is_same(thrown_by<tsr::FormatError>([&] { tensors.read(1); }), failure));
    CHECK(tensors.view(0, failure));
    CHECK_FALSE(failure);
    TensorFile trusted = TensorFile::over(file.data(), file.size(), unverified);
    CHECK(bytes_of(trusted[1]) == Bytes{0x21});
    CHECK(bytes_of(trusted.read(1)) == Bytes{0x21});
    CHECK(tsr::validate(file.data(), file.size(), unverified).size() == 1);
}

TEST_CASE("TSR4: a checksum of compressed elements is checked, and waived on request") {
    const Bytes file = patched(zlib_file(), 128 + 60, std::uint32_t{1});
    TensorFile tensors = TensorFile::over(file.data(), file.size());
    Failure failure;
    CHECK_FALSE(tensors.view(0, failure));
    CHECK(failure.clause == "T4-CRC-2");
    CHECK(failure.found == "0x00000001");
    CHECK(failure.expected == "0x91e79017");
    CHECK(tensors.view(1, failure));
    TensorFile trusted = TensorFile::over(file.data(), file.size(), unverified);
    CHECK(trusted[0].as<float>()[1] == 1);
}

TEST_CASE("TSR4: padding is 0, each stretch of it") {
    const Bytes file = tsr4_file({3, 1});
    for (const std::size_t at : {std::size_t{259}, std::size_t{511}}) {
        Bytes padded = file;
        padded[at] = 7;
        CHECK(messages(padded) ==
              std::vector<std::string>{"padding at offset " + std::to_string(at) +
                                       ": got 7, expected 0 [T4-PADDING-1]"});
        Failure failure;
        auto tensors = TensorFile::over(padded.data(), padded.size(), failure);
        REQUIRE(tensors);
        CHECK_FALSE(tensors->view(0, failure));
        CHECK(failure.clause == "T4-PADDING-1");
        CHECK_FALSE(tensors->read(0, failure));
        CHECK(tensors->view(1, failure));
        for (const ReadOptions& options : {lenient, unverified})
            CHECK(TensorFile::over(padded.data(), padded.size(), options)[0].nbytes() == 3);
        CHECK(tsr::validate(padded.data(), padded.size(), lenient).empty());
    }
    Bytes first = raw_file();
    first[192] = 1;
    Failure failure;
    CHECK_FALSE(TensorFile::over(first.data(), first.size(), failure));
    CHECK_TEXT(failure.message(), "padding at offset 192: got 1, expected 0 [T4-PADDING-1]");
    first = patched(raw_file(), 255, char{2});
    CHECK(refusal(first).offset == 255);
    CHECK(TensorFile::over(first.data(), first.size(), failure, unverified));
}

TEST_CASE("TSR4: lenient reading waives five clauses, and no other") {
    Bytes file = tsr4_file({3, 1});
    file = patched(patched(file, 44, std::uint32_t{1}), 60, std::uint32_t{2});
    file = joined(sealed(patched(file, 129, char{1})), {5, 5});
    file[400] = 1;
    CHECK(tsr::validate(file.data(), file.size()).size() == 4);
    CHECK(tsr::validate(file.data(), file.size(), lenient).empty());
    TensorFile tensors = TensorFile::over(file.data(), file.size(), lenient);
    CHECK(bytes_of(tensors[0]) == Bytes{0x10, 0x11, 0x12});
    CHECK(bytes_of(tensors[1]) == Bytes{0x20});
    Failure failure;
    file[258] ^= 1;
    TensorFile wrong = TensorFile::over(file.data(), file.size(), lenient);
    CHECK_FALSE(wrong.view(0, failure));
    CHECK(failure.clause == "T4-CRC-2");
    CHECK_FALSE(TensorFile::over(file.data(), 512, failure, lenient));
    CHECK(failure.clause == "T4-PAYLOAD-1");
}

TEST_CASE("TSR4: streams that are broken, long, short or cut are told apart") {
    const Bytes file = zlib_file();
    const auto found = [](const Bytes& bytes, std::size_t index) {
        Failure failure;
        auto tensors = TensorFile::over(bytes.data(), bytes.size(), failure);
        REQUIRE(tensors);
        CHECK_FALSE(tensors->view(index, failure));
        Failure of_read;
        CHECK_FALSE(tensors->read(index, of_read));
        CHECK(is_same(of_read, failure));
        return failure.message();
    };
    const std::string start = "payload[2] at offset 371: got ";
    const std::string end = ", expected a zlib stream of 2 bytes [T4-ZLIB-";
    CHECK_TEXT(found(patched(file, 371, char{0x79}), 2),
               start + "incorrect header check after 0 bytes" + end + "1]");
    CHECK_TEXT(found(patched(file, 372, char{0x20}), 2),
               start + "one with a preset dictionary" + end + "1]");
    CHECK_TEXT(found(patched(file, 383, char{0}), 2),
               start + "incorrect data check after 2 bytes" + end + "1]");
    const auto resized = [&](std::int32_t count) {
        Bytes other = patched(file, 128 + 128 + 16, count);
        other = patched(other, 128 + 128 + 20, std::int64_t{count});
        return patched(other, 128 + 128 + 36, std::int64_t{2 * count});
    };
    CHECK_TEXT(found(resized(2), 2),
               "payload[2] at offset 371: got one of 2 bytes, expected a zlib stream of 4 bytes "
               "[T4-ZLIB-2]");
    Bytes longer = patched(resized(1), 256, char{2});
    longer = patched(longer, 256 + 36, std::int64_t{1});
    CHECK_TEXT(
        found(longer, 2),
        "payload[2] at offset 371: got one that gives more, expected a zlib stream of 1 bytes "
        "[T4-ZLIB-2]");
    const Bytes cut = patched(Bytes(file.begin(), file.end() - 1), 256 + 52, std::int64_t{12});
    CHECK_TEXT(found(cut, 2), start + "one cut after 2 bytes" + end + "3]");
    const Bytes empty = patched(Bytes(file.begin(), file.begin() + 371), 256 + 52, std::int64_t{0});
    CHECK_TEXT(found(empty, 2), start + "one cut after 0 bytes" + end + "3]");
    const Bytes one_behind = patched(joined(file, {0}), 256 + 52, std::int64_t{14});
    CHECK_TEXT(found(one_behind, 2), start + "1 bytes behind its end" + end + "3]");
    const Bytes behind = patched(joined(file, {0, 0}), 256 + 52, std::int64_t{15});
    CHECK_TEXT(found(behind, 2), start + "2 bytes behind its end" + end + "3]");
}

TEST_CASE("TSR4: a claim of 2 GiB takes no memory") {
    Bytes file = zlib_file();
    file = patched(Bytes(file.begin(), file.begin() + 355), 16, std::uint32_t{1});
    file.erase(file.begin() + 192, file.begin() + 320);  // the first tensor alone
    file = sealed(patched(file, 32, std::uint64_t{192}));
    file = patched(file, 128 + 44, std::uint64_t{192});
    CHECK(read(file).as<float>()[5] == 5);
    file[128] = 2;
    file = patched(patched(file, 136, std::int32_t{2}), 140, std::int32_t{1});
    file = patched(file, 144, std::int32_t{1 << 30});
    file = patched(patched(file, 148, std::int64_t{1} << 31), 164, std::int64_t{1} << 31);
    largest_array = 0;
    CHECK_TEXT(message(file),
               "payload[0] at offset 192: got one of 24 bytes, "
               "expected a zlib stream of 2147483648 bytes [T4-ZLIB-2]");
    CHECK(largest_array <= 1 << 16);
    // Nor do the claims of files without compression.
    const std::int32_t dims[4] = {2, 1, 1, 1 << 30};
    CHECK(refusal(v1_header(2, 4, dims)).clause == "V1-PAYLOAD-1");
    Bytes raw_claim = raw_file();
    raw_claim = patched(patched(raw_claim, 144, std::int32_t{1 << 30}), 148, std::int64_t{1} << 30);
    raw_claim = patched(patched(raw_claim, 164, std::int64_t{1} << 31), 180, std::int64_t{1} << 31);
    CHECK(refusal(raw_claim).clause == "T4-PAYLOAD-1");
    CHECK(largest_array <= 1 << 16);
}

TEST_CASE("TSR4: no more than 10,000 findings, however long a directory is") {
    constexpr std::uint32_t count = 9000;
    Bytes file(128 + 64 * count);
    std::memcpy(file.data(), tsr4_file({1}).data(), 128);
    const std::uint64_t start = (file.size() + 255) / 256 * 256;
    file = sealed(patched(patched(file, 16, count), 32, start));
    const auto findings = tsr::validate(file.data(), file.size());
    CHECK(findings.size() == 10000);
    // Four dimensions of 0 and a wrong offset in each entry; after the first, whose offset is that
    // of the entry before it, as if that were empty.
    CHECK(findings.back().field == "entries[2499].shape[2]");
    CHECK(findings[4].clause == "T4-OFFSET-1");
}

TEST_CASE("TSR4: a directory that is not all there is no fault of the file") {
    const Bytes file = tsr4_file({3, 1});
    Failure failure;
    const auto layout = tsr::parse(file.data(), 256, failure, file.size());
    REQUIRE(layout);
    CHECK(layout->tensors.size() == 2);
    CHECK(tsr::parse(file.data(), 256, failure));
    CHECK(tsr::parse(file.data(), 256, file.size()).end() == file.size());
    CHECK_FALSE(tsr::parse(file.data(), 255, failure, file.size()));
    CHECK(failure.kind == Failure::Kind::Unsupported);
    CHECK_TEXT(failure.message(), "data: got 255 bytes, expected header and directory, 256 bytes");
    CHECK_THROWS_AS(tsr::parse(file.data(), 255), tsr::UnsupportedError);
    CHECK_FALSE(tsr::parse(file.data(), 256, failure, 512));
    CHECK(failure.clause == "T4-PAYLOAD-1");
    CHECK_FALSE(tsr::parse(file.data(), 128, failure, 64));
    CHECK(failure.found == "0 bytes");
    CHECK(failure.clause == "T4-DIRECTORY-2");
}

TEST_CASE("a layout says where each tensor lies") {
    const Bytes file = zlib_file();
    const Layout layout = tsr::parse(file.data(), file.size());
    CHECK(layout.format == Format::TSR4);
    CHECK(layout.is_compressed);
    CHECK(layout.end() == file.size());
    REQUIRE(layout.tensors.size() == 3);
    const tsr::TensorInfo& info = layout.tensors[1];
    CHECK(info.dtype == DType::INT8);
    CHECK(info.shape == Shape{1, 1, 1, 5});
    CHECK(info.offset == 355);
    CHECK(info.nbytes == 5);
    CHECK(info.stored_nbytes == 16);
    CHECK(info.crc32 == 0x470b99f4u);
    CHECK(info.row_stride == 128u);
    const Layout v1 = tsr::parse(v1_file().data(), 72);
    CHECK(v1.format == Format::V1);
    CHECK(v1.tensors[0].offset == 64);
    CHECK(v1.tensors[0].nbytes == 8);
    CHECK_FALSE(v1.tensors[0].crc32);
    CHECK_FALSE(v1.tensors[0].row_stride);
    CHECK(v1.end() == 72);
    CHECK(Layout().end() == 0);
}

TEST_CASE("one tensor is asked for, and a file has three") {
    const Bytes file = zlib_file();
    Failure failure;
    CHECK_FALSE(tsr::loads(file.data(), file.size(), failure));
    CHECK_TEXT(failure.message(), "tensors: got 3, expected one (tsr::TensorFile gives each)");
    CHECK_THROWS_AS(tsr::loads(file.data(), file.size()), tsr::UnsupportedError);
    auto tensors = TensorFile::over(file.data(), file.size());
    CHECK_FALSE(tensors.view(3, failure));
    CHECK_TEXT(failure.message(), "index: got 3, expected less than 3");
    CHECK_FALSE(tensors.read(SIZE_MAX, failure));
    CHECK_THROWS_AS(tensors[3], tsr::UnsupportedError);
}

TEST_CASE("a failure of before is forgotten") {
    Failure failure;
    CHECK_FALSE(tsr::loads(nullptr, 0, failure));
    CHECK(failure);
    CHECK(tsr::loads(v1_file().data(), 72, failure));
    CHECK_FALSE(failure);
    CHECK_TEXT(failure.message(), "nothing went wrong");
}

TEST_CASE("elements at odd addresses are read and written, and not given as numbers") {
    Bytes shifted(1);
    shifted = joined(shifted, v1_file());
    auto file = TensorFile::over(shifted.data() + 1, shifted.size() - 1);
    CHECK(file[0].as<float>() == nullptr);
    CHECK(bytes_of(file[0]) == hex("0000803f 000000c0"));
    CHECK(file.read(0).as<float>()[1] == -2);
    for (const WriteOptions& options : {WriteOptions{}, raw, zlib})
        CHECK(bytes_of(read(written(file[0], options))) == bytes_of(file[0]));
}

TEST_CASE("units of a program that differ in what they switch on keep to what they have") {
    const Bytes file = zlib_file();
    CHECK_TEXT(message_without_zlib(file.data(), file.size()),
               "payload[0]: got a compressed tensor, expected an uncompressed one "
               "(tsr.hpp is built without TSR_WITH_ZLIB)");
    CHECK_TEXT(message_of_compression_without_zlib(),
               "compress: got true, expected false (tsr.hpp is built without TSR_WITH_ZLIB)");
    CHECK(TensorFile::over(file.data(), file.size())[0].as<float>()[5] == 5);
}
