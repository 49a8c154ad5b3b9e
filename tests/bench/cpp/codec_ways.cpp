// Ways to do the same work with .tsr files: by tsr.hpp, by hand, by <cstdio>.
//
// In: the folder with the files that the works read, and commands (timing.hpp). What a way gives is
// dropped at once. What it writes has the name of its work and way, so that none has another's file.

#include <zlib.h>

#include <string>
#include <tsr/tsr.hpp>
#include <vector>

#include "by_hand.hpp"
#include "timing.hpp"

namespace {

struct Size {
    const char* name;
    std::int32_t length;
};
constexpr Size sizes[] = {{"tiny", 24}, {"1 MiB", 1 << 18}, {"64 MiB", 1 << 24}};

/// One value of each page.
template <class T>
std::int64_t touched(const T* elements, std::size_t nbytes) {
    std::int64_t sum = 0;
    for (std::size_t at = 0; at < nbytes; at += 4096)
        sum += reinterpret_cast<const unsigned char*>(elements)[at];
    return sum;
}

std::vector<unsigned char> contents(const std::string& path) {
    const by_hand::Mapped file(path);
    return {file.bytes(), file.bytes() + file.size};
}

}  // namespace

int main(int, char** arguments) {
    const std::string folder = std::string(arguments[1]) + "/";
    Ways ways;
    const std::vector<unsigned char> tiny = contents(folder + "tiny.tsr");
    ways["parse a header: tsr"] = [&tiny] {
        use(tsr::parse_header(tiny.data(), tiny.size(), tiny.size()));
    };
    ways["parse a header: tsr, Failure&"] = [&tiny] {
        tsr::Failure failure;
        use(tsr::parse_header(tiny.data(), tiny.size(), failure, tiny.size()));
    };
    ways["parse a header: by hand"] = [&tiny] {
        by_hand::Header header;
        std::memcpy(&header, tiny.data(), sizeof header);
        use(by_hand::check(header, tiny.size()));
    };
    for (const Size& size : sizes) {
        const std::string name = size.name;
        const std::string path = folder + name + ".tsr";
        ways["load " + name + ": tsr"] = [path] { use(tsr::load(path)); };
        ways["load " + name + ": by hand"] = [path] { use(by_hand::load(path)); };
        ways["load " + name + ": stdio"] = [path] { use(by_hand::load_by_stdio(path)); };
        ways["open and touch " + name + ": tsr"] = [path] {
            auto file = tsr::TensorFile::open(path);
            const tsr::TensorView tensor = file[0];
            use(touched(tensor.data(), tensor.nbytes()));
        };
        ways["open and touch " + name + ": by hand"] = [path] {
            const by_hand::Mapped file(path);
            by_hand::Header header;
            std::memcpy(&header, file.bytes(), sizeof header);
            use(touched(file.bytes() + 64, by_hand::check(header, file.size)));
        };
        const std::vector<float> elements(static_cast<std::size_t>(size.length), 1.5f);
        ways["save " + name + ": tsr"] = [path = folder + "tsr", elements] {
            const auto length = static_cast<std::int64_t>(elements.size());
            tsr::save(path, tsr::TensorView(elements.data(), {length}));
        };
        ways["save " + name + ": by hand"] = [path = folder + "by hand", elements] {
            const auto header = by_hand::header_of(1, static_cast<std::int32_t>(elements.size()));
            by_hand::save(path, header, elements.data(), 4 * elements.size());
        };
        ways["save " + name + ": stdio"] = [path = folder + "stdio", elements] {
            const auto header = by_hand::header_of(1, static_cast<std::int32_t>(elements.size()));
            by_hand::save_by_stdio(path, header, elements.data(), 4 * elements.size());
        };
    }
    const std::string thousand = folder + "1,000 tensors.tsr";
    ways["open 1,000 tensors: tsr"] = [thousand] { use(tsr::TensorFile::open(thousand)); };
    const std::string many = folder + "64 of 1 MiB.tsr";
    ways["check and touch all 64 of 1 MiB: tsr"] = [many] {
        auto file = tsr::TensorFile::open(many);
        for (std::size_t i = 0; i < file.size(); ++i) use(touched(file[i].data(), 1 << 20));
    };
    ways["check and touch all 64 of 1 MiB: by hand, zlib's crc32"] = [many] {
        const by_hand::Mapped file(many);
        for (std::size_t i = 0; i < 64; ++i) {
            const unsigned char* entry = file.bytes() + 128 + 64 * i;
            std::uint64_t offset;
            std::uint32_t crc;
            std::memcpy(&offset, entry + 44, sizeof offset);
            std::memcpy(&crc, entry + 60, sizeof crc);
            by_hand::require(::crc32(0, file.bytes() + offset, 1 << 20) == crc);
            use(touched(file.bytes() + offset, 1 << 20));
        }
    };
    return serve(ways);
}
