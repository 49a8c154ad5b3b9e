// tsr.hpp: read, check and write .tsr tensor files, of both formats. C++17, this one file.
//
// In: files, or bytes in memory. Out: tensors, as views of those bytes or with memory of their own.
// What is no valid file is refused with the clause of the specification that it breaks, before
// anything is allocated for what it claims: spec/tsr-v1.md and spec/tsr4.md have the clauses.
//
//     tsr::Tensor x = tsr::load("x.tsr");                      // the one tensor of a file
//     tsr::save("y.tsr", x);                                   // whole or not at all
//     tsr::TensorFile file = tsr::TensorFile::open("z.tsr");   // one or many: mapped, not read
//     for (std::size_t i = 0; i < file.size(); ++i) use(file[i].as<float>());
//
// Every function has two forms. One throws: tsr::FormatError for bytes that break the specification,
// tsr::UnsupportedError for what has no encoding, std::system_error for what the system refuses. The
// other one takes a tsr::Failure& and gives an empty std::optional, or false; with -fno-exceptions
// there is only that one, and want of memory for less than a tensor ends the program.
//
// TSR_WITH_ZLIB=1 adds compressed TSR4 files, and needs zlib. Nothing here is thread-safe beyond
// what the standard library is: an object is used by one thread at a time.
//
// SPDX-License-Identifier: Apache-2.0

#ifndef TSR_TSR_HPP
#define TSR_TSR_HPP

#define TSR_VERSION_MAJOR 0
#define TSR_VERSION_MINOR 1
#define TSR_VERSION_PATCH 0

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#endif

#ifndef TSR_WITH_ZLIB
#define TSR_WITH_ZLIB 0
#endif
#if TSR_WITH_ZLIB
#include <zlib.h>
#endif

// The processor's own way to checksums, where compiler and processor have it.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(TSR_CLMUL)
#define TSR_CLMUL 1
#endif
#if !defined(TSR_CLMUL)
#define TSR_CLMUL 0
#endif
#if TSR_CLMUL
#include <wmmintrin.h>
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tsr.hpp shows elements where they lie, little-endian: this machine is not"
#endif

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define TSR_EXCEPTIONS 1
#else
#define TSR_EXCEPTIONS 0
#endif

// Units of a program that are compiled in another way have functions of other names: they can be
// linked with each other, and each does what it was compiled to do.
#if TSR_WITH_ZLIB && TSR_EXCEPTIONS
#define TSR_VARIANT zlib
#elif TSR_WITH_ZLIB
#define TSR_VARIANT zlib_no_exceptions
#elif TSR_EXCEPTIONS
#define TSR_VARIANT plain
#else
#define TSR_VARIANT no_exceptions
#endif

namespace tsr {
inline namespace TSR_VARIANT {

// ------------------------------------------------------------------ element types and shapes

/// What the elements are. FP16 is in TSR4 only.
enum class DType : std::uint8_t { FP32, FP16, INT8, INT32 };

/// The bytes an element takes.
constexpr std::size_t itemsize(DType dtype) noexcept {
    return dtype == DType::INT8 ? 1 : dtype == DType::FP16 ? 2 : 4;
}

/// The name that the specification has for it: "FP32".
constexpr const char* name(DType dtype) noexcept {
    constexpr const char* names[] = {"FP32", "FP16", "INT8", "INT32"};
    return names[static_cast<std::size_t>(dtype)];
}

/// TSR version 1: one tensor of rank 0 to 4. TSR4: one or many, of rank 4, with checksums.
enum class Format { V1, TSR4 };

/// The dimensions of a tensor: at most four have an encoding, and of more only the number is kept.
class Shape {
public:
    static constexpr std::size_t rank_max = 4;

    /// Of a scalar.
    constexpr Shape() noexcept = default;

    Shape(std::initializer_list<std::int64_t> dims) noexcept : Shape(dims.begin(), dims.end()) {}

    template <class Iterator>
    Shape(Iterator first, Iterator last) noexcept {
        for (; first != last; ++first, ++rank_) {
            if (rank_ < rank_max) dims_[rank_] = static_cast<std::int64_t>(*first);
        }
    }

    constexpr std::size_t rank() const noexcept { return rank_; }

    /// `axis` is less than the rank, and than four.
    constexpr std::int64_t operator[](std::size_t axis) const noexcept { return dims_[axis]; }

    const std::int64_t* begin() const noexcept { return dims_.data(); }
    const std::int64_t* end() const noexcept { return dims_.data() + std::min(rank_, rank_max); }

    /// The number of elements: the largest number where it is larger, 0 where a dimension is
    /// negative.
    std::int64_t numel() const noexcept {
        constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
        std::int64_t product = 1;
        if (std::any_of(begin(), end(), [](std::int64_t dim) { return dim <= 0; })) return 0;
        for (std::int64_t dim : *this) product = product > most / dim ? most : product * dim;
        return product;
    }

    /// As Python writes it: "(2, 3)", "(5,)", "()".
    std::string to_string() const {
        std::string text = "(";
        for (std::int64_t dim : *this) {
            if (text.size() > 1) text += ", ";
            text += std::to_string(dim);
        }
        if (rank_ > rank_max) text += ", ...";
        return text + (rank_ == 1 ? ",)" : ")");
    }

    friend bool operator==(const Shape& left, const Shape& right) noexcept {
        return left.rank_ == right.rank_ && std::equal(left.begin(), left.end(), right.begin());
    }
    friend bool operator!=(const Shape& left, const Shape& right) noexcept {
        return !(left == right);
    }

private:
    std::array<std::int64_t, rank_max> dims_{};
    std::size_t rank_ = 0;
};

// ------------------------------------------------------------------ what goes wrong

/// What went wrong, as a value.
struct Failure {
    enum class Kind {
        None,
        Format,       ///< the bytes break the specification
        Unsupported,  ///< what the caller gave has no encoding, or this build lacks what it needs
        System,       ///< the system refused, for want of memory perhaps
    };

    Kind kind = Kind::None;
    std::string path;          ///< of the file, if it has one
    std::string field;         ///< as the specification's tables name it
    std::uint64_t offset = 0;  ///< of the field, in bytes from the start of the file
    std::string found;
    std::string expected;
    std::string clause;  ///< "V1-DIMS-1": the first one broken
    std::string note;
    std::error_code code;  ///< of the system

    explicit operator bool() const noexcept { return kind != Kind::None; }

    /// Nothing went wrong.
    void reset() {
        if (*this) *this = {};
    }

    std::string message() const {
        std::string text = path.empty() ? "" : path + ": ";
        if (kind == Kind::System) return text + code.message();
        if (kind == Kind::None) return text + "nothing went wrong";
        text += field;
        if (kind == Kind::Format) text += " at offset " + std::to_string(offset);
        text += ": got " + found + ", expected " + expected;
        if (!note.empty()) text += " (" + note + ")";
        return clause.empty() ? text : text + " [" + clause + "]";
    }
};

#if TSR_EXCEPTIONS

/// The root of what is thrown on purpose, but for std::system_error.
class Error : public std::runtime_error {
public:
    explicit Error(Failure failure)
        : std::runtime_error(failure.message()),
          failure_(std::make_shared<const Failure>(std::move(failure))) {}

    const Failure& failure() const noexcept { return *failure_; }

private:
    std::shared_ptr<const Failure> failure_;  // copies of an exception must not throw
};

/// The bytes break the specification.
class FormatError : public Error {
public:
    using Error::Error;

    const std::string& path() const noexcept { return failure().path; }
    const std::string& field() const noexcept { return failure().field; }
    std::uint64_t offset() const noexcept { return failure().offset; }
    const std::string& found() const noexcept { return failure().found; }
    const std::string& expected() const noexcept { return failure().expected; }
    const std::string& clause() const noexcept { return failure().clause; }
};

/// What the caller gave has no encoding, or this build lacks what it needs.
class UnsupportedError : public Error {
public:
    using Error::Error;
};

#endif

/// Throw a failure as what it is; without exceptions, end the program.
[[noreturn]] inline void raise(const Failure& failure) {
#if TSR_EXCEPTIONS
    if (failure.kind == Failure::Kind::Format) throw FormatError(failure);
    if (failure.kind == Failure::Kind::Unsupported) throw UnsupportedError(failure);
    if (failure.path.empty()) throw std::system_error(failure.code);
    throw std::system_error(failure.code, failure.path);
#else
    static_cast<void>(failure);
    std::abort();
#endif
}

// ------------------------------------------------------------------ tensors

namespace detail {

template <class T>
struct ElementOf;
template <>
struct ElementOf<float> {
    static constexpr DType dtype = DType::FP32;
};
template <>
struct ElementOf<std::uint16_t> {
    static constexpr DType dtype = DType::FP16;  // the bits: C++17 has no type for them
};
template <>
struct ElementOf<std::int8_t> {
    static constexpr DType dtype = DType::INT8;
};
template <>
struct ElementOf<std::int32_t> {
    static constexpr DType dtype = DType::INT32;
};

inline Failure unsupported(std::string field, std::string found, std::string expected,
                           std::string note = {}) {
    Failure failure;
    failure.kind = Failure::Kind::Unsupported;
    failure.field = std::move(field);
    failure.found = std::move(found);
    failure.expected = std::move(expected);
    failure.note = std::move(note);
    return failure;
}

inline Failure refused(std::error_code code, std::string path = {}) {
    Failure failure;
    failure.kind = Failure::Kind::System;
    failure.code = code;
    failure.path = std::move(path);
    return failure;
}

inline Failure out_of_memory(std::string path = {}) {
    return refused(std::make_error_code(std::errc::not_enough_memory), std::move(path));
}

/// Have large memory come in large pages, where the system has them: filling it takes a third then.
inline void ask_for_huge_pages(void* data, std::size_t size) noexcept {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr std::uintptr_t page = 4096;
    constexpr std::size_t large = 1 << 22;
    if (size < large) return;
    const auto start = (reinterpret_cast<std::uintptr_t>(data) + page - 1) & ~(page - 1);
    const auto end = (reinterpret_cast<std::uintptr_t>(data) + size) & ~(page - 1);
    ::madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);  // a wish
#else
    static_cast<void>(data), static_cast<void>(size);
#endif
}

inline std::size_t bytes_of(DType dtype, const Shape& shape) noexcept {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    const auto numel = static_cast<std::uint64_t>(shape.numel());
    return numel > most / itemsize(dtype) ? most
                                          : static_cast<std::size_t>(numel) * itemsize(dtype);
}

}  // namespace detail

/// A tensor whose elements somebody else owns: in C order, little-endian.
class TensorView {
public:
    TensorView(DType dtype, const Shape& shape, const void* data) noexcept
        : dtype_(dtype), shape_(shape), data_(static_cast<const std::byte*>(data)) {}

    /// `T` is float, std::int8_t, std::int32_t, or std::uint16_t for the bits of FP16.
    template <class T, DType dtype = detail::ElementOf<T>::dtype>
    TensorView(const T* data, const Shape& shape) noexcept : TensorView(dtype, shape, data) {}

    DType dtype() const noexcept { return dtype_; }
    const Shape& shape() const noexcept { return shape_; }
    std::int64_t numel() const noexcept { return shape_.numel(); }
    const std::byte* data() const noexcept { return data_; }
    std::size_t nbytes() const noexcept { return detail::bytes_of(dtype_, shape_); }

    /// The elements; nullptr where they are of another type, or not aligned for this one.
    template <class T>
    const T* as() const noexcept {
        const bool is_aligned = reinterpret_cast<std::uintptr_t>(data_) % alignof(T) == 0;
        return detail::ElementOf<T>::dtype == dtype_ && is_aligned
                   ? reinterpret_cast<const T*>(data_)
                   : nullptr;
    }

private:
    DType dtype_;
    Shape shape_;
    const std::byte* data_;
};

/// A tensor that owns its elements. A copy has elements of its own; what was moved from is empty.
class Tensor {
public:
    /// No elements: FP32, shape (0,).
    Tensor() noexcept = default;

    /// Elements that are not initialised.
    Tensor(DType dtype, const Shape& shape) {
        Failure failure;
        std::optional<Tensor> tensor = allocate(dtype, shape, failure);
        if (!tensor) raise(failure);
        *this = std::move(*tensor);
    }

