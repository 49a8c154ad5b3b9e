// A directory on POSIX systems: see directory.hpp.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <filesystem>

#include "directory.hpp"
#include "tech_renaissance/utils/python_session.h"

namespace tr {

namespace {

constexpr int open_flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
constexpr mode_t private_mode = 0700;

// A file system in memory with less room than this is no place for tensors: that of a container
// has 64 MB.
constexpr const char* memory = "/dev/shm";
constexpr std::uint64_t room_bytes = std::uint64_t{1} << 28;

[[noreturn]] void raise(const std::string& what) {
    throw SystemError(what, {errno, std::generic_category()});
}

// Makes a folder and those above it, of which any may be there already.
void make_folders(const std::string& path) {
    if (path.empty() || path == "/" || mkdir(path.c_str(), private_mode) == 0) return;
    if (errno == ENOENT) {
        make_folders(std::filesystem::path(path).parent_path().string());
        if (mkdir(path.c_str(), private_mode) == 0) return;
    }
    struct stat status;
    if (errno != EEXIST || stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        raise(path);
    }
}

std::vector<std::string> names_in(int directory, const std::string& path) {
    const int descriptor = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = descriptor < 0 ? nullptr : fdopendir(descriptor);
    if (stream == nullptr) {
        if (descriptor >= 0) close(descriptor);
        raise(path);
    }
    std::vector<std::string> names;
    while (const dirent* entry = readdir(stream)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
    }
    closedir(stream);
    return names;
}

// Removes a file, or a directory with all that is in it; never through a symbolic link. Tells
// whether it was there.
bool remove_any(int directory, const std::string& name) {
    if (unlinkat(directory, name.c_str(), 0) == 0) return true;
    if (errno == ENOENT) return false;
    if (errno != EISDIR && errno != EPERM) raise(name);
    const Descriptor inner(
        openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inner) raise(name);
    for (const std::string& entry : names_in(inner.get(), name)) remove_any(inner.get(), entry);
    if (unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0) raise(name);
    return true;
}

// Whether a folder is this user's alone. Where everybody can make folders, somebody else may have
// made it before.
bool is_private(const std::string& path) {
    if (mkdir(path.c_str(), private_mode) != 0 && errno != EEXIST) return false;
    struct stat status;
    return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == getuid() && (status.st_mode & 0077) == 0;
}

void write_all(int file, std::initializer_list<std::string_view> parts, const std::string& name) {
    std::vector<iovec> left;
    for (const std::string_view part : parts) {
        if (!part.empty()) left.push_back({const_cast<char*>(part.data()), part.size()});
    }
    std::size_t first = 0;
    while (first < left.size()) {
        const ssize_t result =
            left.size() - first == 1
                ? write(file, left[first].iov_base, left[first].iov_len)
                : writev(file, &left[first], static_cast<int>(left.size() - first));
        if (result < 0) {
            if (errno == EINTR) continue;
            raise(name);
        }
        auto written = static_cast<std::size_t>(result);
        while (first < left.size() && written >= left[first].iov_len) {
            written -= left[first++].iov_len;
        }
        if (first < left.size()) {
            left[first].iov_base = static_cast<char*>(left[first].iov_base) + written;
            left[first].iov_len -= written;
        }
    }
}

}  // namespace

// ------------------------------------------------------------------ descriptors

Descriptor::Descriptor(std::intptr_t number) noexcept : number_(number) {
    if (number < 0 || number > STDERR_FILENO) return;
    const int other = fcntl(get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (other < 0) return;  // there are no more
    close();
    number_ = other;
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        number_ = other.release();
    }
    return *this;
}

std::intptr_t Descriptor::release() noexcept {
    const std::intptr_t number = number_;
    number_ = none;
    return number;
}

void Descriptor::close() noexcept {
    if (*this) ::close(static_cast<int>(release()));
}

// ------------------------------------------------------------------ the directory

Directory::Directory(const std::string& path) : path_(path) {
    make_folders(std::filesystem::path(path).parent_path().string());
    while (!descriptor_) {
        if (mkdir(path.c_str(), private_mode) != 0 && errno != EEXIST) raise(path);
        descriptor_ =
            Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        // Whoever had the session may just have removed it.
        if (!descriptor_ && errno != ENOENT) raise(path);
    }
    struct stat status;
    if (fstat(descriptor_.get(), &status) != 0) raise(path);
    if (status.st_uid != getuid()) throw SessionError(path + ": belongs to another user");
    if ((status.st_mode & 0077) != 0) reclaim();
}

Directory::Lock Directory::lock(const std::string& name) {
    Descriptor file(
        openat(descriptor_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
        if (errno == ENOENT) return Lock::Gone;  // none can be made in a directory that is gone
        raise(path_ + "/" + name);
    }
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return Lock::Busy;
        raise(path_ + "/" + name);
    }
    struct stat status;
    if (fstat(file.get(), &status) != 0) raise(path_ + "/" + name);
    if (status.st_nlink == 0) return Lock::Gone;  // whoever had it has just removed it
    lock_ = std::move(file);
    return Lock::Taken;
}

void Directory::reclaim() {
    if (fchmod(descriptor_.get(), private_mode) != 0) raise(path_);
}

std::vector<std::string> Directory::list() const {
    return names_in(descriptor_.get(), path_);
}

bool Directory::remove_itself() {
    if (rmdir(path_.c_str()) == 0) return true;
    if (errno == ENOTEMPTY || errno == EEXIST) return false;
    if (errno == ENOENT) return true;
    raise(path_);
}

void Directory::disown() noexcept {
    lock_.close();
    descriptor_.close();
}

// ------------------------------------------------------------------ files

bool Directory::create(const std::string& name, std::initializer_list<std::string_view> parts) {
    const Descriptor file(openat(descriptor_.get(), name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
        if (errno == ENOENT) return false;
        raise(path_ + "/" + name);
    }
    try {
        write_all(file.get(), parts, path_ + "/" + name);
    } catch (...) {
        remove(name);
        throw;
    }
    return true;
}

bool Directory::rename(const std::string& name, const std::string& to) {
    const int directory = descriptor_.get();
    if (renameat(directory, name.c_str(), directory, to.c_str()) == 0) return true;
    if (errno == EISDIR) {  // there is no place for one here
        remove(to);
        if (renameat(directory, name.c_str(), directory, to.c_str()) == 0) return true;
    }
    if (errno == ENOENT) return false;
    raise(path_ + "/" + name);
}

bool Directory::remove(const std::string& name) {
    return remove_any(descriptor_.get(), name);
}

bool Directory::link(const std::string& name, const std::string& to) {
    const int directory = descriptor_.get();
    if (linkat(directory, name.c_str(), directory, to.c_str(), 0) == 0) return true;
    if (errno == EEXIST) return false;
    if (errno == ENOENT) throw SessionError(path_ + ": the directory of the session is gone");
    raise(path_ + "/" + name);
}

bool Directory::has(const std::string& name) const {
    return faccessat(descriptor_.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

std::optional<OpenFile> Directory::open(const std::string& name, const std::string& shown,
                                        bool is_writable) {
    OpenFile file;
    file.descriptor = Descriptor(
        openat(descriptor_.get(), name.c_str(), open_flags | (is_writable ? O_RDWR : O_RDONLY)));
    struct stat status;
    if (!file.descriptor) {
        if (errno == ENOENT) return {};
        // A symbolic link, a socket, a directory.
        if (errno != ELOOP && errno != ENXIO && errno != EISDIR) raise(path_ + "/" + shown);
    } else {
        if (fstat(file.descriptor.get(), &status) != 0) raise(path_ + "/" + shown);
        if (S_ISREG(status.st_mode)) {
            file.size = static_cast<std::uint64_t>(status.st_size);
            file.links = status.st_nlink;
            file.device = status.st_dev;
            file.inode = status.st_ino;
            return file;
        }
    }
    remove(name);
    throw MessageError(shown + ": no regular file");
}

std::optional<std::string> Directory::read(const std::string& name, const std::string& shown,
                                           std::size_t most) {
    const std::optional<OpenFile> file = open(name, shown);
    if (!file) return {};
    // As much as was there, and one byte more: the end, unless somebody writes in place.
    std::string data(file->size < most ? static_cast<std::size_t>(file->size) + 1 : most + 1, '\0');
    std::size_t size = 0;
    while (true) {
        size += read_bytes(file->descriptor, &data[size], data.size() - size, shown);
        if (size < data.size()) break;
        if (size > most) {
            remove(name);
            throw MessageError(shown + ": more than " + std::to_string(most) +
                               " bytes, the most of a message");
        }
        data.resize(std::min(2 * data.size(), most + 1));
    }
    data.resize(size);
    return data;
}

std::size_t read_bytes(const Descriptor& file, void* data, std::size_t size,
                       const std::string& shown) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t result = ::read(file.get(), static_cast<char*>(data) + done, size - done);
        if (result < 0) {
            if (errno == EINTR) continue;
            raise(shown);
        }
        if (result == 0) break;
        done += static_cast<std::size_t>(result);
        // A short one is the end of a regular file: it need not be looked for again.
        if (done < size && size < (1U << 16)) break;
    }
    return done;
}

std::optional<std::string> memory_folder() {
    struct statvfs status;
    if (statvfs(memory, &status) != 0) return {};
    if (std::uint64_t{status.f_bavail} * status.f_frsize < room_bytes) return {};
    const std::string folder = std::string(memory) + "/tr_" + std::to_string(getuid());
    return is_private(folder) ? std::optional(folder) : std::nullopt;
}

}  // namespace tr
