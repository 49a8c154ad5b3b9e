// Bytes -> nothing, or the end of the program: the targets, each with its invariant as first line.

#include "targets.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <tsr/tsr.hpp>
#include <vector>

namespace fuzz {

namespace {

[[noreturn]] void broken(const char* what, int line) {
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line, what);
    std::abort();
}

#define HOLDS(condition) static_cast<void>((condition) || (broken(#condition, __LINE__), false))

using tsr::Failure;
using tsr::Layout;
using tsr::ReadOptions;
using tsr::Tensor;
using tsr::TensorFile;
using tsr::TensorView;

constexpr ReadOptions strict{true, true};
constexpr ReadOptions lenient{false, true};
constexpr ReadOptions unverified{true, false};

constexpr std::size_t findings_max = 10000;

bool is_same(const Failure& one, const Failure& other) {
    return one.kind == other.kind && one.field == other.field && one.offset == other.offset &&
           one.found == other.found && one.expected == other.expected &&
           one.clause == other.clause && one.note == other.note;
}

bool is_same(const TensorView& one, const TensorView& other) {
    return one.dtype() == other.dtype() && one.shape() == other.shape() &&
           one.nbytes() == other.nbytes() &&
           (one.nbytes() == 0 || std::memcmp(one.data(), other.data(), one.nbytes()) == 0);
}

bool is_same(const Layout& one, const Layout& other) {
    if (one.format != other.format || one.is_compressed != other.is_compressed ||
        one.tensors.size() != other.tensors.size())
        return false;
    for (std::size_t i = 0; i < one.tensors.size(); ++i) {
        const tsr::TensorInfo& a = one.tensors[i];
        const tsr::TensorInfo& b = other.tensors[i];
        if (a.dtype != b.dtype || a.shape != b.shape || a.offset != b.offset ||
            a.nbytes != b.nbytes || a.stored_nbytes != b.stored_nbytes || a.crc32 != b.crc32 ||
            a.row_stride != b.row_stride)
            return false;
    }
    return true;
}

/// A refusal says what was found, where, and against which clause, in its message too.
void check_refusal(const Failure& failure) {
    HOLDS(failure.kind == Failure::Kind::Format);
    HOLDS(!failure.field.empty() && !failure.found.empty() && !failure.expected.empty());
    HOLDS(failure.clause.size() > 5 && failure.path.empty() && !failure.code);
    const std::string message = failure.message();
    HOLDS(message.find(failure.field + " at offset " + std::to_string(failure.offset)) == 0);
    HOLDS(message.find("got " + failure.found + ", expected " + failure.expected) !=
          std::string::npos);
    HOLDS(message.find("[" + failure.clause + "]") == message.size() - failure.clause.size() - 2);
}

/// Whether it is one of the clauses that lenient reading waives.
bool is_waived(const Failure& failure) {
    for (const char* clause :
         {"V1-RESERVED-1", "V1-RESERVED-2", "V1-RESERVED-3", "V1-PAYLOAD-2", "T4-RESERVED-1",
          "T4-RESERVED-2", "T4-RESERVED-3", "T4-END-1", "T4-PADDING-1"})
        if (failure.clause == clause) return true;
    return false;
}

/// Whether it is a fault of a payload or of padding, not of header or directory.
bool is_of_contents(const Failure& failure) {
    return failure.clause == "T4-CRC-2" || failure.clause == "T4-PADDING-1" ||
           failure.clause.compare(0, 8, "T4-ZLIB-") == 0;
}

/// What is accepted lies inside of the file, in order, and its numbers fit each other.
void check_layout(const Layout& layout, std::uint64_t size, bool is_strict) {
    const bool is_v1 = layout.format == tsr::Format::V1;
    std::uint64_t end = is_v1 ? 64 : 128 + 64 * std::uint64_t{layout.tensors.size()};
    HOLDS(!layout.tensors.empty() && (!is_v1 || layout.tensors.size() == 1));
    for (const tsr::TensorInfo& info : layout.tensors) {
        HOLDS(info.shape.rank() <= 4 && (is_v1 || info.shape.rank() == 4));
        std::uint64_t nbytes = tsr::itemsize(info.dtype);
        for (const std::int64_t dim : info.shape) {
            HOLDS(dim >= (is_v1 ? 0 : 1));
            HOLDS(!__builtin_mul_overflow(nbytes, static_cast<std::uint64_t>(dim), &nbytes));
        }
        HOLDS(info.nbytes == nbytes && info.crc32.has_value() != is_v1);
        HOLDS(layout.is_compressed || info.stored_nbytes == nbytes);
        if (!is_v1 && !layout.is_compressed) end = (end + 255) / 256 * 256;
        HOLDS(info.offset == end);
        HOLDS(info.stored_nbytes <= size && end <= size - info.stored_nbytes);
        end += info.stored_nbytes;
    }
    HOLDS(layout.end() == end && (is_strict ? end == size : end <= size));
}

std::optional<Layout> parsed(const std::uint8_t* data, std::size_t size,
                             std::optional<std::uint64_t> file_size, const ReadOptions& options,
                             Failure& failure) {
    // What was wrong before is forgotten.
    failure.kind = Failure::Kind::System;
    auto layout = tsr::parse(data, size, failure, file_size, options);
    HOLDS(layout.has_value() == !failure);
    return layout;
}

std::vector<const Failure*> without_waived(const std::vector<Failure>& findings) {
    std::vector<const Failure*> kept;
    for (const Failure& finding : findings)
        if (!is_waived(finding)) kept.push_back(&finding);
    return kept;
}

}  // namespace