    /// A copy of elements.
    explicit Tensor(const TensorView& view) : Tensor(view.dtype(), view.shape()) {
        if (nbytes_ != 0) std::memcpy(data_.get(), view.data(), nbytes_);
    }

    Tensor(const Tensor& other) : Tensor() {
        if (other.data_ != nullptr) *this = Tensor(other.view());
    }
    Tensor(Tensor&& other) noexcept { swap(other); }
    Tensor& operator=(const Tensor& other) { return *this = Tensor(other); }
    Tensor& operator=(Tensor&& other) noexcept {
        Tensor(std::move(other)).swap(*this);
        return *this;
    }
    ~Tensor() = default;

    /// Elements that are not initialised, unless there is no memory for them.
    static std::optional<Tensor> allocate(DType dtype, const Shape& shape, Failure& failure) {
        const bool is_sound = shape.rank() <= Shape::rank_max &&
                              std::all_of(shape.begin(), shape.end(),
                                          [](std::int64_t dim) { return dim >= 0; });
        if (!is_sound) {
            failure = detail::unsupported("shape", shape.to_string(),
                                          "at most 4 dimensions, none of them negative");
            return std::nullopt;
        }
        Tensor tensor;
        tensor.dtype_ = dtype;
        tensor.shape_ = shape;
        tensor.nbytes_ = detail::bytes_of(dtype, shape);
        if (tensor.nbytes_ <= static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()))
            tensor.data_.reset(new (std::nothrow) std::byte[tensor.nbytes_]);
        if (tensor.data_ == nullptr) {
            failure = detail::out_of_memory();
            return std::nullopt;
        }
        detail::ask_for_huge_pages(tensor.data_.get(), tensor.nbytes_);
        return tensor;
    }

    DType dtype() const noexcept { return dtype_; }
    const Shape& shape() const noexcept { return shape_; }
    std::int64_t numel() const noexcept { return shape_.numel(); }
    std::size_t nbytes() const noexcept { return nbytes_; }
    std::byte* data() noexcept { return data_.get(); }
    const std::byte* data() const noexcept { return data_.get(); }

    TensorView view() const noexcept { return {dtype_, shape_, data_.get()}; }
    operator TensorView() const noexcept { return view(); }

    /// The elements; nullptr where they are of another type.
    template <class T>
    T* as() noexcept {
        return const_cast<T*>(view().as<T>());
    }
    template <class T>
    const T* as() const noexcept {
        return view().as<T>();
    }

    void swap(Tensor& other) noexcept {
        std::swap(dtype_, other.dtype_);
        std::swap(shape_, other.shape_);
        std::swap(nbytes_, other.nbytes_);
        std::swap(data_, other.data_);
    }

private:
    DType dtype_ = DType::FP32;
    Shape shape_{0};
    std::size_t nbytes_ = 0;
    std::unique_ptr<std::byte[]> data_;
};

// ------------------------------------------------------------------ what a file says

/// The header of a file of TSR version 1.
struct V1Header {
    DType dtype = DType::FP32;
    Shape shape;
    std::uint64_t nbytes = 0;  ///< that the payload takes, which begins at offset 64
};

/// What a file says of one of its tensors.
struct TensorInfo {
    DType dtype = DType::FP32;
    Shape shape;                      ///< four dimensions in TSR4: N, H, W, C
    std::uint64_t offset = 0;         ///< of the payload, from the start of the file
    std::uint64_t nbytes = 0;         ///< that the elements take
    std::uint64_t stored_nbytes = 0;  ///< that the payload takes in the file
    std::optional<std::uint32_t> crc32;       ///< of the elements; TSR4 only
    std::optional<std::uint64_t> row_stride;  ///< in the writer's memory, not checked; TSR4 only
};

/// What header and directory of a file say.
struct Layout {
    Format format = Format::V1;
    bool is_compressed = false;
    std::vector<TensorInfo> tensors;

    /// The bytes that a valid file has.
    std::uint64_t end() const noexcept {
        return tensors.empty() ? 0 : tensors.back().offset + tensors.back().stored_nbytes;
    }
};

struct ReadOptions {
    bool strict = true;  ///< false: accept set reserved fields, padding, and what follows the end
    bool verify = true;  ///< false: spare checksums and padding
};

struct WriteOptions {
    Format format = Format::V1;
    bool compress = false;  ///< TSR4 only
    bool durable = false;   ///< the file survives a loss of power
};

// ------------------------------------------------------------------ what is inside

namespace detail {

constexpr std::uint64_t payload_max = (std::uint64_t{1} << 63) - 1;
constexpr std::int64_t dimension_max = (std::int64_t{1} << 31) - 1;

constexpr std::size_t v1_header_size = 64;
constexpr std::size_t tsr4_header_size = 128;
constexpr std::size_t tsr4_entry_size = 64;
constexpr std::uint64_t tsr4_alignment = 256;
constexpr char v1_magic[] = "TSR!";
constexpr char tsr4_magic[] = "TSR4";

// What is wrong with one file, at most: a small one can break a rule in each of millions of entries.
constexpr std::size_t findings_max = 10000;

// No deflate stream gives more for each of its bytes.
constexpr std::uint64_t ratio_max = 1032;

template <class T>
T load(const unsigned char* bytes) noexcept {
    T value;
    std::memcpy(&value, bytes, sizeof value);  // little-endian, as this machine is
    return value;
}

template <class T>
void store(unsigned char* bytes, T value) noexcept {
    std::memcpy(bytes, &value, sizeof value);
}

/// An integer of up to 127 bits and a sign: products and sums of what a file claims do not wrap.
class Wide {
public:
    constexpr Wide(std::uint64_t value) noexcept : low_(value) {}

    void multiply(std::int64_t factor) noexcept {  // of at most 32 bits
        const std::uint64_t by = static_cast<std::uint64_t>(factor < 0 ? -factor : factor);
        if (high_ == 0 && low_ >> 32 == 0 && !is_negative_ && factor >= 0) {  // nearly always
            low_ *= by;
            return;
        }
        const std::uint64_t first = (low_ & 0xffffffffu) * by;
        const std::uint64_t second = (low_ >> 32) * by + (first >> 32);
        low_ = (second << 32) | (first & 0xffffffffu);
        high_ = high_ * by + (second >> 32);
        is_negative_ = (is_negative_ != (factor < 0)) && (high_ != 0 || low_ != 0);
    }

    void add(std::uint64_t value) noexcept {  // to what is not negative
        low_ += value;
        high_ += low_ < value;
    }

    void round_up(std::uint64_t power_of_two) noexcept {
        add(power_of_two - 1);
        low_ &= ~(power_of_two - 1);
    }

    bool is_zero() const noexcept { return high_ == 0 && low_ == 0; }

    bool equals(std::uint64_t value) const noexcept {
        return !is_negative_ && high_ == 0 && low_ == value;
    }

    bool equals_signed(std::int64_t value) const noexcept {
        const auto magnitude = static_cast<std::uint64_t>(value);
        if (value >= 0) return equals(magnitude);
        return is_negative_ && high_ == 0 && low_ == 0 - magnitude;
    }

    bool exceeds(std::uint64_t value) const noexcept {
        return !is_negative_ && (high_ != 0 || low_ > value);
    }

    std::uint64_t low() const noexcept { return low_; }

    std::string to_string() const {
        std::uint64_t limbs[4] = {high_ >> 32, high_ & 0xffffffffu, low_ >> 32, low_ & 0xffffffffu};
        std::string digits;
        do {
            std::uint64_t rest = 0;
            for (std::uint64_t& limb : limbs) {
                const std::uint64_t part = (rest << 32) | limb;
                limb = part / 10;
                rest = part % 10;
            }
            digits += static_cast<char>('0' + rest);
        } while (limbs[0] != 0 || limbs[1] != 0 || limbs[2] != 0 || limbs[3] != 0);
        if (is_negative_) digits += '-';
        return {digits.rbegin(), digits.rend()};
    }

private:
    std::uint64_t high_ = 0;
    std::uint64_t low_;
    bool is_negative_ = false;
};

/// Bytes as Python writes them: b'TSR4'.
inline std::string quoted(const unsigned char* bytes, std::size_t size) {
    constexpr char digits[] = "0123456789abcdef";
    const unsigned char* end = bytes + size;
    const bool is_apostrophe = std::find(bytes, end, '\'') != end;
    const char quote = is_apostrophe && std::find(bytes, end, '"') == end ? '"' : '\'';
    std::string text = {'b', quote};
    for (; bytes != end; ++bytes) {
        const unsigned char byte = *bytes;
        if (byte == '\\' || byte == static_cast<unsigned char>(quote)) {
            text += {'\\', static_cast<char>(byte)};
        } else if (byte == '\t' || byte == '\n' || byte == '\r') {
            text += {'\\', byte == '\t' ? 't' : byte == '\n' ? 'n' : 'r'};
        } else if (byte < ' ' || byte > '~') {
            text += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        } else {
            text += static_cast<char>(byte);
        }
    }
    return text + quote;
}

inline std::string hexadecimal(const unsigned char* bytes, std::size_t size) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
    return text;
}

inline std::string hexadecimal(std::uint32_t value) {
    unsigned char bytes[4];
    for (unsigned char& byte : bytes) {
        byte = static_cast<unsigned char>(value >> 24);
        value <<= 8;
    }
    return "0x" + hexadecimal(bytes, sizeof bytes);
}

/// Its name in numpy, which the messages of the Python package have.
constexpr const char* numpy_name(DType dtype) noexcept {
    constexpr const char* names[] = {"float32", "float16", "int8", "int32"};
    return names[static_cast<std::size_t>(dtype)];
}

template <class Integer>
std::string number(Integer value) {
    return std::to_string(value);
}

inline std::string count_of_bytes(std::uint64_t count) {
    return number(count) + " bytes";
}

inline std::string surplus_of(std::uint64_t count) {
    return number(count) + (count == 1 ? " more byte" : " more bytes");
}

/// Takes note of what is wrong: of the first that is, or of all.
class Report {
public:
    Report(const std::string& path, Failure& first) noexcept : path_(path), first_(&first) {}
    Report(const std::string& path, std::vector<Failure>& all) noexcept : path_(path), all_(&all) {}

    const std::string& path() const noexcept { return path_; }

    /// Whether to go on.
    bool broken(std::string field, std::uint64_t offset, const char* clause, std::string found,
                std::string expected, std::string note = {}) {
        Failure failure = unsupported(std::move(field), std::move(found), std::move(expected),
                                      std::move(note));
        failure.kind = Failure::Kind::Format;
        failure.offset = offset;
        failure.clause = clause;
        return failed(std::move(failure));
    }

    bool failed(Failure failure) {
        failure.path = path_;
        if (first_ != nullptr) {
            *first_ = std::move(failure);
            return false;
        }
        if (!is_full()) all_->push_back(std::move(failure));
        return !is_full();
    }

    bool is_full() const noexcept {
        return first_ != nullptr ? static_cast<bool>(*first_) : all_->size() == findings_max;
    }

private:
    const std::string& path_;
    Failure* first_ = nullptr;
    std::vector<Failure>* all_ = nullptr;
};

// ------------------------------------------------------------------ CRC-32

// Tables for eight bytes at once: entry [k][b] is byte b with k bytes of zeros behind it.
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_crc_tables() {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
        tables[0][byte] = crc;
    }
    for (std::size_t zeros = 1; zeros < 8; ++zeros) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t crc = tables[zeros - 1][byte];
            tables[zeros][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
        }
    }
    return tables;
}

inline constexpr auto crc_tables = make_crc_tables();

/// Continue a CRC-32, before its last inversion, with bytes.
inline std::uint32_t crc32_by_table(const unsigned char* bytes, std::size_t size,
                                    std::uint32_t crc) noexcept {
    const auto& t = crc_tables;
    for (; size >= 8; size -= 8, bytes += 8) {
        const std::uint32_t a = load<std::uint32_t>(bytes) ^ crc;
        const std::uint32_t b = load<std::uint32_t>(bytes + 4);
        crc = t[7][a & 0xff] ^ t[6][(a >> 8) & 0xff] ^ t[5][(a >> 16) & 0xff] ^ t[4][a >> 24] ^
              t[3][b & 0xff] ^ t[2][(b >> 8) & 0xff] ^ t[1][(b >> 16) & 0xff] ^ t[0][b >> 24];
    }
    for (; size != 0; --size, ++bytes) crc = (crc >> 8) ^ t[0][(crc ^ *bytes) & 0xff];
    return crc;
}

