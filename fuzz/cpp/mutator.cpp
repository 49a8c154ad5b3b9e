// A file -> another one near it: a step at random, after which sums are often put right again.
//
// In: bytes, whatever they are; what begins with TSR4 is taken for that, all else for version 1.
// Out: their new size, at most `size_max`. Nothing is allocated but for streams that are inflated.

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <tsr/tsr.hpp>
#include <vector>

#include "targets.hpp"

namespace fuzz {

namespace {

using std::size_t;
using std::uint32_t;
using std::uint64_t;
using std::uint8_t;

// What sums make of a file is no larger than this, and no more entries are put right.
constexpr uint64_t size_made_max = 1 << 12;
constexpr size_t entries_max = 64;

struct Field {
    size_t offset, size;
};
constexpr Field v1_fields[] = {{4, 4},  {8, 4},  {12, 4}, {16, 4}, {20, 4}, {24, 4},
                               {28, 4}, {32, 4}, {36, 4}, {40, 8}, {48, 8}, {56, 8}};
constexpr Field tsr4_fields[] = {{4, 2},  {6, 2},  {8, 4},  {12, 4}, {16, 4}, {20, 4},
                                 {24, 8}, {32, 8}, {40, 4}, {44, 4}, {48, 8}, {120, 8}};
constexpr Field entry_fields[] = {{0, 1},  {1, 3},  {4, 4},  {8, 4},  {12, 4}, {16, 4},
                                  {20, 8}, {28, 8}, {36, 8}, {44, 8}, {52, 8}, {60, 4}};

class File {
public:
    File(uint8_t* data, size_t size, size_t size_max, unsigned seed)
        : data_(data), size_(size), size_max_(size_max), random_(seed) {}

    size_t size() const { return size_; }

    uint32_t below(size_t end) { return static_cast<uint32_t>(random_() % end); }

    void change(Change change) { size_ = change(data_, size_, size_max_); }

    void edit_field() {
        Field field = v1_fields[below(std::size(v1_fields))];
        if (is_tsr4()) {
            const size_t there = entries();
            field = tsr4_fields[below(std::size(tsr4_fields))];
            if (there != 0 && below(4) != 0) {
                field = entry_fields[below(std::size(entry_fields))];
                field.offset += 128 + 64 * below(there);
            }
        }
        if (field.offset + field.size > size_) return;
        uint64_t value = 0;
        std::memcpy(&value, data_ + field.offset, field.size);
        // Where integers wrap, what sizes are multiples of, or near what it was.
        constexpr unsigned powers[] = {0, 1, 2, 3, 6, 7, 8, 15, 16, 30, 31, 32, 61, 62, 63};
        const uint64_t power = uint64_t{1} << powers[below(std::size(powers))];
        switch (below(5)) {
            case 0: value = power + below(3) - 1; break;
            case 1: value = 0 - power; break;
            case 2: value += below(2) != 0 ? power : 0 - power; break;
            case 3: value = below(9); break;
            default: value ^= uint64_t{1} << below(8 * field.size);
        }
        std::memcpy(data_ + field.offset, &value, field.size);
    }

    void repair() {
        if (!is_tsr4()) {
            if (size_ >= 64) repair_v1();
        } else if (size_ >= 128) {
            if (below(4) != 0) {
                const uint64_t end = repair_entries();
                if (end <= std::min<uint64_t>(size_max_, size_made_max) && below(4) != 0)
                    resize(static_cast<size_t>(end));
                repair_checksums();
            }
            put<uint32_t>(40, 0);
            put<uint32_t>(40, crc(0, 128));
        }
    }

private:
    bool is_tsr4() const { return size_ >= 4 && std::memcmp(data_, "TSR4", 4) == 0; }

    template <class T>
    T get(size_t offset) const {
        T value;
        std::memcpy(&value, data_ + offset, sizeof value);
        return value;
    }

    template <class T>
    void put(size_t offset, T value) {
        std::memcpy(data_ + offset, &value, sizeof value);
    }

    // zlib's, so that a mistake in the one that is tested does not put itself right.
    uint32_t crc(size_t offset, size_t size) const {
        return static_cast<uint32_t>(::crc32(0, data_ + offset, static_cast<uInt>(size)));
    }

    size_t entries() const {
        if (size_ < 128) return 0;
        return std::min({size_t{get<uint32_t>(16)}, (size_ - 128) / 64, entries_max});
    }