void parse(const std::uint8_t* data, std::size_t size) {
    // A layout inside of the file, or the first of the findings; strict implies lenient.
    Failure failure;
    Failure waived;
    const auto layout = parsed(data, size, size, strict, failure);
    const auto loose = parsed(data, size, size, lenient, waived);
    const std::vector<Failure> findings = tsr::validate(data, size, strict);
    const std::vector<Failure> loose_findings = tsr::validate(data, size, lenient);
    // All of the many that a long directory can give would take most of the time.
    for (std::size_t i = 0; i < findings.size() && i < 20; ++i) check_refusal(findings[i]);
    for (const Failure& finding : loose_findings) HOLDS(!is_waived(finding));
    HOLDS(findings.size() <= findings_max && loose_findings.size() <= findings_max);
    if (layout) {
        check_layout(*layout, size, true);
        HOLDS(loose && is_same(*layout, *loose));
        for (const Failure& finding : findings) HOLDS(is_of_contents(finding));
    } else {
        HOLDS(!findings.empty() && is_same(findings[0], failure));
        for (const Failure& finding : findings) HOLDS(!is_of_contents(finding));
    }
    if (loose) {
        check_layout(*loose, size, false);
    } else {
        HOLDS(!loose_findings.empty() && is_same(loose_findings[0], waived));
    }
    // Lenient reading finds what strict reading does, but for what it waives; and where that was all
    // that is wrong with header and directory, what is wrong behind them.
    const std::vector<const Failure*> kept = without_waived(findings);
    if (findings.size() < findings_max && (layout || !loose)) {
        HOLDS(kept.size() == loose_findings.size());
        for (std::size_t i = 0; i < kept.size(); ++i) HOLDS(is_same(*kept[i], loose_findings[i]));
    } else if (findings.size() < findings_max) {
        HOLDS(kept.empty());
        for (const Failure& finding : loose_findings) HOLDS(is_of_contents(finding));
    }
    // Header and directory are enough, and so they are where the size of the file is not known.
    std::size_t head = size;
    if (loose) {
        const bool is_v1 = loose->format == tsr::Format::V1;
        head = is_v1 ? 64 : 128 + 64 * loose->tensors.size();
    }
    const std::vector<std::uint8_t> start(data, data + head);
    Failure other;
    const auto again = parsed(start.data(), head, size, strict, other);
    HOLDS(again.has_value() == layout.has_value());
    HOLDS(layout ? is_same(*again, *layout) : is_same(other, failure));
    const auto anywhere = parsed(start.data(), head, std::nullopt, strict, other);
    HOLDS(!layout || (anywhere && is_same(*anywhere, *layout)));
    HOLDS(anywhere || other.kind == Failure::Kind::Unsupported || is_same(other, failure));
    // A header of version 1 alone.
    const auto header = tsr::parse_header(data, size, other, size, strict);
    HOLDS(header.has_value() == !other);
    if (size < 4 || std::memcmp(data, "TSR4", 4) != 0) {
        HOLDS(header.has_value() == layout.has_value());
        HOLDS(header || is_same(other, failure));
        if (!header) return;
        HOLDS(header->dtype == layout->tensors[0].dtype);
        HOLDS(header->shape == layout->tensors[0].shape);
        const auto built = tsr::build_header(header->dtype, header->shape, other);
        HOLDS(built && std::memcmp(built->data(), data, 64) == 0);
    } else {
        HOLDS(!header);
    }
}