#if TSR_CLMUL

// x to the power of `exponent`, modulo the polynomial of the CRC; bits reflected, and moved by one as
// the product of two reflected numbers asks for.
constexpr long long power_of_x(int exponent) {
    std::uint32_t power = 0x80000000u;
    for (int i = 0; i < exponent; ++i) power = (power >> 1) ^ ((power & 1) != 0 ? 0xedb88320u : 0u);
    return static_cast<long long>(power) << 1;
}

inline constexpr long long powers_512[2] = {power_of_x(512 + 32), power_of_x(512 - 32)};
inline constexpr long long powers_128[2] = {power_of_x(128 + 32), power_of_x(128 - 32)};

/// Likewise, for 64 bytes and more, without carries: 128 bits are moved on by 512 or by 128, as what
/// they are modulo the polynomial, and added to what lies there. (Gopal and others, "Fast CRC
/// computation for generic polynomials using PCLMULQDQ instruction", Intel 2009.)
__attribute__((target("pclmul"))) inline std::uint32_t crc32_by_clmul(const unsigned char*& bytes,
                                                                      std::size_t& size,
                                                                      std::uint32_t crc) noexcept {
    struct Fold {
        __attribute__((target("pclmul"))) static __m128i by(__m128i value, __m128i powers,
                                                            __m128i next) noexcept {
            const __m128i low = _mm_clmulepi64_si128(value, powers, 0x00);
            const __m128i high = _mm_clmulepi64_si128(value, powers, 0x11);
            return _mm_xor_si128(_mm_xor_si128(low, high), next);
        }
    };
    const auto at = [](const unsigned char* place) noexcept {
        __m128i value;
        std::memcpy(&value, place, sizeof value);
        return value;
    };
    const __m128i by_512 = _mm_set_epi64x(powers_512[1], powers_512[0]);
    const __m128i by_128 = _mm_set_epi64x(powers_128[1], powers_128[0]);
    __m128i sums[4] = {at(bytes), at(bytes + 16), at(bytes + 32), at(bytes + 48)};
    sums[0] = _mm_xor_si128(sums[0], _mm_cvtsi32_si128(static_cast<int>(crc)));
    for (bytes += 64, size -= 64; size >= 64; bytes += 64, size -= 64) {
        for (std::size_t i = 0; i < 4; ++i) sums[i] = Fold::by(sums[i], by_512, at(bytes + 16 * i));
    }
    __m128i sum = sums[0];
    for (std::size_t i = 1; i < 4; ++i) sum = Fold::by(sum, by_128, sums[i]);
    unsigned char last[16];
    std::memcpy(last, &sum, sizeof last);
    return crc32_by_table(last, sizeof last, 0);
}

#endif

/// The CRC-32 of bytes that continue those of which it is `value`.
inline std::uint32_t crc32(const unsigned char* bytes, std::size_t size,
                           std::uint32_t value = 0) noexcept {
    std::uint32_t crc = ~value;
#if TSR_CLMUL
    if (size >= 128) {
        static const bool has_clmul = __builtin_cpu_supports("pclmul") != 0;
        if (has_clmul) crc = crc32_by_clmul(bytes, size, crc);
    }
#endif
    return ~crc32_by_table(bytes, size, crc);
}

// ------------------------------------------------------------------ TSR version 1: the rules

inline std::optional<DType> v1_dtype(std::int32_t code) noexcept {
    switch (code) {
        case 1: return DType::FP32;
        case 2: return DType::INT8;
        case 3: return DType::INT32;
        default: return std::nullopt;
    }
}

inline std::string v1_magic_note(const unsigned char* magic) {
    const auto is = [magic](const char* other) { return std::memcmp(magic, other, 4) == 0; };
    if (is(tsr4_magic)) return "this is a TSR4 file, which tsr::TensorFile reads";
    if (is("TSR\0")) return "no writer ever produced this variant";
    if (is("!RST")) return "the bytes are in reverse order";
    if (is("\x93NUM")) return "this looks like an .npy file";
    if (is("PK\3\4")) return "this looks like a zip archive: .npz or .pt";
    return {};
}

/// The note on a file that ends in its header.
inline std::string cut_note(const unsigned char* bytes, std::size_t size, const char* magic,
                            const char* format) {
    const std::size_t length = std::min<std::size_t>(size, 4);
    if (length == 0 || std::memcmp(bytes, magic, length) == 0) return {};
    return std::string("no ") + format + " file: it starts with " + quoted(bytes, length);
}

/// Check every rule on a header of version 1. Nothing comes back where dtype or sizes are open.
inline std::optional<V1Header> check_v1(const unsigned char* bytes, std::size_t available,
                                        const std::optional<std::uint64_t>& file_size,
                                        const ReadOptions& options, Report& report) {
    // V1-SIZE-1
    if (available < v1_header_size) {
        report.broken("header", 0, "V1-SIZE-1", count_of_bytes(available), "at least 64 bytes",
                      cut_note(bytes, available, v1_magic, "TSR"));
        return std::nullopt;
    }
    // V1-MAGIC-1
    if (std::memcmp(bytes, v1_magic, 4) != 0) {
        report.broken("magic", 0, "V1-MAGIC-1", quoted(bytes, 4), "b'TSR!'", v1_magic_note(bytes));
        return std::nullopt;  // what follows is no header of ours, and means nothing
    }
    // V1-VERSION-1
    const auto version = load<std::int32_t>(bytes + 4);
    if (version != 1 && !report.broken("version", 4, "V1-VERSION-1", number(version), "1"))
        return std::nullopt;
    // V1-HEADER-1
    const auto header_size = load<std::int32_t>(bytes + 8);
    if (header_size != 64 &&
        !report.broken("header_size", 8, "V1-HEADER-1", number(header_size), "64"))
        return std::nullopt;
    // V1-RESERVED-1
    const auto reserved_1 = load<std::int32_t>(bytes + 12);
    if (reserved_1 != 0 && options.strict &&
        !report.broken("reserved_1", 12, "V1-RESERVED-1", number(reserved_1), "0"))
        return std::nullopt;
    // V1-DTYPE-1
    const auto code = load<std::int32_t>(bytes + 16);
    const std::optional<DType> dtype = v1_dtype(code);
    if (!dtype) {
        constexpr const char* announced[] = {"FP16", "BF16", "FP64", "INT16", "UINT8"};
        std::string note;
        if (code >= 4 && code <= 8)
            note = std::string(announced[code - 4]) + " is announced, but not part of version 1";
        if (!report.broken("dtype", 16, "V1-DTYPE-1", number(code),
                           "1 (FP32), 2 (INT8) or 3 (INT32)", std::move(note)))
            return std::nullopt;
    }
    // V1-NDIM-1
    auto ndim = load<std::int32_t>(bytes + 20);
    if (ndim < 0 || ndim > 4) {
        if (!report.broken("ndim", 20, "V1-NDIM-1", number(ndim), "0 to 4")) return std::nullopt;
        ndim = 4;  // which dims are unused cannot be told: take it that none is
    }
    std::int64_t dims[4];
    for (std::size_t i = 0; i < 4; ++i) dims[i] = load<std::int32_t>(bytes + 24 + 4 * i);
    const auto unused = static_cast<std::size_t>(4 - ndim);
    const auto dim_broken = [&](std::size_t i, const char* clause, const char* expected,
                                std::string note) {
        return report.broken("dims[" + number(i) + "]", 24 + 4 * i, clause, number(dims[i]),
                             expected, std::move(note));
    };
    // V1-DIMS-1
    bool has_size = dtype.has_value();
    for (std::size_t i = 0; i < 4; ++i) {
        if (dims[i] >= 0) continue;
        has_size = false;
        if (!dim_broken(i, "V1-DIMS-1", "0 or more", {})) return std::nullopt;
    }
    // V1-DIMS-2
    for (std::size_t i = 0; i < unused; ++i) {
        if (dims[i] != 1 &&
            !dim_broken(i, "V1-DIMS-2", "1", "ndim " + number(ndim) + " leaves it unused"))
            return std::nullopt;
    }
    // V1-TOTAL-1
    Wide product = 1;
    for (std::int64_t dim : dims) product.multiply(dim);
    const auto total = load<std::int64_t>(bytes + 40);
    if (!product.equals_signed(total)) {
        std::string note = "the product of dims";
        for (std::size_t i = 0; i < 4; ++i) note += (i == 0 ? " " : ", ") + number(dims[i]);
        if (!report.broken("total_elements", 40, "V1-TOTAL-1", number(total), product.to_string(),
                           std::move(note)))
            return std::nullopt;
    }
    // V1-LIMIT-1
    Wide nbytes = product;
    if (has_size) {
        nbytes.multiply(static_cast<std::int64_t>(itemsize(*dtype)));
        Wide span = nbytes;
        if (span.is_zero()) {
            span = itemsize(*dtype);
            for (std::int64_t dim : dims) span.multiply(dim == 0 ? 1 : dim);
        }
        if (span.exceeds(payload_max) &&
            !report.broken("dims", 24, "V1-LIMIT-1",
                           "dims that span " + span.to_string() + " bytes",
                           "at most " + number(payload_max), "a 0 counts as 1"))
            return std::nullopt;
    }
    // V1-RESERVED-2
    const auto reserved_2 = load<std::int64_t>(bytes + 48);
    if (reserved_2 != 0 && options.strict &&
        !report.broken("reserved_2", 48, "V1-RESERVED-2", number(reserved_2), "0"))
        return std::nullopt;
    // V1-RESERVED-3
    const auto reserved_3 = load<std::int64_t>(bytes + 56);
    if (reserved_3 != 0 && options.strict &&
        !report.broken("reserved_3", 56, "V1-RESERVED-3", number(reserved_3), "0"))
        return std::nullopt;
    if (!has_size) return std::nullopt;
    if (file_size) {
        const std::uint64_t there = *file_size - std::min<std::uint64_t>(*file_size, 64);
        // V1-PAYLOAD-1
        if (nbytes.exceeds(there)) {
            if (!report.broken("payload", 64, "V1-PAYLOAD-1", count_of_bytes(there),
                               nbytes.to_string() + " bytes"))
                return std::nullopt;
        }
        // V1-PAYLOAD-2
        else if (!nbytes.equals(there) && options.strict &&
                 !report.broken("end of file", 64 + nbytes.low(), "V1-PAYLOAD-2",
                                surplus_of(there - nbytes.low()), "none"))
            return std::nullopt;
    }
    return V1Header{*dtype, Shape(dims + unused, dims + 4), nbytes.low()};
}

// ------------------------------------------------------------------ TSR4: the rules

constexpr std::uint64_t directory_end(std::uint64_t count) noexcept {
    return tsr4_header_size + tsr4_entry_size * count;
}

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t power_of_two) noexcept {
    return (value + power_of_two - 1) & ~(power_of_two - 1);
}

/// Where the first payload begins.
constexpr std::uint64_t data_start(std::uint64_t count, bool is_compressed) noexcept {
    return is_compressed ? directory_end(count) : round_up(directory_end(count), tsr4_alignment);
}

inline std::optional<DType> tsr4_dtype(unsigned char code) noexcept {
    if (code > 3) return std::nullopt;
    return static_cast<DType>(code);  // numbered as in the file
}

/// The CRC-32 of a header with its own field 0.
inline std::uint32_t header_crc(const unsigned char* header) noexcept {
    constexpr unsigned char zeros[4] = {};
    return crc32(header + 44, tsr4_header_size - 44, crc32(zeros, 4, crc32(header, 40)));
}

struct ContainerHeader {
    std::optional<bool> is_compressed;  // open where `file_mode` is broken
    std::uint32_t count = 0;            // the entries that can be there
};

