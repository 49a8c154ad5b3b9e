// What the test cases share: bytes written out or made, folders that vanish, and what a process holds.
//
// The files here are made by hand, never by the codec under test.

#ifndef TSR_TESTS_SUPPORT_HPP
#define TSR_TESTS_SUPPORT_HPP

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <tsr/tsr.hpp>
#include <vector>

// doctest's own macros take a compiler three times as long, with sanitizers: these call a function.
#undef CHECK
#undef CHECK_FALSE
#undef REQUIRE
#define CHECK(...) check_that(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
#define CHECK_FALSE(...) \
    check_that(!static_cast<bool>(__VA_ARGS__), "not: " #__VA_ARGS__, __FILE__, __LINE__)
#define REQUIRE(...) require_that(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
#define CHECK_TEXT(actual, expected) check_text(actual, expected, __FILE__, __LINE__)

inline void check_that(bool holds, const char* what, const char* file, int line) {
    if (!holds) DOCTEST_ADD_FAIL_CHECK_AT(file, line, what);
}

inline void require_that(bool holds, const char* what, const char* file, int line) {
    if (!holds) DOCTEST_ADD_FAIL_AT(file, line, what);
}

inline void check_text(const std::string& actual, const std::string& expected, const char* file,
                       int line) {
    if (actual != expected)
        DOCTEST_ADD_FAIL_CHECK_AT(file, line, "got: " << actual << "\nnot: " << expected);
}

using Bytes = std::vector<unsigned char>;

/// "0a 0b" -> those bytes. What is no digit is passed over.
inline Bytes hex(const std::string& text) {
    Bytes bytes;
    std::string digits;
    for (char letter : text) {
        if (std::strchr("0123456789abcdef", letter) != nullptr) digits += letter;
        if (digits.size() < 2) continue;
        bytes.push_back(static_cast<unsigned char>(std::stoi(digits, nullptr, 16)));
        digits.clear();
    }
    return bytes;
}

/// `bytes` with those of `value` at `offset`.
template <class T>
Bytes patched(Bytes bytes, std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
    return bytes;
}

inline Bytes joined(Bytes one, const Bytes& other) {
    one.insert(one.end(), other.begin(), other.end());
    return one;
}

inline Bytes bytes_of(const tsr::TensorView& tensor) {
    const auto* data = reinterpret_cast<const unsigned char*>(tensor.data());
    return {data, data + tensor.nbytes()};
}

inline Bytes bytes_of(const std::vector<std::byte>& file) {
    const auto* data = reinterpret_cast<const unsigned char*>(file.data());
    return {data, data + file.size()};
}

/// CRC-32, bit by bit.
inline std::uint32_t crc_of(const unsigned char* bytes, std::size_t size) {
    std::uint32_t crc = 0xffffffffu;
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
    }
    return ~crc;
}

/// A TSR4 file with the CRC of its header put right.
inline Bytes sealed(Bytes file) {
    file = patched(file, 40, std::uint32_t{0});
    return patched(file, 40, crc_of(file.data(), 128));
}

/// The header of version 1, of four dims as they are stored.
inline Bytes v1_header(std::int32_t dtype, std::int32_t ndim, const std::int32_t (&dims)[4]) {
    Bytes bytes(64);
    std::memcpy(bytes.data(), "TSR!\1\0\0\0\100\0\0\0", 12);
    bytes = patched(patched(bytes, 16, dtype), 20, ndim);
    std::int64_t total = 1;
    for (std::size_t i = 0; i < 4; ++i) {
        bytes = patched(bytes, 24 + 4 * i, dims[i]);
        total *= dims[i];
    }
    return patched(bytes, 40, total);
}

