// Files of large tensors whose pages are written, and mapped, again and again.
//
// Fresh pages cost several times what is written to them, and to map them anew costs as much
// again. A writer keeps its files mapped, and writes one again once it gets its exclusive lock; a
// reader keeps what it has mapped, and has the shared lock of a file for as long as there is a
// tensor on it. Locks vanish with their process. Raises FormatError and SystemError.
//
// Where the system has no such pages, nothing is kept, and all goes to files of their own.
#ifndef TR_SESSION_PAGES_HPP
#define TR_SESSION_PAGES_HPP

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codec.hpp"
#include "directory.hpp"
#include "fork.hpp"
#include "tech_renaissance/tensor.h"

namespace tr {

// From here on the pages of a file are worth using again.
constexpr std::size_t pooled_bytes = std::size_t{1} << 16;

// From here on a file that its writer does not keep is mapped, too, which takes a descriptor.
constexpr std::size_t mapped_bytes = std::size_t{1} << 20;

// The files that a writer keeps.
class Outgoing {
public:
    explicit Outgoing(Directory& directory);
    ~Outgoing();

    // Writes a tensor to a file, and has it published by its name; tells whether there was a file
    // that is not in use.
    bool write(const codec::Header& header, const Tensor& tensor,
               const std::function<void(const std::string&)>& publish);
    // Lets go of the files; their names stay in the directory.
    void close() noexcept;
    // For a forked child.
    void disown() noexcept;

private:
    class File;

    File* take(std::size_t size);
    void drop(File* file);

    Directory& directory_;
    // Changed under the mutex of forks.
    std::vector<std::unique_ptr<File>> files_;
};

// The mappings that a reader keeps.
class Incoming : private ForkAware {
public:
    Incoming();
    ~Incoming();

    // Whether its writer keeps a file: it has two names then, one of them in the pool.
    static bool is_kept(const OpenFile& file) { return file.links == 2; }
    // The tensor that a file holds, on its pages: whoever writes the file does not, for as long as
    // the tensor lives. Nothing where it cannot be mapped, and has to be read.
    std::optional<Tensor> map(OpenFile& file);
    // Lets go of the mappings; those that tensors are on, when the last tensor is gone.
    void close() noexcept;

private:
    class File;
    class Lease;

    void before_fork() override;

    std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<File>> kept_;
};

}  // namespace tr

#endif
