// The same work as tsr.hpp's by the system's calls alone, as a program that needs it once would have
// it: with every check of version 1, without words for what is wrong. And by <cstdio>, as many do.

#ifndef TSR_BENCH_BY_HAND_HPP
#define TSR_BENCH_BY_HAND_HPP

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

namespace by_hand {

struct Header {
    char magic[4];
    std::int32_t version, header_size, reserved_1, dtype, ndim, dims[4];
    std::int64_t total, reserved_2, reserved_3;
};
static_assert(sizeof(Header) == 64);

struct Entry {  // of TSR4; its fields are not aligned
    unsigned char bytes[64];
};

inline void require(bool is_so) {
    if (!is_so) throw std::runtime_error("no valid file");
}

/// The bytes of the payload.
inline std::size_t check(const Header& header, std::uint64_t file_size) {
    __extension__ using Wide = __int128;
    require(std::memcmp(header.magic, "TSR!", 4) == 0 && header.version == 1);
    require(header.header_size == 64 && header.reserved_1 == 0);
    require(header.dtype >= 1 && header.dtype <= 3 && header.ndim >= 0 && header.ndim <= 4);
    const Wide itemsize = header.dtype == 2 ? 1 : 4;
    Wide product = 1;
    Wide span = itemsize;
    for (int i = 0; i < 4; ++i) {
        require(header.dims[i] >= 0 && (i >= 4 - header.ndim || header.dims[i] == 1));
        product *= header.dims[i];
        span *= header.dims[i] == 0 ? 1 : header.dims[i];
    }
    require(product == header.total && span <= INT64_MAX);
    require(header.reserved_2 == 0 && header.reserved_3 == 0);
    const auto nbytes = static_cast<std::uint64_t>(product * itemsize);
    require(file_size - 64 == nbytes);
    return nbytes;
}

using Bytes = std::unique_ptr<unsigned char[]>;

struct Open {
    int descriptor;
    std::uint64_t size = 0;

    explicit Open(const std::string& path)
        : descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
        require(descriptor >= 0);
        struct stat status {};
        ::fstat(descriptor, &status);
        require(S_ISREG(status.st_mode) && status.st_size >= 64);
        size = static_cast<std::uint64_t>(status.st_size);
    }
    Open(const Open&) = delete;
    ~Open() { ::close(descriptor); }
};

inline Bytes load(const std::string& path) {
    const Open file(path);
    Header header;
    // What is expected in the file, and one byte more.
    const std::size_t nbytes = static_cast<std::size_t>(file.size) - 64;
    Bytes elements(new unsigned char[nbytes + 1]);
    struct iovec parts[2] = {{&header, 64}, {elements.get(), nbytes + 1}};
    const ssize_t found = ::readv(file.descriptor, parts, 2);
    require(found == static_cast<ssize_t>(file.size));
    check(header, file.size);
    return elements;
}

inline Bytes load_by_stdio(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    require(file != nullptr);
    Header header;
    require(std::fread(&header, 1, 64, file) == 64);
    const auto nbytes = static_cast<std::size_t>(header.total * (header.dtype == 2 ? 1 : 4));
    Bytes elements(new unsigned char[nbytes]);
    require(std::fread(elements.get(), 1, nbytes, file) == nbytes);
    std::fclose(file);
    return elements;
}

struct Mapped {
    void* data;
    std::size_t size;

    explicit Mapped(const std::string& path) {
        const Open file(path);
        size = static_cast<std::size_t>(file.size);
        data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.descriptor, 0);
        require(data != MAP_FAILED);
    }
    Mapped(const Mapped&) = delete;
    ~Mapped() { ::munmap(data, size); }
    const unsigned char* bytes() const { return static_cast<const unsigned char*>(data); }
};

inline Header header_of(std::int32_t dtype, std::int32_t length) {
    return {{'T', 'S', 'R', '!'}, 1, 64, 0, dtype, 1, {1, 1, 1, length}, length, 0, 0};
}

inline void save(const std::string& path, const Header& header, const void* elements,
                 std::size_t nbytes) {
    const std::string temporary = path + "." + std::to_string(::getpid()) + ".tmp";
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) require(S_ISREG(status.st_mode));
    const int descriptor =
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    require(descriptor >= 0);
    if (status.st_mode != 0) ::fchmod(descriptor, status.st_mode & 07777);
    const struct iovec parts[2] = {{const_cast<Header*>(&header), 64},
                                   {const_cast<void*>(elements), nbytes}};
    require(::writev(descriptor, parts, 2) == static_cast<ssize_t>(64 + nbytes));
    require(::close(descriptor) == 0);
    require(::rename(temporary.c_str(), path.c_str()) == 0);
}

inline void save_by_stdio(const std::string& path, const Header& header, const void* elements,
                          std::size_t nbytes) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    require(file != nullptr);
    require(std::fwrite(&header, 1, 64, file) == 64);
    require(std::fwrite(elements, 1, nbytes, file) == nbytes);
    require(std::fclose(file) == 0);
}

}  // namespace by_hand

#endif