void contents(const std::uint8_t* data, std::size_t size) {
    // Views, copies and the findings agree on every tensor, in any order and any number of times.
    const std::vector<Failure> findings = tsr::validate(data, size, strict);
    Failure failure;
    auto file = TensorFile::over(data, size, failure, strict);
    HOLDS(file.has_value() == !failure);
    if (!file) {
        HOLDS(!findings.empty() && is_same(findings[0], failure));
        const auto tensor = tsr::loads(data, size, failure, strict);
        HOLDS(!tensor && is_same(findings[0], failure));
        return;
    }
    Failure ignored;
    auto loose = TensorFile::over(data, size, ignored, unverified);
    HOLDS(loose && loose->size() == file->size() && is_same(loose->layout(), file->layout()));
    std::optional<Failure> first;
    for (std::size_t i = 0; i < file->size(); ++i) {
        Failure of_read;
        Failure of_view;
        const auto tensor = file->read(i, of_read);
        const auto view = file->view(i, of_view);
        HOLDS(tensor.has_value() == view.has_value() && view.has_value() == !of_view);
        HOLDS(is_same(of_read, of_view));
        if (view) {
            HOLDS(is_same(*view, tensor->view()));
            HOLDS(file->layout().is_compressed ||
                  view->data() ==
                      reinterpret_cast<const std::byte*>(data) + file->layout().tensors[i].offset);
        } else {
            check_refusal(of_view);
            HOLDS(is_of_contents(of_view));
            if (!first) first = of_view;
        }
        Failure of_again;
        const auto again = file->view(i, of_again);
        HOLDS(again.has_value() == view.has_value() && is_same(of_again, of_view));
        HOLDS(!view || again->data() == view->data());
        // Without verification, what was refused for a checksum or for padding is there, no more.
        const auto seen = loose->view(i, ignored);
        const auto copied = loose->read(i, ignored);
        HOLDS(seen.has_value() == copied.has_value() && (!seen || is_same(*seen, copied->view())));
        HOLDS(seen || (!view && of_view.clause.compare(0, 8, "T4-ZLIB-") == 0));
        HOLDS(!view || is_same(*seen, *view));
    }
    HOLDS(findings.empty() ? !first : first && is_same(findings[0], *first));
    HOLDS(!file->view(file->size(), failure) && failure.kind == Failure::Kind::Unsupported);
    const auto tensor = tsr::loads(data, size, failure, strict);
    if (file->size() != 1) {
        HOLDS(!tensor && failure.kind == Failure::Kind::Unsupported);
    } else {
        HOLDS(tensor.has_value() == findings.empty());
        HOLDS(tensor ? is_same(tensor->view(), *file->view(0, ignored)) : is_same(failure, *first));
    }
}