    void resize(size_t size) {
        if (size > size_) std::memset(data_ + size_, 0, size - size_);
        size_ = size;
    }

    uint64_t product(size_t offset) const {
        uint64_t value = 1;
        for (size_t i = 0; i < 4; ++i)
            value *= static_cast<uint64_t>(int64_t{get<int32_t>(offset + 4 * i)});
        return value;
    }

    void repair_v1() {
        const auto ndim = get<uint32_t>(20);
        for (size_t i = 0; ndim < 4 && i < 4 - ndim && below(4) != 0; ++i)
            put<uint32_t>(24 + 4 * i, 1);
        const uint64_t total = product(24);
        put(40, total);
        const uint64_t end = 64 + total * (get<uint32_t>(16) == 2 ? 1 : 4);
        if (end >= 64 && end <= std::min<uint64_t>(size_max_, size_made_max) && below(4) != 0)
            resize(static_cast<size_t>(end));
    }

    uint64_t repair_entries() {
        const bool is_compressed = get<uint32_t>(12) == 1;
        const uint64_t step = is_compressed ? 1 : 256;
        uint64_t end = 128 + 64 * uint64_t{get<uint32_t>(16)};
        put(32, (end + step - 1) / step * step);
        for (size_t i = 0; i < entries(); ++i) {
            const size_t entry = 128 + 64 * i;
            constexpr uint64_t itemsizes[] = {4, 2, 1, 4};
            const uint64_t numel = product(entry + 4);
            const uint64_t nbytes = numel * itemsizes[data_[entry] & 3];
            if (!is_compressed) put(entry + 52, nbytes);
            end = (end + step - 1) / step * step;
            put(entry + 20, numel);
            put(entry + 36, nbytes);
            put(entry + 44, end);
            end += get<uint64_t>(entry + 52);
        }
        return end;
    }

    void repair_checksums() {
        for (size_t i = 0; i < entries(); ++i) {
            const size_t entry = 128 + 64 * i;
            const auto offset = get<uint64_t>(entry + 44);
            const auto stored = get<uint64_t>(entry + 52);
            if (offset < entry + 64 || offset > size_ || stored > size_ - offset) continue;
            const auto start = static_cast<size_t>(offset);
            const auto length = static_cast<size_t>(stored);
            if (get<uint32_t>(12) == 1)
                repair_stream(entry, start, length);
            else
                put(entry + 60, crc(start, length));
        }
    }

    /// The Adler-32 of a stream, and sometimes all that its entry says of what it gives.
    void repair_stream(size_t entry, size_t start, size_t length) {
        if (length < 6) return;
        std::vector<uint8_t> out(1 << 13);
        z_stream stream{};
        if (inflateInit2(&stream, -15) != Z_OK) return;
        stream.next_in = data_ + start + 2;
        stream.avail_in = static_cast<uInt>(length - 2);
        stream.next_out = out.data();
        stream.avail_out = static_cast<uInt>(out.size());
        const int status = inflate(&stream, Z_FINISH);
        const uInt left = stream.avail_in;
        const uInt size = static_cast<uInt>(out.size()) - stream.avail_out;
        inflateEnd(&stream);
        put(entry + 60, static_cast<uint32_t>(::crc32(0, out.data(), size)));
        if (size != 0 && below(2) != 0) {
            data_[entry] = 2;
            for (size_t axis = 0; axis < 4; ++axis)
                put<uint32_t>(entry + 4 + 4 * axis, axis == 3 ? size : 1);
            put<uint64_t>(entry + 20, size);
            put<uint64_t>(entry + 36, size);
        }
        if (status != Z_STREAM_END || left < 4 || below(4) == 0) return;
        const uLong adler = adler32(1, out.data(), size);
        for (size_t i = 0; i < 4; ++i)
            data_[start + length - left + i] = static_cast<uint8_t>(adler >> (24 - 8 * i));
    }

    uint8_t* data_;
    size_t size_;
    size_t size_max_;
    std::minstd_rand random_;
};

}  // namespace

std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed,
                   Change change) {
    File file(data, size, size_max, seed);
    do {
        if (file.below(2) != 0)
            file.change(change);
        else
            file.edit_field();
    } while (file.below(3) == 0);
    if (file.below(8) != 0) file.repair();
    // Behind what was put right, too, things are wrong.
    if (file.below(8) == 0) file.edit_field();
    return file.size();
}

}  // namespace fuzz