/// Check every rule on a header of TSR4.
inline ContainerHeader check_tsr4_header(const unsigned char* bytes, std::size_t available,
                                         const std::optional<std::uint64_t>& file_size,
                                         const ReadOptions& options, Report& report) {
    // T4-SIZE-1
    if (available < tsr4_header_size) {
        report.broken("header", 0, "T4-SIZE-1", count_of_bytes(available), "at least 128 bytes",
                      cut_note(bytes, available, tsr4_magic, "TSR4"));
        return {};
    }
    // T4-MAGIC-1
    if (std::memcmp(bytes, tsr4_magic, 4) != 0) {
        report.broken("magic", 0, "T4-MAGIC-1", quoted(bytes, 4), "b'TSR4'");
        return {};  // what follows is no header of ours, and means nothing
    }
    // T4-CRC-1
    const auto stored_crc = load<std::uint32_t>(bytes + 40);
    const std::uint32_t crc = header_crc(bytes);
    if (stored_crc != crc && !report.broken("header_crc32", 40, "T4-CRC-1", hexadecimal(stored_crc),
                                            hexadecimal(crc), "the CRC-32 of the header"))
        return {};
    // T4-VERSION-1
    const auto major = load<std::uint16_t>(bytes + 4);
    if (major != 4 && !report.broken("version_major", 4, "T4-VERSION-1", number(major), "4"))
        return {};
    // T4-VERSION-2
    const auto minor = load<std::uint16_t>(bytes + 6);
    if (minor != 20 && !report.broken("version_minor", 6, "T4-VERSION-2", number(minor), "20"))
        return {};
    // T4-HEADER-1
    const auto header_size = load<std::uint32_t>(bytes + 8);
    if (header_size != tsr4_header_size &&
        !report.broken("header_size", 8, "T4-HEADER-1", number(header_size), "128"))
        return {};
    // T4-MODE-1
    ContainerHeader header;
    const auto mode = load<std::uint32_t>(bytes + 12);
    if (mode <= 1)
        header.is_compressed = mode == 1;
    else if (!report.broken("file_mode", 12, "T4-MODE-1", number(mode), "0 (RAW) or 1 (ZLIB)"))
        return {};
    // T4-COUNT-1
    const auto count = load<std::uint32_t>(bytes + 16);
    if (count == 0 && !report.broken("tensor_count", 16, "T4-COUNT-1", "0", "at least 1"))
        return {};
    // T4-ENTRY-1
    const auto entry_size = load<std::uint32_t>(bytes + 20);
    if (entry_size != tsr4_entry_size &&
        !report.broken("entry_size", 20, "T4-ENTRY-1", number(entry_size), "64"))
        return {};
    // T4-DIRECTORY-1
    const auto dir_offset = load<std::uint64_t>(bytes + 24);
    if (dir_offset != tsr4_header_size &&
        !report.broken("dir_offset", 24, "T4-DIRECTORY-1", number(dir_offset), "128"))
        return {};
    // T4-DATA-1
    const auto data_offset = load<std::uint64_t>(bytes + 32);
    if (header.is_compressed && data_offset != data_start(count, *header.is_compressed) &&
        !report.broken("data_offset", 32, "T4-DATA-1", number(data_offset),
                       number(data_start(count, *header.is_compressed)),
                       "behind " + number(count) + " entries"))
        return {};
    // T4-RESERVED-1
    const auto reserved_0 = load<std::uint32_t>(bytes + 44);
    if (reserved_0 != 0 && options.strict &&
        !report.broken("reserved_0", 44, "T4-RESERVED-1", number(reserved_0), "0"))
        return {};
    // T4-RESERVED-2
    const bool is_reserved_set = std::any_of(bytes + 48, bytes + tsr4_header_size,
                                             [](unsigned char byte) { return byte != 0; });
    if (is_reserved_set && options.strict &&
        !report.broken("reserved_1", 48, "T4-RESERVED-2", hexadecimal(bytes + 48, 80),
                       "80 zero bytes"))
        return {};
    // T4-DIRECTORY-2
    if (file_size && *file_size < directory_end(count)) {
        report.broken("directory", 128, "T4-DIRECTORY-2",
                      count_of_bytes(*file_size - std::min<std::uint64_t>(*file_size, 128)),
                      count_of_bytes(tsr4_entry_size * std::uint64_t{count}),
                      number(count) + " entries");
        return {};
    }
    header.count = count;
    return header;
}

/// Check every rule on a directory of `count` entries that lies behind its header. Whether to go on.
inline bool check_directory(const unsigned char* directory, std::size_t count,
                            const std::optional<bool>& is_compressed, const ReadOptions& options,
                            Report& report, std::vector<TensorInfo>& infos) {
    Wide end = directory_end(count);
    infos.reserve(count);
    for (std::size_t index = 0; index < count; ++index) {
        const unsigned char* entry = directory + tsr4_entry_size * index;
        const auto broken = [&](const std::string& field, std::uint64_t offset, const char* clause,
                                std::string found, std::string expected, std::string note = {}) {
            return report.broken("entries[" + number(index) + "]." + field,
                                 directory_end(index) + offset, clause, std::move(found),
                                 std::move(expected), std::move(note));
        };
        // T4-DTYPE-1
        const std::optional<DType> dtype = tsr4_dtype(entry[0]);
        if (!dtype && !broken("dtype", 0, "T4-DTYPE-1", number(unsigned{entry[0]}),
                              "0 (FP32), 1 (FP16), 2 (INT8) or 3 (INT32)"))
            return false;
        // T4-RESERVED-3
        if ((entry[1] | entry[2] | entry[3]) != 0 && options.strict &&
            !broken("reserved_0", 1, "T4-RESERVED-3", hexadecimal(entry + 1, 3), "3 zero bytes"))
            return false;
        // T4-SHAPE-1
        bool has_size = dtype.has_value();
        std::int64_t dims[4];
        Wide product = 1;
        for (std::size_t axis = 0; axis < 4; ++axis) {
            dims[axis] = load<std::int32_t>(entry + 4 + 4 * axis);
            product.multiply(dims[axis]);
            if (dims[axis] >= 1) continue;
            has_size = false;
            if (!broken("shape[" + number(axis) + "]", 4 + 4 * axis, "T4-SHAPE-1",
                        number(dims[axis]), "1 or more"))
                return false;
        }
        // T4-NUMEL-1
        const auto numel = load<std::int64_t>(entry + 20);
        if (!product.equals_signed(numel)) {
            std::string note = "the product of shape";
            for (std::size_t i = 0; i < 4; ++i) note += (i == 0 ? " " : ", ") + number(dims[i]);
            if (!broken("numel", 20, "T4-NUMEL-1", number(numel), product.to_string(),
                        std::move(note)))
                return false;
        }
        const auto nbytes = load<std::uint64_t>(entry + 36);
        if (has_size) {
            Wide size = product;
            size.multiply(static_cast<std::int64_t>(itemsize(*dtype)));
            // T4-LIMIT-1
            if (size.exceeds(payload_max) &&
                !broken("shape", 4, "T4-LIMIT-1", size.to_string() + " bytes of " + numpy_name(*dtype),
                        "at most " + number(payload_max)))
                return false;
            // T4-NBYTES-1
            if (!size.equals(nbytes) &&
                !broken("nbytes", 36, "T4-NBYTES-1", number(nbytes), size.to_string(),
                        product.to_string() + " elements of " + numpy_name(*dtype)))
                return false;
        }
        const auto offset = load<std::uint64_t>(entry + 44);
        const auto stored = load<std::uint64_t>(entry + 52);
        if (is_compressed) {
            Wide start = end;
            if (!*is_compressed) start.round_up(tsr4_alignment);
            // T4-OFFSET-1
            if (!start.equals(offset) && !broken("data_offset", 44, "T4-OFFSET-1", number(offset),
                                                 start.to_string()))
                return false;
            // T4-STORED-1
            if (!*is_compressed && stored != nbytes &&
                !broken("payload_size", 52, "T4-STORED-1", number(stored), number(nbytes),
                        "no compression"))
                return false;
        }
        end = offset;
        end.add(stored);
        if (!has_size) continue;
        TensorInfo info;
        info.dtype = *dtype;
        info.shape = Shape(dims, dims + 4);
        info.offset = offset;
        info.nbytes = nbytes;
        info.stored_nbytes = stored;
        info.crc32 = load<std::uint32_t>(entry + 60);
        info.row_stride = load<std::uint64_t>(entry + 28);
        infos.push_back(info);
    }
    return true;
}

/// Check that a file holds all payloads, and nothing behind them. Whether to go on.
inline bool check_extent(const std::vector<TensorInfo>& infos, std::uint64_t file_size,
                         const ReadOptions& options, Report& report) {
    const auto end_of = [](const TensorInfo& info) {
        Wide end = info.offset;
        end.add(info.stored_nbytes);
        return end;
    };
    const Wide end = end_of(infos.back());
    if (end.exceeds(file_size)) {
        for (std::size_t index = 0; index < infos.size(); ++index) {
            const TensorInfo& info = infos[index];
            // T4-PAYLOAD-1
            if (end_of(info).exceeds(file_size) &&
                !report.broken("payload[" + number(index) + "]", info.offset, "T4-PAYLOAD-1",
                               count_of_bytes(file_size - std::min(file_size, info.offset)),
                               count_of_bytes(info.stored_nbytes)))
                return false;
        }
    }
    // T4-END-1
    else if (!end.equals(file_size) && options.strict) {
        return report.broken("end of file", end.low(), "T4-END-1",
                             surplus_of(file_size - end.low()), "none");
    }
    return true;
}

/// Check every rule on header and directory of either format. What comes back is whole only where
/// nothing was reported.
inline Layout check_layout(const unsigned char* bytes, std::size_t available,
                           const std::optional<std::uint64_t>& file_size,
                           const ReadOptions& options, Report& report) {
    Layout layout;
    if (available < 4 || std::memcmp(bytes, tsr4_magic, 4) != 0) {
        const std::optional<V1Header> header =
            check_v1(bytes, available, file_size, options, report);
        if (!header) return layout;
        TensorInfo info;
        info.dtype = header->dtype;
        info.shape = header->shape;
        info.offset = v1_header_size;
        info.nbytes = info.stored_nbytes = header->nbytes;
        layout.tensors.push_back(info);
        return layout;
    }
    layout.format = Format::TSR4;
    const ContainerHeader header =
        check_tsr4_header(bytes, available, file_size, options, report);
    layout.is_compressed = header.is_compressed.value_or(false);
    const std::size_t count = header.count;
    if (count == 0) return layout;
    if ((available - tsr4_header_size) / tsr4_entry_size < count) {
        report.failed(unsupported("data", count_of_bytes(available),
                                  "header and directory, " + count_of_bytes(directory_end(count))));
        return layout;
    }
    const bool goes_on = check_directory(bytes + tsr4_header_size, count, header.is_compressed,
                                         options, report, layout.tensors);
    if (goes_on && file_size && header.is_compressed && layout.tensors.size() == count)
        check_extent(layout.tensors, *file_size, options, report);
    return layout;
}

// ------------------------------------------------------------------ files

inline std::string text_of(const std::filesystem::path& path) {
    const auto text = path.u8string();  // of another type in C++20
    return {text.begin(), text.end()};
}

/// Everything but a regular file is refused, by what the open file says.
inline Failure irregular(const char* found, const std::string& path) {
    Failure failure;
    Report(path, failure).broken("file", 0, "FILE-1", found, "a regular file");
    return failure;
}

inline Failure changed(std::uint64_t found, std::uint64_t expected, const std::string& path) {
    Failure failure;
    Report(path, failure)
        .broken("file", std::min(found, expected), "FILE-2", count_of_bytes(found),
                count_of_bytes(expected), "its size changed while it was read");
    return failure;
}

/// Bytes to be written, where they lie.
struct Piece {
    const void* data;
    std::size_t size;
};

#ifdef _WIN32

inline Failure last_error(const std::string& path) {
    return refused({static_cast<int>(GetLastError()), std::system_category()}, path);
}

class Handle {
public:
    explicit Handle(HANDLE handle = INVALID_HANDLE_VALUE) noexcept : handle_(handle) {}
    Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, INVALID_HANDLE_VALUE)) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Handle() { close(); }

    HANDLE get() const noexcept { return handle_; }
    explicit operator bool() const noexcept {
        return handle_ != INVALID_HANDLE_VALUE && handle_ != nullptr;
    }

    bool close() noexcept {
        const HANDLE handle = std::exchange(handle_, INVALID_HANDLE_VALUE);
        return handle == INVALID_HANDLE_VALUE || handle == nullptr || CloseHandle(handle) != 0;
    }

private:
    HANDLE handle_;
};