void round_trip(const std::uint8_t* data, std::size_t size) {
    // What is accepted is written as the same bytes, but for row strides and other zlib streams.
    Failure failure;
    auto file = TensorFile::over(data, size, failure, lenient);
    if (!file) return;
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i < file->size(); ++i) {
        auto tensor = file->read(i, failure);
        if (!tensor) return;
        tensors.push_back(std::move(*tensor));
    }
    const std::vector<TensorView> views(tensors.begin(), tensors.end());
    const Layout& layout = file->layout();
    tsr::WriteOptions options;
    options.format = layout.format;
    options.compress = layout.is_compressed;
    const auto written = tsr::dumps(views, failure, options);
    HOLDS(written && tsr::validate(written->data(), written->size(), strict).empty());
    auto again = TensorFile::over(written->data(), written->size(), failure, strict);
    HOLDS(again && again->size() == tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto view = again->view(i, failure);
        HOLDS(view && is_same(*view, tensors[i].view()));
    }
    if (layout.is_compressed) return;
    auto checked = TensorFile::over(data, size, failure, strict);
    if (!checked) return;
    for (std::size_t i = 0; i < checked->size(); ++i)
        if (!checked->view(i, failure)) return;
    HOLDS(written->size() == size);
    std::vector<std::uint8_t> expected(data, data + size);
    if (layout.format == tsr::Format::TSR4) {
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            const std::size_t item = tsr::itemsize(tensors[i].dtype());
            const tsr::Shape& shape = tensors[i].shape();
            const std::uint64_t row = static_cast<std::uint64_t>(shape[2] * shape[3]) * item;
            const std::uint64_t step = item == 4 ? 256 : 128;
            const std::uint64_t stride = (row + step - 1) / step * step;
            std::memcpy(expected.data() + 128 + 64 * i + 28, &stride, 8);
        }
    }
    HOLDS(std::memcmp(written->data(), expected.data(), size) == 0);
}

