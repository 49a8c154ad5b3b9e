// Pages on Linux, whose locks are those of flock: see pages.hpp.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pages.hpp"
#include "private_name.hpp"

namespace tr {

namespace {

// How many files a writer keeps at most; what more is under way at once goes to fresh ones.
constexpr std::size_t files_max = 8;

[[noreturn]] void raise(const char* what, int error) {
    throw SystemError(what, {error, std::generic_category()});
}

// All of a file, mapped.
class Mapping {
public:
    Mapping() noexcept = default;
    Mapping(int file, std::size_t size, int flags)
        : data_(mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, file, 0)), size_(size) {
        if (data_ == MAP_FAILED) raise("mapping a tensor", errno);
    }
    Mapping(Mapping&& other) noexcept { swap(other); }
    Mapping& operator=(Mapping&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Mapping() {
        if (size_ > 0) munmap(data_, size_);
    }

    std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
    std::size_t size() const noexcept { return size_; }

private:
    void swap(Mapping& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

struct stat status_of(const Descriptor& file) {
    struct stat status = {};
    if (fstat(file.get(), &status) != 0) raise("a file of tensors", errno);
    return status;
}

bool lock_exclusively(const Descriptor& file) {
    return flock(file.get(), LOCK_EX | LOCK_NB) == 0;
}

void lock_shared(const Descriptor& file) {
    while (flock(file.get(), LOCK_SH) != 0) {
        if (errno != EINTR) raise("the lock of a tensor", errno);
    }
}

}  // namespace

// ------------------------------------------------------------------ what is written

class Outgoing::File {
public:
    explicit File(Directory& directory)
        : name_(private_name("pool")),
          descriptor_(openat(directory.descriptor().get(), name_.c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) {
        if (!descriptor_) raise("a file of tensors", errno);
        lock_exclusively(descriptor_);  // nobody else knows it yet
    }

    const std::string& name() const noexcept { return name_; }
    const Mapping& pages() const noexcept { return pages_; }

    // Takes the file to write it; tells whether nobody else uses it.
    bool lock() {
        // One with a second name is published, and a reader has its lock before it has only one.
        // Looked at under the lock: whoever has the file may give it back until then.
        if (!lock_exclusively(descriptor_)) return false;
        if (status_of(descriptor_).st_nlink == 1) return true;
        unlock();
        return false;
    }

    // Leaves the file to readers.
    void unlock() noexcept { flock(descriptor_.get(), LOCK_UN); }

    // Gives the file another size, and all its pages.
    void resize(std::size_t size) {
        const auto length = static_cast<off_t>(size);
        change(Mapping());
        if (ftruncate(descriptor_.get(), length) != 0) raise("a file of tensors", errno);
        // A store to a page that there is no room for would be SIGBUS; this is an error.
        int error = EINTR;
        while (error == EINTR) error = posix_fallocate(descriptor_.get(), 0, length);
        if (error != 0) raise("a file of tensors", error);
        change(Mapping(descriptor_.get(), size, MAP_SHARED | MAP_POPULATE));
    }

private:
    void change(Mapping pages) {
        const std::lock_guard lock(ForkAware::mutex());
        pages_ = std::move(pages);
    }

    const std::string name_;
    Descriptor descriptor_;
    Mapping pages_;
};

Outgoing::Outgoing(Directory& directory) : directory_(directory) {}

Outgoing::~Outgoing() = default;

void Outgoing::close() noexcept {
    std::vector<std::unique_ptr<File>> files;
    const std::lock_guard lock(ForkAware::mutex());
    files_.swap(files);
}

void Outgoing::disown() noexcept {
    files_.clear();
}

bool Outgoing::write(const codec::Header& header, const Tensor& tensor,
                     const std::function<void(const std::string&)>& publish) {
    File* file = take(header.size() + tensor.nbytes());
    if (file == nullptr) return false;
    std::memcpy(file->pages().data(), header.data(), header.size());
    std::memcpy(file->pages().data() + header.size(), tensor.data(), tensor.nbytes());
    try {
        publish(file->name());
    } catch (...) {
        drop(file);
        throw;
    }
    file->unlock();
    return true;
}

Outgoing::File* Outgoing::take(std::size_t size) {
    // One that nobody uses, of a size that is near; else a new one.
    const auto distance = [size](const File* file) {
        const std::size_t other = file->pages().size();
        return other > size ? other - size : size - other;
    };
    std::vector<File*> near;
    for (const auto& file : files_) {
        if (file->pages().size() <= 2 * size) near.push_back(file.get());
    }
    std::sort(near.begin(), near.end(),
              [&](const File* a, const File* b) { return distance(a) < distance(b); });
    const auto unused = [](File* file) { return file->lock(); };
    const auto found = std::find_if(near.begin(), near.end(), unused);
    File* file = found == near.end() ? nullptr : *found;
    if (file == nullptr && files_.size() == files_max) {
        // All are in use, or of another size: one that is not in use makes room.
        const auto idle = std::find_if(files_.begin(), files_.end(),
                                       [&](const auto& each) { return unused(each.get()); });
        if (idle == files_.end()) return nullptr;
        drop(idle->get());
    }
    if (file == nullptr) {
        auto made = std::make_unique<File>(directory_);
        const std::lock_guard lock(ForkAware::mutex());
        file = files_.emplace_back(std::move(made)).get();
    }
    if (file->pages().size() != size) {
        try {
            file->resize(size);
        } catch (...) {
            drop(file);  // what fills the memory may be this file
            throw;
        }
    }
    return file;
}

void Outgoing::drop(File* file) {
    // It stays for as long as it is published or mapped.
    unlinkat(directory_.descriptor().get(), file->name().c_str(), 0);
    const auto found = std::find_if(files_.begin(), files_.end(),
                                    [file](const auto& each) { return each.get() == file; });
    std::unique_ptr<File> dropped;
    const std::lock_guard lock(ForkAware::mutex());
    dropped.swap(*found);
    files_.erase(found);
}

// ------------------------------------------------------------------ what is read

// A file, whose shared lock is taken for as long as there is a tensor on it. Used under the mutex
// of forks, as a tensor may go in any thread.
class Incoming::File {
public:
    File(Descriptor descriptor, std::size_t size, int flags)
        : pages_(descriptor.get(), size, flags), descriptor_(std::move(descriptor)) {}

    const Mapping& pages() const noexcept { return pages_; }

    // Whether its writer keeps the file, and in this size.
    bool is_current() const {
        const struct stat status = status_of(descriptor_);
        return status.st_nlink > 0 && static_cast<std::size_t>(status.st_size) == pages_.size();
    }

    void lock() {
        lock_shared(descriptor_);
        ++tensors_;
    }

    void unlock() noexcept {
        // Once it is left, a forked child may have the tensor, too: the lock goes when both have
        // closed the file.
        if (--tensors_ == 0 && !is_left_) flock(descriptor_.get(), LOCK_UN);
    }

    void leave() noexcept { is_left_ = true; }

private:
    Mapping pages_;
    Descriptor descriptor_;
    int tensors_ = 0;
    bool is_left_ = false;
};

// What a tensor has of its file.
class Incoming::Lease {
public:
    // Under the mutex of forks.
    explicit Lease(std::shared_ptr<File> file) : file_(std::move(file)) { file_->lock(); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
        const std::lock_guard lock(ForkAware::mutex());
        file_->unlock();
        file_.reset();
    }

private:
    std::shared_ptr<File> file_;
};

Incoming::Incoming() {
    enlist();
}

Incoming::~Incoming() {
    retire();
    close();
}

std::optional<Tensor> Incoming::map(OpenFile& file) {
    const auto size = static_cast<std::size_t>(file.size);
    // What its writer does not keep may be anybody's: what is changed of it is changed here alone.
    const bool is_kept = Incoming::is_kept(file);
    const auto key = std::make_pair(file.device, file.inode);
    std::shared_ptr<Lease> lease;
    std::shared_ptr<File> mapped;
    {
        const std::lock_guard lock(mutex());
        const auto found = is_kept ? kept_.find(key) : kept_.end();
        if (found != kept_.end() && found->second->pages().size() == size) {
            mapped = found->second;
        } else {
            const int flags = is_kept ? MAP_SHARED | MAP_POPULATE : MAP_PRIVATE;
            mapped = std::make_shared<File>(std::move(file.descriptor), size, flags);
        }
        if (is_kept && (found == kept_.end() || found->second != mapped)) {
            // What its writer does not keep any more, or gave another size, is never read again.
            for (auto each = kept_.begin(); each != kept_.end();) {
                if (each->second->is_current() && each->first != key) {
                    ++each;
                } else {
                    each->second->leave();
                    each = kept_.erase(each);
                }
            }
            kept_[key] = mapped;
        }
        lease = std::make_shared<Lease>(mapped);
    }
    return codec::parse(mapped->pages().data(), size, std::move(lease));
}

void Incoming::close() noexcept {
    const std::lock_guard lock(mutex());
    before_fork();
}

void Incoming::before_fork() {
    for (const auto& [key, file] : kept_) file->leave();
    kept_.clear();
}

}  // namespace tr