/// A regular file that is open for reading.
class InputFile {
public:
    bool open(const std::filesystem::path& path, Failure& failure) {
        path_ = text_of(path);
        handle_ = Handle(CreateFileW(path.c_str(), GENERIC_READ,
                                     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                     OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
        if (!handle_) {
            failure = last_error(path_);
            const DWORD attributes = GetFileAttributesW(path.c_str());
            if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY))
                failure = irregular("a directory", path_);
            return false;
        }
        LARGE_INTEGER size;
        // FILE-1
        if (GetFileType(handle_.get()) != FILE_TYPE_DISK) {
            failure = irregular("a pipe or a device", path_);
            return false;
        }
        if (GetFileSizeEx(handle_.get(), &size) == 0) {
            failure = last_error(path_);
            return false;
        }
        size_ = static_cast<std::uint64_t>(size.QuadPart);
        return true;
    }

    const std::string& path() const noexcept { return path_; }
    std::uint64_t size() const noexcept { return size_; }

    /// Read at most `size` bytes, and not less than `enough` unless the file ends; how many.
    std::optional<std::size_t> read(void* data, std::size_t size, std::size_t enough,
                                    Failure& failure) {
        std::size_t done = 0;
        while (done < enough) {
            const auto wanted = static_cast<DWORD>(std::min<std::size_t>(size - done, 1u << 30));
            DWORD part = 0;
            if (ReadFile(handle_.get(), static_cast<char*>(data) + done, wanted, &part, nullptr) ==
                0) {
                failure = last_error(path_);
                return std::nullopt;
            }
            if (part == 0) break;
            done += part;
        }
        return done;
    }

    /// All of the file in memory; nullptr with a failure.
    const std::byte* map(Failure& failure) const {
        const Handle mapping(
            CreateFileMappingW(handle_.get(), nullptr, PAGE_READONLY, 0, 0, nullptr));
        void* data =
            mapping ? MapViewOfFile(mapping.get(), FILE_MAP_READ, 0, 0, static_cast<SIZE_T>(size_))
                    : nullptr;
        if (data == nullptr) failure = last_error(path_);
        return static_cast<const std::byte*>(data);
    }

    static void unmap(const void* data, std::size_t) noexcept { UnmapViewOfFile(data); }

private:
    std::string path_;
    Handle handle_;
    std::uint64_t size_ = 0;
};

inline bool write_all(HANDLE file, const Piece& piece) {
    std::size_t done = 0;
    while (done < piece.size) {
        const auto wanted = static_cast<DWORD>(std::min<std::size_t>(piece.size - done, 1u << 30));
        DWORD part = 0;
        if (WriteFile(file, static_cast<const char*>(piece.data) + done, wanted, &part, nullptr) ==
            0)
            return false;
        done += part;
    }
    return true;
}

/// Write a file that appears whole or not at all, whatever it replaces.
inline bool write_whole(const std::filesystem::path& target, const std::vector<Piece>& pieces,
                        bool durable, Failure& failure) {
    static std::atomic<unsigned> serial{0};
    std::filesystem::path temporary;
    Handle file;
    do {
        temporary = target;
        temporary += L"." + std::to_wstring(GetCurrentProcessId()) + L"-" +
                     std::to_wstring(serial++) + L".tmp";
        file = Handle(CreateFileW(temporary.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                                  FILE_ATTRIBUTE_NORMAL, nullptr));
    } while (!file && GetLastError() == ERROR_FILE_EXISTS);
    bool is_done = static_cast<bool>(file);
    for (const Piece& piece : pieces) is_done = is_done && write_all(file.get(), piece);
    if (durable) is_done = is_done && FlushFileBuffers(file.get()) != 0;
    is_done = is_done && file.close();
    const DWORD flags = MOVEFILE_REPLACE_EXISTING | (durable ? MOVEFILE_WRITE_THROUGH : 0);
    is_done = is_done && MoveFileExW(temporary.c_str(), target.c_str(), flags) != 0;
    if (!is_done) {
        failure = last_error(text_of(target));
        file.close();
        DeleteFileW(temporary.c_str());
    }
    return is_done;
}

#else

inline Failure last_error(const std::string& path) {
    return refused({errno, std::generic_category()}, path);
}

class Descriptor {
public:
    explicit Descriptor(int descriptor = -1) noexcept : descriptor_(descriptor) {}
    Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~Descriptor() { close(); }

    int get() const noexcept { return descriptor_; }
    explicit operator bool() const noexcept { return descriptor_ >= 0; }

    bool close() noexcept {
        const int descriptor = std::exchange(descriptor_, -1);
        return descriptor < 0 || ::close(descriptor) == 0;
    }

private:
    int descriptor_;
};

inline const char* kind_of(mode_t mode) noexcept {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    if (S_ISCHR(mode)) return "a character device";
    if (S_ISBLK(mode)) return "a block device";
    return "a special file";
}

/// A regular file that is open for reading.
class InputFile {
public:
    bool open(const std::filesystem::path& path, Failure& failure) {
        path_ = path.native();
        struct stat status {};
        // O_NONBLOCK: to open a FIFO must not wait for who writes to it.
        descriptor_ =
            Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        if (!descriptor_) {
            const bool is_socket = errno == ENXIO;  // which cannot be opened at all
            failure = last_error(path_);
            if (is_socket && ::stat(path.c_str(), &status) == 0)
                failure = irregular(kind_of(status.st_mode), path_);
            return false;
        }
        if (::fstat(descriptor_.get(), &status) != 0) {
            failure = last_error(path_);
            return false;
        }
        // FILE-1
        if (!S_ISREG(status.st_mode)) {
            failure = irregular(kind_of(status.st_mode), path_);
            return false;
        }
        size_ = static_cast<std::uint64_t>(status.st_size);
        return true;
    }

    const std::string& path() const noexcept { return path_; }
    std::uint64_t size() const noexcept { return size_; }

    /// Read at most `size` bytes, and not less than `enough` unless the file ends; how many.
    std::optional<std::size_t> read(void* data, std::size_t size, std::size_t enough,
                                    Failure& failure) {
        std::size_t done = 0;
        while (done < enough) {
            // One call takes no more than 2 GiB.
            const std::size_t wanted = std::min<std::size_t>(size - done, 1u << 30);
            const ssize_t part =
                ::read(descriptor_.get(), static_cast<char*>(data) + done, wanted);
            if (part < 0) {
                if (errno == EINTR) continue;
                failure = last_error(path_);
                return std::nullopt;
            }
            if (part == 0) break;
            done += static_cast<std::size_t>(part);
        }
        return done;
    }

    /// All of the file in memory; nullptr with a failure.
    const std::byte* map(Failure& failure) const {
        void* data = ::mmap(nullptr, static_cast<std::size_t>(size_), PROT_READ, MAP_SHARED,
                            descriptor_.get(), 0);
        if (data == MAP_FAILED) {
            failure = last_error(path_);
            return nullptr;
        }
        return static_cast<const std::byte*>(data);
    }

    static void unmap(const void* data, std::size_t size) noexcept {
        ::munmap(const_cast<void*>(data), size);
    }

private:
    std::string path_;
    Descriptor descriptor_;
    std::uint64_t size_ = 0;
};