namespace {

/// Takes numbers from the start of the input; zeros where it has ended.
class Numbers {
public:
    Numbers(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    std::uint64_t next(std::size_t bytes) {
        std::uint64_t value = 0;
        const std::size_t there = bytes < size_ ? bytes : size_;
        for (std::size_t i = 0; i < there; ++i) value |= std::uint64_t{data_[i]} << (8 * i);
        data_ += there;
        size_ -= there;
        return value;
    }

    const std::uint8_t* rest() const { return data_; }
    std::size_t left() const { return size_; }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

// What the specifications say, once more and in other words.
bool has_encoding(tsr::Format format, tsr::DType dtype, const std::vector<std::int64_t>& dims) {
    const bool is_v1 = format == tsr::Format::V1;
    if (dims.size() > 4 || (is_v1 && dtype == tsr::DType::FP16)) return false;
    unsigned __int128 span = tsr::itemsize(dtype);
    for (const std::int64_t dim : dims) {
        if (dim < (is_v1 ? 0 : 1) || dim > 2147483647) return false;
        span *= static_cast<unsigned __int128>(dim == 0 ? 1 : dim);
    }
    return span <= 9223372036854775807u;
}

}  // namespace

void build(const std::uint8_t* data, std::size_t size) {
    // Any tensors come back from their file with all their bits, or have no encoding, as they should.
    Numbers numbers(data, size);
    const auto flags = numbers.next(1);
    tsr::WriteOptions options;
    options.format = (flags & 1) != 0 ? tsr::Format::TSR4 : tsr::Format::V1;
    options.compress = (flags & 2) != 0;
    const std::size_t count = (flags >> 2 & 3) == 3 ? numbers.next(1) % 4 : 1;
    struct Described {
        tsr::DType dtype;
        std::vector<std::int64_t> dims;
    };
    std::vector<Described> described(count);
    bool is_small = true;
    bool all_have_encodings = true;
    for (Described& tensor : described) {
        const auto kind = numbers.next(1);
        tensor.dtype = static_cast<tsr::DType>(kind & 3);
        tensor.dims.resize(kind >> 2 & 7 & (kind & 128 ? 7u : 3u));
        if ((kind & 96) == 96) tensor.dims.resize(4);
        unsigned __int128 nbytes = tsr::itemsize(tensor.dtype);
        for (std::int64_t& dim : tensor.dims) {
            const auto width = numbers.next(1);
            dim = static_cast<std::int64_t>(width < 200   ? width % 8
                                            : width < 220 ? numbers.next(1)
                                            : width < 240 ? numbers.next(4)
                                                          : numbers.next(8));
            is_small = is_small && dim < 4096;
            if (is_small && dim > 0) nbytes *= static_cast<unsigned __int128>(dim);
            is_small = is_small && nbytes <= 4096;
        }
        const bool has = has_encoding(options.format, tensor.dtype, tensor.dims);
        all_have_encodings = all_have_encodings && has;
        // A header needs no elements.
        const tsr::Shape shape(tensor.dims.begin(), tensor.dims.end());
        Failure failure;
        const auto header = tsr::build_header(tensor.dtype, shape, failure);
        HOLDS(header.has_value() == !failure);
        HOLDS(header.has_value() == has_encoding(tsr::Format::V1, tensor.dtype, tensor.dims));
        HOLDS(header || failure.kind == Failure::Kind::Unsupported);
        if (!header) continue;
        const auto back = tsr::parse_header(header->data(), 64, failure);
        HOLDS(back && back->dtype == tensor.dtype && back->shape == shape);
        HOLDS(back->nbytes / tsr::itemsize(back->dtype) ==
              static_cast<std::uint64_t>(shape.numel()));
    }
    // Elements that are not there are not read: what has no encoding is refused before.
    if (all_have_encodings && !is_small) return;
    std::vector<std::uint8_t> elements(count * 4096);
    for (std::size_t i = 0; i < elements.size() && numbers.left() != 0; ++i)
        elements[i] = numbers.rest()[i % numbers.left()];
    std::vector<TensorView> views;
    for (std::size_t i = 0; i < count; ++i) {
        const tsr::Shape shape(described[i].dims.begin(), described[i].dims.end());
        // Odd addresses are as good as any.
        views.emplace_back(described[i].dtype, shape,
                           is_small ? elements.data() + 4095 * i : nullptr);
    }
    const bool is_possible =
        all_have_encodings &&
        (options.format == tsr::Format::V1 ? count == 1 && !options.compress : count != 0);
    if (!is_small && is_possible) return;
    Failure failure;
    const auto file = tsr::dumps(views, failure, options);
    HOLDS(file.has_value() == !failure);
    HOLDS(file.has_value() == is_possible);
    if (!file) {
        HOLDS(failure.kind == Failure::Kind::Unsupported);
        HOLDS(!failure.field.empty() && !failure.found.empty() && !failure.expected.empty());
        return;
    }
    HOLDS(tsr::validate(file->data(), file->size()).empty());
    auto read = TensorFile::over(file->data(), file->size(), failure);
    HOLDS(read && read->size() == count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto view = read->view(i, failure);
        std::vector<std::int64_t> dims = described[i].dims;
        if (options.format == tsr::Format::TSR4) dims.insert(dims.begin(), 4 - dims.size(), 1);
        HOLDS(view);
        HOLDS(is_same(*view, TensorView(described[i].dtype, tsr::Shape(dims.begin(), dims.end()),
                                        elements.data() + 4095 * i)));
    }
}

Target find(const char* name) {
    const std::string_view given = name;
    if (given == "parse") return parse;
    if (given == "contents") return contents;
    if (given == "round_trip") return round_trip;
    if (given == "build") return build;
    return nullptr;
}

}  // namespace fuzz