/// An uncompressed TSR4 file of INT8 tensors, one of each size.
inline Bytes tsr4_file(const std::vector<std::int32_t>& sizes) {
    const std::size_t count = sizes.size();
    Bytes file(128 + 64 * count);
    std::memcpy(file.data(), "TSR4\4\0\24\0\200\0\0\0\0\0\0\0", 16);
    file = patched(file, 16, static_cast<std::uint32_t>(count));
    file = patched(file, 20, std::uint32_t{64});
    file = patched(file, 24, std::uint64_t{128});
    for (std::size_t i = 0; i < count; ++i) {
        file.resize((file.size() + 255) / 256 * 256);
        const std::uint64_t start = file.size();
        if (i == 0) file = patched(file, 32, start);
        const auto size = static_cast<std::uint64_t>(sizes[i]);
        for (std::size_t at = 0; at < size; ++at)
            file.push_back(static_cast<unsigned char>(16 * (i + 1) + at));
        const std::size_t entry = 128 + 64 * i;
        file[entry] = 2;
        const std::int32_t shape[4] = {1, 1, 1, sizes[i]};
        std::memcpy(file.data() + entry + 4, shape, sizeof shape);
        file = patched(file, entry + 20, size);
        file = patched(file, entry + 28, (size + 127) / 128 * 128);
        file = patched(file, entry + 36, size);
        file = patched(file, entry + 44, start);
        file = patched(file, entry + 52, size);
        file = patched(file, entry + 60, crc_of(file.data() + start, size));
    }
    return sealed(file);
}

/// Version 1, FP32, shape (1, 2), values 1 and -2.
inline Bytes v1_file() {
    return hex(
        "54535221 01000000 40000000 00000000 01000000 02000000 01000000 01000000 01000000 02000000"
        "0200000000000000 0000000000000000 0000000000000000 0000803f 000000c0");
}

/// The example `raw-fp16` of spec/tsr4.md: shape (1, 1, 1, 2), values 1 and 2.
inline Bytes raw_file() {
    Bytes file = hex(
        "54535234 04001400 80000000 00000000 01000000 40000000 8000000000000000 0001000000000000"
        "81852acd 00000000");
    file.resize(128);
    file = joined(file, hex("01000000 01000000 01000000 01000000 02000000 0200000000000000"
                            "8000000000000000 0400000000000000 0001000000000000"
                            "0400000000000000 7882e97a"));
    file.resize(256);
    return joined(file, hex("003c0040"));
}

/// The example `zlib-three` of spec/tsr4.md: FP32 (1, 1, 2, 3), INT8 (1, 1, 1, 5), FP16 (1, 1, 1, 1).
inline Bytes zlib_file() {
    Bytes file = hex(
        "54535234 04001400 80000000 01000000 03000000 40000000 8000000000000000 4001000000000000"
        "7c03dab6 00000000");
    file.resize(128);
    return joined(
        file, hex("00000000 01000000 01000000 02000000 03000000 0600000000000000 0001000000000000"
                  "1800000000000000 4001000000000000 2300000000000000 1790e791"
                  "02000000 01000000 01000000 01000000 05000000 0500000000000000 8000000000000000"
                  "0500000000000000 6301000000000000 1000000000000000 f4990b47"
                  "01000000 01000000 01000000 01000000 01000000 0100000000000000 8000000000000000"
                  "0200000000000000 7301000000000000 0d00000000000000 786eb66e"
                  "780101 1800e7ff 00000000 0000803f 00000040 00004040 00008040 0000a040 1b070320"
                  "780101 0500faff 0102030405 00280010"
                  "780101 0200fdff 003c 003e003d"));
}

/// A folder that goes with this, and all in it.
class Folder {
public:
    Folder() {
        std::random_device random;
        do {
            path_ = std::filesystem::temp_directory_path() / ("tsr-" + std::to_string(random()));
        } while (!std::filesystem::create_directory(path_));
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    const std::filesystem::path& path() const { return path_; }

    /// The names in it, but for those that are known.
    std::vector<std::string> names(const std::vector<std::string>& known = {}) const {
        std::vector<std::string> found;
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            const std::string name = entry.path().filename().string();
            if (std::find(known.begin(), known.end(), name) == known.end()) found.push_back(name);
        }
        return found;
    }

private:
    std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

inline Bytes read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// What the form of a function that throws throws, as the value of the other form.
template <class Expected, class Function>
tsr::Failure thrown_by(Function&& function) {
    try {
        function();
    } catch (const Expected& error) {
        // What is thrown says what its failure says.
        if (error.failure().message() != error.what()) return {};
        return error.failure();
    }
    return {};
}

inline bool is_same(const tsr::Failure& one, const tsr::Failure& other) {
    return one.kind == other.kind && one.path == other.path && one.field == other.field &&
           one.offset == other.offset && one.found == other.found &&
           one.expected == other.expected && one.clause == other.clause && one.note == other.note &&
           one.code == other.code;
}

#endif  // TSR_TESTS_SUPPORT_HPP