inline bool write_all(int descriptor, const std::vector<Piece>& pieces) {
    constexpr std::size_t batch = 64;  // the least that a system's IOV_MAX is, and more
    constexpr std::size_t call_max = 1u << 30;
    std::size_t index = 0;
    std::size_t done = 0;  // of pieces[index]
    while (index < pieces.size()) {
        if (done == pieces[index].size) {
            ++index;
            done = 0;
            continue;
        }
        struct iovec parts[batch];
        int count = 0;
        std::size_t bytes = 0;
        std::size_t skipped = done;
        for (std::size_t at = index; at < pieces.size() && count < static_cast<int>(batch); ++at) {
            const std::size_t size = std::min(pieces[at].size - skipped, call_max - bytes);
            parts[count].iov_base =
                const_cast<char*>(static_cast<const char*>(pieces[at].data) + skipped);
            parts[count++].iov_len = size;
            bytes += size;
            skipped = 0;
            if (bytes == call_max) break;
        }
        const ssize_t part = ::writev(descriptor, parts, count);
        if (part < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        for (auto left = static_cast<std::size_t>(part); left != 0;) {
            const std::size_t size = std::min(left, pieces[index].size - done);
            left -= size;
            done += size;
            if (left != 0) {
                ++index;
                done = 0;
            }
        }
    }
    return true;
}

inline bool sync_directory(const std::filesystem::path& path) {
    const std::string directory = path.has_parent_path() ? path.parent_path().native() : ".";
    const Descriptor descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return descriptor && ::fsync(descriptor.get()) == 0;
}

/// Write to what cannot be replaced: a FIFO, a device.
inline bool write_through(const std::filesystem::path& target, mode_t mode,
                          const std::vector<Piece>& pieces, Failure& failure) {
    if (S_ISDIR(mode)) errno = EISDIR;
    Descriptor descriptor(S_ISDIR(mode) ? -1 : ::open(target.c_str(), O_WRONLY | O_CLOEXEC));
    if (descriptor && write_all(descriptor.get(), pieces) && descriptor.close()) return true;
    failure = last_error(target.native());
    return false;
}

/// Where links lead from a path, be there something yet or not.
inline std::filesystem::path followed(std::filesystem::path path, std::error_code& code) {
    constexpr int links_max = 40;  // as many as Linux follows
    for (int links = 0; links < links_max; ++links) {
        const std::filesystem::path next = std::filesystem::read_symlink(path, code);
        if (code == std::errc::invalid_argument || code == std::errc::no_such_file_or_directory)
            code.clear();  // no link
        else if (!code) {
            path = path.parent_path() / next;
            continue;
        }
        return path;
    }
    code = std::make_error_code(std::errc::too_many_symbolic_link_levels);
    return path;
}

/// Write a file that appears whole or not at all, whatever it replaces.
inline bool write_whole(std::filesystem::path target, const std::vector<Piece>& pieces,
                        bool durable, Failure& failure) {
    static std::atomic<unsigned> serial{0};
    const std::string given = target.native();
    struct stat status {};
    bool is_there = ::lstat(target.c_str(), &status) == 0;
    if (is_there && S_ISLNK(status.st_mode)) {
        is_there = ::stat(target.c_str(), &status) == 0;
        // A link can lead to a pipe, which has no other path: /dev/stdout.
        if (!is_there || S_ISREG(status.st_mode)) {
            std::error_code code;
            target = followed(std::move(target), code);
            if (code) {
                failure = refused(code, given);
                return false;
            }
        }
    }
    if (is_there && !S_ISREG(status.st_mode))
        return write_through(target, status.st_mode, pieces, failure);
    std::filesystem::path stem = target;
    std::string temporary;
    Descriptor file;
    while (!file) {
        temporary = stem.native() + "." + std::to_string(::getpid()) + "-" +
                    std::to_string(serial++) + ".tmp";
        file = Descriptor(
            ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
        if (file || errno == EEXIST) continue;  // left by a process of the same number
        if (errno == ENAMETOOLONG && stem == target) {
            stem = target.parent_path() / ".tsr";  // room for the suffix
            continue;
        }
        failure = last_error(given);
        return false;
    }
    bool is_done = !is_there || ::fchmod(file.get(), status.st_mode & 07777) == 0;
    is_done = is_done && write_all(file.get(), pieces);
    if (durable) is_done = is_done && ::fsync(file.get()) == 0;
    is_done = is_done && file.close();  // some file systems say only here that there is no room
    is_done = is_done && ::rename(temporary.c_str(), target.c_str()) == 0;
    if (!is_done) {
        failure = last_error(given);
        ::unlink(temporary.c_str());
        return false;
    }
    if (durable && !sync_directory(target)) {
        failure = last_error(given);
        return false;
    }
    return true;
}

#endif

/// Bytes in memory, mapped or not, that are here for as long as this is.
class Storage {
public:
    Storage() noexcept = default;
    Storage(Storage&& other) noexcept { swap(other); }
    Storage& operator=(Storage&& other) noexcept {
        Storage(std::move(other)).swap(*this);  // what was here is given back now, not with `other`
        return *this;
    }
    ~Storage() {
        if (is_mapped_) InputFile::unmap(data_, size_);
    }

    static Storage borrow(const void* data, std::size_t size) noexcept {
        Storage storage;
        storage.data_ = static_cast<const std::byte*>(data);
        storage.size_ = size;
        return storage;
    }

    /// All of a file: what is small is read, what is large is mapped.
    static std::optional<Storage> of_file(const std::filesystem::path& path, Failure& failure) {
        constexpr std::uint64_t small = 1 << 17;  // up to here a read costs less than a mapping
        InputFile file;
        if (!file.open(path, failure)) return std::nullopt;
        Storage storage;
        storage.size_ = static_cast<std::size_t>(file.size());
        if (storage.size_ != file.size()) {  // 32 bits do not count so far
            failure = out_of_memory(file.path());
            return std::nullopt;
        }
        if (file.size() > small) {
            storage.data_ = file.map(failure);
            storage.is_mapped_ = storage.data_ != nullptr;
            if (!storage.is_mapped_) return std::nullopt;
            return storage;
        }
        return read(file, nullptr, 0, file.size(), failure);
    }

    /// `size` bytes from the start of a file in memory, of which `found` were read before.
    static std::optional<Storage> read(InputFile& file, const unsigned char* head,
                                       std::size_t found, std::uint64_t size, Failure& failure) {
        Storage storage;
        storage.size_ = static_cast<std::size_t>(size);
        if (storage.size_ == size)  // 32 bits do not count further
            storage.owned_.reset(new (std::nothrow) std::byte[storage.size_ + 1]);
        storage.data_ = storage.owned_.get();
        if (storage.data_ == nullptr) {
            failure = out_of_memory(file.path());
            return std::nullopt;
        }
        ask_for_huge_pages(storage.owned_.get(), storage.size_);
        // What was read before can be more than there was when the size was taken.
        const std::size_t surplus =
            size == file.size() && found > storage.size_ ? found - storage.size_ : 0;
        found = std::min(found, storage.size_);
        if (found != 0) std::memcpy(storage.owned_.get(), head, found);
        // Where the file is to end there, one byte more shows whether it does.
        const std::size_t left = storage.size_ - found;
        const std::size_t wanted = left + (size == file.size() ? 1 : 0);
        const std::optional<std::size_t> rest =
            file.read(storage.owned_.get() + found, wanted, left, failure);
        if (!rest) return std::nullopt;
        // FILE-2
        if (*rest != left || surplus != 0) {
            failure = changed(found + surplus + *rest, file.size(), file.path());
            return std::nullopt;
        }
        return storage;
    }

    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    const unsigned char* bytes() const noexcept {
        return reinterpret_cast<const unsigned char*>(data_);
    }

private:
    void swap(Storage& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(is_mapped_, other.is_mapped_);
        std::swap(owned_, other.owned_);
    }

    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    bool is_mapped_ = false;
    std::unique_ptr<std::byte[]> owned_;
};

// ------------------------------------------------------------------ zlib streams

/// Inflate a payload that is to give `info.nbytes` bytes, to `target`, or to nowhere to see whether
/// it is right; `crc`, where it is wanted, is that of what it gives.
inline bool inflate_payload(const unsigned char* stream, const TensorInfo& info, std::size_t index,
                            std::byte* target, std::uint32_t* crc, Report& report) {
#if TSR_WITH_ZLIB
    const auto broken = [&](const char* clause, std::string found) {
        report.broken("payload[" + number(index) + "]", info.offset, clause, std::move(found),
                      "a zlib stream of " + count_of_bytes(info.nbytes));
        return false;
    };
    // T4-ZLIB-1; zlib would wait for the id of the dictionary, and call a stream cut without it.
    if (info.stored_nbytes > 1 && (stream[1] & 0x20) != 0)
        return broken("T4-ZLIB-1", "one with a preset dictionary");
    constexpr std::uint64_t chunk = 1 << 16;
    constexpr std::uint64_t call_max = 1 << 30;
    std::unique_ptr<unsigned char[]> scratch;
    struct Stream : z_stream {
        Stream() : z_stream() {}
        ~Stream() { inflateEnd(this); }
        bool is_open = inflateInit(this) == Z_OK;
    } decoder;
    if (target == nullptr) scratch.reset(new (std::nothrow) unsigned char[chunk]);
    if (!decoder.is_open || (target == nullptr && scratch == nullptr)) {
        report.failed(out_of_memory());
        return false;
    }
    std::uint64_t left = info.stored_nbytes;  // of the stream
    std::uint64_t done = 0;
    decoder.next_in = const_cast<unsigned char*>(stream);
    for (;;) {
        if (decoder.avail_in == 0) {
            decoder.avail_in = static_cast<uInt>(std::min(left, call_max));
            left -= decoder.avail_in;
        }
        // At most one byte more than there should be.
        unsigned char surplus;
        unsigned char* out = &surplus;
        std::uint64_t room = 1;
        if (done < info.nbytes) {
            room = std::min(info.nbytes - done, target != nullptr ? call_max : chunk);
            out = target != nullptr ? reinterpret_cast<unsigned char*>(target) + done
                                    : scratch.get();
        }
        decoder.next_out = out;
        decoder.avail_out = static_cast<uInt>(room);
        const int status = inflate(&decoder, Z_NO_FLUSH);
        const std::uint64_t got = room - decoder.avail_out;
        if (status == Z_MEM_ERROR) {
            report.failed(out_of_memory());
            return false;
        }
        // T4-ZLIB-1
        if (status == Z_DATA_ERROR || status == Z_NEED_DICT || status == Z_STREAM_ERROR)
            return broken("T4-ZLIB-1",
                          (decoder.msg != nullptr ? std::string(decoder.msg) : "broken data") +
                              " after " + count_of_bytes(done + got));
        // T4-ZLIB-2
        if (done + got > info.nbytes) return broken("T4-ZLIB-2", "one that gives more");
        if (crc != nullptr) *crc = crc32(out, static_cast<std::size_t>(got), *crc);
        done += got;
        if (status == Z_STREAM_END) break;
        // T4-ZLIB-3
        if (got == 0 && decoder.avail_in == 0 && left == 0)
            return broken("T4-ZLIB-3", "one cut after " + count_of_bytes(done));
    }
    // T4-ZLIB-2
    if (done < info.nbytes) return broken("T4-ZLIB-2", "one of " + count_of_bytes(done));
    // T4-ZLIB-3
    if (left + decoder.avail_in != 0)
        return broken("T4-ZLIB-3", number(left + decoder.avail_in) + " bytes behind its end");
    return true;
#else
    static_cast<void>(stream), static_cast<void>(info), static_cast<void>(target);
    static_cast<void>(crc);
    report.failed(unsupported("payload[" + number(index) + "]", "a compressed tensor",
                              "an uncompressed one", "tsr.hpp is built without TSR_WITH_ZLIB"));
    return false;
#endif
}

/// Compress elements to a zlib stream.
inline bool deflate_payload(const TensorView& tensor, std::vector<std::byte>& payload,
                            Failure& failure) {
#if TSR_WITH_ZLIB
    constexpr std::uint64_t call_max = 1 << 30;
    constexpr std::size_t chunk = 1 << 16;
    struct Stream : z_stream {
        Stream() : z_stream() {}
        ~Stream() { deflateEnd(this); }
        bool is_open = deflateInit(this, Z_BEST_SPEED) == Z_OK;
    } encoder;
    if (!encoder.is_open) {
        failure = out_of_memory();
        return false;
    }
    std::uint64_t left = tensor.nbytes();
    encoder.next_in =
        const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(tensor.data()));
    for (int status = Z_OK; status != Z_STREAM_END;) {
        if (encoder.avail_in == 0) {
            encoder.avail_in = static_cast<uInt>(std::min(left, call_max));
            left -= encoder.avail_in;
        }
        const std::size_t size = payload.size();
        payload.resize(size + chunk);
        encoder.next_out = reinterpret_cast<unsigned char*>(payload.data() + size);
        encoder.avail_out = static_cast<uInt>(chunk);
        status = deflate(&encoder, left == 0 ? Z_FINISH : Z_NO_FLUSH);
        payload.resize(payload.size() - encoder.avail_out);
        if (status == Z_STREAM_ERROR) {
            failure = refused(std::make_error_code(std::errc::invalid_argument));
            return false;
        }
    }
    return true;
#else
    static_cast<void>(tensor), static_cast<void>(payload);
    failure = unsupported("compress", "true", "false", "tsr.hpp is built without TSR_WITH_ZLIB");
    return false;
#endif
}

// ------------------------------------------------------------------ contents

/// Check the padding behind a payload, or that before the first one.
inline bool check_padding(const unsigned char* bytes, std::uint64_t start, std::uint64_t end,
                          Report& report) {
    const unsigned char* last = bytes + end;
    const unsigned char* at = std::find_if(bytes + start, last, [](unsigned char b) { return b != 0; });
    // T4-PADDING-1
    return at == last || report.broken("padding", static_cast<std::uint64_t>(at - bytes),
                                       "T4-PADDING-1", number(unsigned{*at}), "0");
}

inline bool check_first_padding(const unsigned char* bytes, const Layout& layout, Report& report) {
    return layout.format != Format::TSR4 || layout.is_compressed ||
           check_padding(bytes, directory_end(layout.tensors.size()), layout.tensors[0].offset,
                         report);
}

inline bool check_padding_behind(const unsigned char* bytes, const Layout& layout,
                                 std::size_t index, Report& report) {
    const std::vector<TensorInfo>& infos = layout.tensors;
    return layout.format != Format::TSR4 || layout.is_compressed || index + 1 == infos.size() ||
           check_padding(bytes, infos[index].offset + infos[index].nbytes, infos[index + 1].offset,
                         report);
}

inline bool check_crc(const TensorInfo& info, std::size_t index, std::uint32_t crc,
                      Report& report) {
    // T4-CRC-2
    return !info.crc32 || *info.crc32 == crc ||
           report.broken("entries[" + number(index) + "].data_crc32", directory_end(index) + 60,
                         "T4-CRC-2", hexadecimal(*info.crc32), hexadecimal(crc),
                         "the CRC-32 of the elements' bytes");
}

/// Check all that a file says of a payload.
inline bool check_payload(const unsigned char* bytes, const Layout& layout, std::size_t index,
                          Report& report) {
    const TensorInfo& info = layout.tensors[index];
    if (layout.format != Format::TSR4) return true;  // every pattern of bits is a value
    std::uint32_t crc = 0;
    if (!layout.is_compressed)
        crc = crc32(bytes + info.offset, static_cast<std::size_t>(info.nbytes));
    else if (!inflate_payload(bytes + info.offset, info, index, nullptr, &crc, report))
        return false;
    return check_crc(info, index, crc, report);
}

/// Check all payloads and all padding.
inline void check_contents(const unsigned char* bytes, const Layout& layout,
                           const ReadOptions& options, Report& report) {
    if (options.strict) check_first_padding(bytes, layout, report);
    for (std::size_t index = 0; index < layout.tensors.size() && !report.is_full(); ++index) {
        check_payload(bytes, layout, index, report);
        if (options.strict) check_padding_behind(bytes, layout, index, report);
    }
}

// ------------------------------------------------------------------ building

/// Whether a tensor has an encoding in version 1.
inline bool check_v1_encoding(DType dtype, const Shape& shape, Failure& failure) {
    // V1-DTYPE-1
    if (dtype == DType::FP16) {
        failure = unsupported("dtype", name(dtype), "FP32, INT8 or INT32", "Format::TSR4 has FP16");
        return false;
    }
    // V1-NDIM-1
    if (shape.rank() > Shape::rank_max) {
        failure = unsupported("shape", shape.to_string(), "at most 4 dimensions");
        return false;
    }
    // V1-DIMS-1, and what an int32 holds
    Wide span = itemsize(dtype);
    for (std::int64_t dim : shape) {
        if (dim < 0 || dim > dimension_max) {
            failure = unsupported("shape", shape.to_string(),
                                  "dimensions from 0 to " + number(dimension_max));
            return false;
        }
        span.multiply(dim == 0 ? 1 : dim);
    }
    // V1-LIMIT-1
    if (span.exceeds(payload_max)) {
        failure = unsupported("shape", shape.to_string(),
                              "at most " + number(payload_max) + " bytes, each 0 counted as 1");
        return false;
    }
    return true;
}

/// Whether a tensor has an encoding in TSR4.
inline bool check_tsr4_encoding(DType dtype, const Shape& shape, Failure& failure) {
    if (shape.rank() > Shape::rank_max) {
        failure = unsupported("shape", shape.to_string(), "at most 4 dimensions");
        return false;
    }
    // T4-SHAPE-1, and what an int32 holds
    Wide nbytes = itemsize(dtype);
    for (std::int64_t dim : shape) {
        if (dim < 1 || dim > dimension_max) {
            failure = unsupported("shape", shape.to_string(),
                                  "dimensions from 1 to " + number(dimension_max),
                                  "Format::V1 holds a dimension of 0");
            return false;
        }
        nbytes.multiply(dim);
    }
    // T4-LIMIT-1
    if (nbytes.exceeds(payload_max)) {
        failure = unsupported("shape", shape.to_string(),
                              "at most " + number(payload_max) + " bytes");
        return false;
    }
    return true;
}

inline void encode_v1_header(DType dtype, const Shape& shape, unsigned char* bytes) noexcept {
    std::memset(bytes, 0, v1_header_size);
    std::memcpy(bytes, v1_magic, 4);
    store<std::int32_t>(bytes + 4, 1);
    store<std::int32_t>(bytes + 8, v1_header_size);
    store<std::int32_t>(bytes + 16, dtype == DType::FP32 ? 1 : dtype == DType::INT8 ? 2 : 3);
    store<std::int32_t>(bytes + 20, static_cast<std::int32_t>(shape.rank()));
    const std::size_t unused = Shape::rank_max - shape.rank();
    for (std::size_t i = 0; i < Shape::rank_max; ++i) {
        store<std::int32_t>(bytes + 24 + 4 * i,
                            i < unused ? 1 : static_cast<std::int32_t>(shape[i - unused]));
    }
    store<std::int64_t>(bytes + 40, shape.numel());
}

/// The bytes of a file, piece by piece, and what holds those that lie nowhere else.
struct Encoded {
    std::vector<Piece> pieces;
    std::vector<std::byte> head;
    std::vector<std::vector<std::byte>> payloads;
    std::size_t size = 0;

    void add(const void* data, std::size_t length) {
        pieces.push_back({data, length});
        size += length;
    }
};

inline bool encode_v1(const TensorView& tensor, Encoded& file, Failure& failure) {
    if (!check_v1_encoding(tensor.dtype(), tensor.shape(), failure)) return false;
    file.head.resize(v1_header_size);
    encode_v1_header(tensor.dtype(), tensor.shape(),
                     reinterpret_cast<unsigned char*>(file.head.data()));
    file.add(file.head.data(), v1_header_size);
    file.add(tensor.data(), tensor.nbytes());
    return true;
}

inline void encode_tsr4_head(const std::vector<TensorInfo>& infos, bool is_compressed,
                             unsigned char* bytes) noexcept {
    std::memcpy(bytes, tsr4_magic, 4);
    store<std::uint16_t>(bytes + 4, 4);
    store<std::uint16_t>(bytes + 6, 20);
    store<std::uint32_t>(bytes + 8, tsr4_header_size);
    store<std::uint32_t>(bytes + 12, is_compressed ? 1 : 0);
    store<std::uint32_t>(bytes + 16, static_cast<std::uint32_t>(infos.size()));
    store<std::uint32_t>(bytes + 20, tsr4_entry_size);
    store<std::uint64_t>(bytes + 24, tsr4_header_size);
    store<std::uint64_t>(bytes + 32, data_start(infos.size(), is_compressed));
    store<std::uint32_t>(bytes + 40, header_crc(bytes));
    unsigned char* entry = bytes + tsr4_header_size;
    for (const TensorInfo& info : infos) {
        entry[0] = static_cast<unsigned char>(info.dtype);
        for (std::size_t axis = 0; axis < 4; ++axis) {
            store<std::int32_t>(entry + 4 + 4 * axis,
                                static_cast<std::int32_t>(info.shape[axis]));
        }
        store<std::uint64_t>(entry + 20, info.nbytes / itemsize(info.dtype));
        // What rows were padded to in the memory of the original.
        const std::uint64_t row = static_cast<std::uint64_t>(info.shape[2]) *
                                  static_cast<std::uint64_t>(info.shape[3]) * itemsize(info.dtype);
        store<std::uint64_t>(entry + 28, round_up(row, itemsize(info.dtype) == 4 ? 256 : 128));
        store<std::uint64_t>(entry + 36, info.nbytes);
        store<std::uint64_t>(entry + 44, info.offset);
        store<std::uint64_t>(entry + 52, info.stored_nbytes);
        store<std::uint32_t>(entry + 60, *info.crc32);
        entry += tsr4_entry_size;
    }
}

inline bool encode_tsr4(const TensorView* tensors, std::size_t count, bool compress, Encoded& file,
                        Failure& failure) {
    static constexpr unsigned char zeros[tsr4_alignment] = {};
    // T4-COUNT-1
    if (count == 0 || count > std::numeric_limits<std::uint32_t>::max()) {
        failure = unsupported("tensors", number(count), "1 to 4294967295");
        return false;
    }
    // What has no encoding is refused before any element is looked at.
    for (std::size_t index = 0; index < count; ++index) {
        if (check_tsr4_encoding(tensors[index].dtype(), tensors[index].shape(), failure)) continue;
        failure.field = "tensors[" + number(index) + "]." + failure.field;
        return false;
    }
    const std::uint64_t start = data_start(count, compress);
    file.head.resize(static_cast<std::size_t>(start));
    file.add(file.head.data(), file.head.size());
    std::vector<TensorInfo> infos;
    infos.reserve(count);
    file.payloads.reserve(count);
    for (std::size_t index = 0; index < count; ++index) {
        const TensorView& tensor = tensors[index];
        Piece payload = {tensor.data(), tensor.nbytes()};
        if (compress) {
            file.payloads.emplace_back();
            if (!deflate_payload(tensor, file.payloads.back(), failure)) return false;
            payload = {file.payloads.back().data(), file.payloads.back().size()};
        } else {
            const std::uint64_t end = file.size;
            file.add(zeros, static_cast<std::size_t>(round_up(end, tsr4_alignment) - end));
        }
        TensorInfo info;
        info.dtype = tensor.dtype();
        std::array<std::int64_t, 4> dims = {1, 1, 1, 1};
        std::copy_backward(tensor.shape().begin(), tensor.shape().end(), dims.end());
        info.shape = Shape(dims.begin(), dims.end());
        info.offset = file.size;
        info.nbytes = tensor.nbytes();
        info.stored_nbytes = payload.size;
        info.crc32 =
            crc32(reinterpret_cast<const unsigned char*>(tensor.data()), tensor.nbytes());
        infos.push_back(info);
        file.add(payload.data, payload.size);
    }
    encode_tsr4_head(infos, compress, reinterpret_cast<unsigned char*>(file.head.data()));
    return true;
}

inline bool encode(const TensorView* tensors, std::size_t count, const WriteOptions& options,
                   Encoded& file, Failure& failure) {
    if (options.format == Format::TSR4)
        return encode_tsr4(tensors, count, options.compress, file, failure);
    if (options.compress) {
        failure = unsupported("compress", "true for Format::V1", "Format::TSR4");
        return false;
    }
    if (count != 1) {
        failure = unsupported("tensors", number(count), "one", "Format::TSR4 holds more");
        return false;
    }
    return encode_v1(tensors[0], file, failure);
}

inline std::optional<std::vector<std::byte>> encode_to_memory(const TensorView* tensors,
                                                              std::size_t count,
                                                              const WriteOptions& options,
                                                              Failure& failure) {
    Encoded file;
    if (!encode(tensors, count, options, file, failure)) return std::nullopt;
    std::vector<std::byte> data;
    data.reserve(file.size);
    for (const Piece& piece : file.pieces) {
        const auto* bytes = static_cast<const std::byte*>(piece.data);
        data.insert(data.end(), bytes, bytes + piece.size);
    }
    return data;
}

inline bool encode_to_file(const std::filesystem::path& path, const TensorView* tensors,
                           std::size_t count, const WriteOptions& options, Failure& failure) {
    Encoded file;
    return encode(tensors, count, options, file, failure) &&
           write_whole(path, file.pieces, options.durable, failure);
}

inline const std::string& no_path() {
    static const std::string path;
    return path;
}

#if TSR_EXCEPTIONS
/// What a form with a failure gives, or that thrown.
template <class Form>
auto or_raise(Form&& form) {
    Failure failure;
    auto result = form(failure);
    if (!result) raise(failure);
    return std::move(*result);
}
#endif

}  // namespace detail

