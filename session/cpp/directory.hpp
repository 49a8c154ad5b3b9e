// A directory of this user's alone, and what the system does with the files in it.
//
// Files are opened relative to the directory, never through a symbolic link, and must be regular
// ones. Raises SessionError for a directory that is another user's, MessageError for what is no
// regular file or too large, which is removed, and SystemError.
#ifndef TR_SESSION_DIRECTORY_HPP
#define TR_SESSION_DIRECTORY_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tr {

// An open file, or an open directory.
class Descriptor {
public:
    Descriptor() noexcept = default;
    // On POSIX systems it gets another number where that is one of the standard streams': a program
    // that has closed them may still print, or open them again.
    explicit Descriptor(std::intptr_t number) noexcept;
    Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { close(); }

    explicit operator bool() const noexcept { return number_ != none; }
    // Of POSIX.
    int get() const noexcept { return static_cast<int>(number_); }
    // Of Windows.
    void* handle() const noexcept { return reinterpret_cast<void*>(number_); }
    std::intptr_t release() noexcept;
    void close() noexcept;

private:
    static constexpr std::intptr_t none = -1;

    std::intptr_t number_ = none;
};

// A regular file, as it was when it was opened.
struct OpenFile {
    Descriptor descriptor;
    std::uint64_t size = 0;
    std::uint64_t links = 0;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
};

class Directory {
public:
    enum class Lock { Taken, Busy, Gone };

    // Makes it, for this user alone, if it is not there; `path` is absolute.
    explicit Directory(const std::string& path);

    const std::string& path() const noexcept { return path_; }
    const Descriptor& descriptor() const noexcept { return descriptor_; }

    // Takes the directory for one process, by a file of this name.
    Lock lock(const std::string& name);
    void unlock() noexcept { lock_.close(); }
    // Whatever was made of its permissions, this user may do all with it.
    void reclaim();
    std::vector<std::string> list() const;
    // Removes the directory itself; tells whether nothing was in it.
    bool remove_itself();

    // Makes a new file of these parts; tells whether there is a directory for it.
    bool create(const std::string& name, std::initializer_list<std::string_view> parts);
    // Tell whether there was such a file. What has the new name is replaced.
    bool rename(const std::string& name, const std::string& to);
    bool remove(const std::string& name);
    // Gives a file a second name; tells whether that was free.
    bool link(const std::string& name, const std::string& to);
    bool has(const std::string& name) const;
    // Opens a file; nothing if it is not there. `shown` is what errors call it.
    std::optional<OpenFile> open(const std::string& name, const std::string& shown,
                                 bool is_writable = false);
    // Reads a file; nothing if it is not there.
    std::optional<std::string> read(const std::string& name, const std::string& shown,
                                    std::size_t most);

    // For a forked child: closes everything and changes nothing.
    void disown() noexcept;

private:
    std::string path_;
    Descriptor descriptor_;
    Descriptor lock_;
};

// Reads from a file until its end or until `size` bytes are there; gives their number.
std::size_t read_bytes(const Descriptor& file, void* data, std::size_t size,
                       const std::string& shown);

// Whether a process with this user's rights, and no other user's, has a folder in memory with
// room, for whatever is large: the name of it.
std::optional<std::string> memory_folder();

}  // namespace tr

#endif