// ------------------------------------------------------------------ headers

/// Parse and check the header of a file of version 1.
///
/// `data` holds the first 64 bytes of the file, or more. Without `file_size`, the rules on the size
/// of the payload are not checked.
inline std::optional<V1Header> parse_header(const void* data, std::size_t size, Failure& failure,
                                            std::optional<std::uint64_t> file_size = {},
                                            const ReadOptions& options = {}) {
    failure.reset();
    detail::Report report(detail::no_path(), failure);
    return detail::check_v1(static_cast<const unsigned char*>(data), size, file_size, options,
                            report);
}

/// Parse and check header and directory of a file of either format.
///
/// `data` holds them, and whatever follows. Without `file_size`, the rules on the size of the file
/// are not checked.
inline std::optional<Layout> parse(const void* data, std::size_t size, Failure& failure,
                                   std::optional<std::uint64_t> file_size = {},
                                   const ReadOptions& options = {}) {
    failure.reset();
    detail::Report report(detail::no_path(), failure);
    Layout layout = detail::check_layout(static_cast<const unsigned char*>(data), size, file_size,
                                         options, report);
    if (failure) return std::nullopt;
    return layout;
}

/// Build the 64 bytes that precede the payload in a file of version 1.
inline std::optional<std::array<std::byte, 64>> build_header(DType dtype, const Shape& shape,
                                                             Failure& failure) {
    failure.reset();
    if (!detail::check_v1_encoding(dtype, shape, failure)) return std::nullopt;
    std::array<std::byte, 64> header;
    detail::encode_v1_header(dtype, shape, reinterpret_cast<unsigned char*>(header.data()));
    return header;
}

// ------------------------------------------------------------------ validation

/// Check bytes against every rule and list all that they break, in the order of the specification.
///
/// At most 10,000 findings; none for a valid file. The first is what reading fails with.
inline std::vector<Failure> validate(const void* data, std::size_t size,
                                     const ReadOptions& options = {}) {
    std::vector<Failure> findings;
    detail::Report report(detail::no_path(), findings);
    const auto* bytes = static_cast<const unsigned char*>(data);
    const Layout layout = detail::check_layout(bytes, size, size, options, report);
    if (findings.empty()) detail::check_contents(bytes, layout, options, report);
    return findings;
}

/// Likewise a file. What is no regular file is a finding; a failure is one of the system.
inline std::optional<std::vector<Failure>> validate(const std::filesystem::path& path,
                                                    Failure& failure,
                                                    const ReadOptions& options = {}) {
    failure.reset();
    const std::optional<detail::Storage> storage = detail::Storage::of_file(path, failure);
    if (!storage) {
        if (failure.kind != Failure::Kind::Format) return std::nullopt;
        return std::vector<Failure>{std::exchange(failure, {})};
    }
    std::vector<Failure> findings = validate(storage->data(), storage->size(), options);
    for (Failure& finding : findings) finding.path = detail::text_of(path);
    return findings;
}

// ------------------------------------------------------------------ reading

/// Read the one tensor of a file of either format, whatever becomes of the file meanwhile.
inline std::optional<Tensor> load(const std::filesystem::path& path, Failure& failure,
                                  const ReadOptions& options = {});

/// The tensors of a file of either format, mapped or in memory.
class TensorFile {
public:
    /// Open a file: what is large is mapped. Header and directory are checked, no payload is touched.
    static std::optional<TensorFile> open(const std::filesystem::path& path, Failure& failure,
                                          const ReadOptions& options = {}) {
        failure.reset();
        std::optional<detail::Storage> storage = detail::Storage::of_file(path, failure);
        if (!storage) return std::nullopt;
        return make(std::move(*storage), detail::text_of(path), failure, options);
    }

    /// Bytes in memory, which stay there for as long as this is used.
    static std::optional<TensorFile> over(const void* data, std::size_t size, Failure& failure,
                                          const ReadOptions& options = {}) {
        failure.reset();
        return make(detail::Storage::borrow(data, size), {}, failure, options);
    }

#if TSR_EXCEPTIONS
    static TensorFile open(const std::filesystem::path& path, const ReadOptions& options = {}) {
        return detail::or_raise([&](Failure& failure) { return open(path, failure, options); });
    }

    static TensorFile over(const void* data, std::size_t size, const ReadOptions& options = {}) {
        return detail::or_raise(
            [&](Failure& failure) { return over(data, size, failure, options); });
    }

    TensorView operator[](std::size_t index) { return view(index); }

    TensorView view(std::size_t index) {
        return detail::or_raise([&](Failure& failure) { return view(index, failure); });
    }

    Tensor read(std::size_t index) const {
        return detail::or_raise([&](Failure& failure) { return read(index, failure); });
    }
#endif

    /// How many tensors there are.
    std::size_t size() const noexcept { return layout_.tensors.size(); }

    const Layout& layout() const noexcept { return layout_; }

    /// A tensor as it lies in the file, for as long as this is there. It is checked when it is first
    /// asked for; what is compressed is inflated then, and kept.
    std::optional<TensorView> view(std::size_t index, Failure& failure) {
        failure.reset();
        if (!has(index, failure)) return std::nullopt;
        State& state = states_[index];
        const TensorInfo& info = layout_.tensors[index];
        if (layout_.is_compressed) {
            if (state.inflated == nullptr) {
                std::optional<Tensor> tensor = read(index, failure);
                if (!tensor) return std::nullopt;
                state.inflated = std::make_unique<const Tensor>(std::move(*tensor));
            }
            return state.inflated->view();
        }
        if (options_.verify && !state.is_verified) {
            detail::Report report(path_, failure);
            if (!detail::check_payload(storage_.bytes(), layout_, index, report) ||
                !check_padding_behind(index, report))
                return std::nullopt;
            state.is_verified = true;
        }
        return TensorView(info.dtype, info.shape, storage_.data() + info.offset);
    }

    /// A copy of a tensor, checked.
    std::optional<Tensor> read(std::size_t index, Failure& failure) const {
        failure.reset();
        if (!has(index, failure)) return std::nullopt;
        const TensorInfo& info = layout_.tensors[index];
        const unsigned char* payload = storage_.bytes() + info.offset;
        detail::Report report(path_, failure);
        std::optional<Tensor> tensor;
        std::uint32_t crc = 0;
        // Nothing is allocated for what cannot be there.
        if (!layout_.is_compressed || info.nbytes / detail::ratio_max <= info.stored_nbytes)
            tensor = Tensor::allocate(info.dtype, info.shape, failure);
        if (!tensor) {
            // Where it is a lie that it is so large, say so.
            const Failure allocation = std::exchange(failure, {});
            if (layout_.is_compressed &&
                !detail::inflate_payload(payload, info, index, nullptr, nullptr, report))
                return std::nullopt;
            failure = allocation ? allocation : detail::out_of_memory();
            failure.path = path_;
            return std::nullopt;
        }
        if (layout_.is_compressed) {
            std::uint32_t* wanted = options_.verify ? &crc : nullptr;
            if (!detail::inflate_payload(payload, info, index, tensor->data(), wanted, report))
                return std::nullopt;
        } else {
            // The copy is what is checked: a mapped file can change.
            std::memcpy(tensor->data(), payload, tensor->nbytes());
            if (options_.verify && info.crc32)
                crc = detail::crc32(reinterpret_cast<const unsigned char*>(tensor->data()),
                                    tensor->nbytes());
        }
        if (options_.verify && (!detail::check_crc(info, index, crc, report) ||
                                !check_padding_behind(index, report)))
            return std::nullopt;
        return tensor;
    }

private:
    friend std::optional<Tensor> load(const std::filesystem::path&, Failure&, const ReadOptions&);

    struct State {
        bool is_verified = false;
        std::unique_ptr<const Tensor> inflated;
    };

    TensorFile(detail::Storage storage, std::string path, Layout layout, const ReadOptions& options)
        : storage_(std::move(storage)),
          path_(std::move(path)),
          layout_(std::move(layout)),
          options_(options),
          states_(layout_.tensors.size()) {}

    static std::optional<TensorFile> make(detail::Storage storage, std::string path,
                                          Failure& failure, const ReadOptions& options) {
        detail::Report report(path, failure);
        Layout layout = detail::check_layout(storage.bytes(), storage.size(), storage.size(),
                                             options, report);
        if (failure) return std::nullopt;
        if (options.strict && options.verify &&
            !detail::check_first_padding(storage.bytes(), layout, report))
            return std::nullopt;
        return TensorFile(std::move(storage), std::move(path), std::move(layout), options);
    }

    bool has(std::size_t index, Failure& failure) const {
        if (index < size()) return true;
        failure = detail::unsupported("index", detail::number(index),
                                      "less than " + detail::number(size()));
        failure.path = path_;
        return false;
    }

    bool check_padding_behind(std::size_t index, detail::Report& report) const {
        return !options_.strict ||
               detail::check_padding_behind(storage_.bytes(), layout_, index, report);
    }

    detail::Storage storage_;
    std::string path_;
    Layout layout_;
    ReadOptions options_;
    std::vector<State> states_;
};

namespace detail {

/// The one tensor of a file of version 1, read to memory of its own without another copy.
inline std::optional<Tensor> load_v1(InputFile& file, const unsigned char* head, std::size_t found,
                                     const ReadOptions& options, Failure& failure) {
    Report report(file.path(), failure);
    const std::optional<V1Header> header = check_v1(head, found, file.size(), options, report);
    if (!header) return std::nullopt;
    std::optional<Tensor> tensor = Tensor::allocate(header->dtype, header->shape, failure);
    if (!tensor) {
        failure.path = file.path();
        return std::nullopt;
    }
    const std::size_t here = std::min(found - v1_header_size, tensor->nbytes());
    if (here != 0) std::memcpy(tensor->data(), head + v1_header_size, here);
    const std::size_t left = tensor->nbytes() - here;
    const std::optional<std::size_t> rest = file.read(tensor->data() + here, left, left, failure);
    if (!rest) return std::nullopt;
    std::uint64_t end = std::max<std::uint64_t>(found, v1_header_size + here + *rest);
    // Where it was not read past its end, one byte more shows whether it still ends there.
    if (end == file.size() && found < file.size()) {
        unsigned char surplus;
        const std::optional<std::size_t> more = file.read(&surplus, 1, 1, failure);
        if (!more) return std::nullopt;
        end += *more;
    }
    const std::uint64_t payload_end = v1_header_size + header->nbytes;
    const bool is_whole = options.strict ? end == file.size() : end >= payload_end;
    // FILE-2
    if (!is_whole) {
        failure = changed(end, file.size(), file.path());
        return std::nullopt;
    }
    return tensor;
}

inline std::optional<Tensor> only(const TensorFile& file, const std::string& path,
                                  Failure& failure) {
    if (file.size() == 1) return file.read(0, failure);
    failure = unsupported("tensors", number(file.size()), "one", "tsr::TensorFile gives each");
    failure.path = path;
    return std::nullopt;
}

}  // namespace detail

inline std::optional<Tensor> load(const std::filesystem::path& path, Failure& failure,
                                  const ReadOptions& options) {
    failure.reset();
    detail::InputFile file;
    if (!file.open(path, failure)) return std::nullopt;
    unsigned char head[4096];  // a small file is read in one call
    const bool is_small = file.size() < sizeof head;
    const std::size_t enough =
        is_small ? static_cast<std::size_t>(file.size()) : detail::directory_end(1);
    const std::optional<std::size_t> found =
        file.read(head, is_small ? sizeof head : enough, enough, failure);
    if (!found) return std::nullopt;
    // FILE-2
    if (*found < enough) {
        failure = detail::changed(*found, file.size(), file.path());
        return std::nullopt;
    }
    if (*found < 4 || std::memcmp(head, detail::tsr4_magic, 4) != 0)
        return detail::load_v1(file, head, *found, options, failure);
    // Header and directory first: nothing is read, or allocated, that they do not describe.
    detail::Report report(file.path(), failure);
    const Layout layout = detail::check_layout(head, *found, file.size(), options, report);
    if (failure.kind == Failure::Kind::Format) return std::nullopt;
    std::optional<TensorFile> tensors;
    if (!failure && layout.tensors.size() == 1) {
        std::optional<detail::Storage> storage =
            detail::Storage::read(file, head, *found, layout.end(), failure);
        if (storage) tensors = TensorFile::make(std::move(*storage), file.path(), failure, options);
    } else {
        tensors = TensorFile::open(path, failure, options);  // which has more
    }
    if (!tensors) return std::nullopt;
    return detail::only(*tensors, file.path(), failure);
}

/// Read the one tensor of a file of either format that is in memory.
inline std::optional<Tensor> loads(const void* data, std::size_t size, Failure& failure,
                                   const ReadOptions& options = {}) {
    const std::optional<TensorFile> file = TensorFile::over(data, size, failure, options);
    if (!file) return std::nullopt;
    return detail::only(*file, {}, failure);
}

// ------------------------------------------------------------------ writing

/// Encode a tensor as the bytes of a file.
inline std::optional<std::vector<std::byte>> dumps(const TensorView& tensor, Failure& failure,
                                                   const WriteOptions& options = {}) {
    failure.reset();
    return detail::encode_to_memory(&tensor, 1, options, failure);
}

/// Encode tensors as the bytes of a TSR4 file, which stores four dimensions of each.
inline std::optional<std::vector<std::byte>> dumps(const std::vector<TensorView>& tensors,
                                                   Failure& failure,
                                                   const WriteOptions& options = {Format::TSR4}) {
    failure.reset();
    return detail::encode_to_memory(tensors.data(), tensors.size(), options, failure);
}

/// Write a tensor to a file, which appears whole or not at all, whatever it replaces.
inline bool save(const std::filesystem::path& path, const TensorView& tensor, Failure& failure,
                 const WriteOptions& options = {}) {
    failure.reset();
    return detail::encode_to_file(path, &tensor, 1, options, failure);
}

/// Write tensors to a TSR4 file, likewise.
inline bool save(const std::filesystem::path& path, const std::vector<TensorView>& tensors,
                 Failure& failure, const WriteOptions& options = {Format::TSR4}) {
    failure.reset();
    return detail::encode_to_file(path, tensors.data(), tensors.size(), options, failure);
}

// ------------------------------------------------------------------ the forms that throw

#if TSR_EXCEPTIONS

inline V1Header parse_header(const void* data, std::size_t size,
                             std::optional<std::uint64_t> file_size = {},
                             const ReadOptions& options = {}) {
    return detail::or_raise(
        [&](Failure& failure) { return parse_header(data, size, failure, file_size, options); });
}

inline Layout parse(const void* data, std::size_t size, std::optional<std::uint64_t> file_size = {},
                    const ReadOptions& options = {}) {
    return detail::or_raise(
        [&](Failure& failure) { return parse(data, size, failure, file_size, options); });
}

inline std::array<std::byte, 64> build_header(DType dtype, const Shape& shape) {
    return detail::or_raise([&](Failure& failure) { return build_header(dtype, shape, failure); });
}

inline std::vector<Failure> validate(const std::filesystem::path& path,
                                     const ReadOptions& options = {}) {
    return detail::or_raise([&](Failure& failure) { return validate(path, failure, options); });
}

inline Tensor load(const std::filesystem::path& path, const ReadOptions& options = {}) {
    return detail::or_raise([&](Failure& failure) { return load(path, failure, options); });
}

inline Tensor loads(const void* data, std::size_t size, const ReadOptions& options = {}) {
    return detail::or_raise([&](Failure& failure) { return loads(data, size, failure, options); });
}

inline std::vector<std::byte> dumps(const TensorView& tensor, const WriteOptions& options = {}) {
    return detail::or_raise([&](Failure& failure) { return dumps(tensor, failure, options); });
}

inline std::vector<std::byte> dumps(const std::vector<TensorView>& tensors,
                                    const WriteOptions& options = {Format::TSR4}) {
    return detail::or_raise([&](Failure& failure) { return dumps(tensors, failure, options); });
}

inline void save(const std::filesystem::path& path, const TensorView& tensor,
                 const WriteOptions& options = {}) {
    Failure failure;
    if (!save(path, tensor, failure, options)) raise(failure);
}

inline void save(const std::filesystem::path& path, const std::vector<TensorView>& tensors,
                 const WriteOptions& options = {Format::TSR4}) {
    Failure failure;
    if (!save(path, tensors, failure, options)) raise(failure);
}

#endif

}  // namespace TSR_VARIANT
}  // namespace tsr

#endif  // TSR_TSR_HPP
