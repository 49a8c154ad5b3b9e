// The directory of a session: files that appear whole and are taken once.
//
// Raises SessionBusy, SessionError for a directory that is gone, MessageError for what is no
// message, FormatError for what is no tensor, and SystemError.
#ifndef TR_SESSION_MAILBOX_HPP
#define TR_SESSION_MAILBOX_HPP

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "directory.hpp"
#include "pages.hpp"
#include "tech_renaissance/tensor.h"

namespace tr {

namespace file {

constexpr const char* request = "request.json";
constexpr const char* response = "response.json";
constexpr const char* status = "status.txt";
constexpr const char* progress = "progress.json";
constexpr const char* lock = ".lock";

}  // namespace file

// The most bytes of a message; tensors go in files of their own.
constexpr std::size_t message_max = std::size_t{1} << 24;

// Checks a session id or a tag: it becomes the name of a file.
const std::string& check_name(const std::string& what, const std::string& name);

// The folder that sessions are in: TR_WORKSPACE if it is set; else a folder in memory that belongs
// to this user alone, where there is room; else "workspace" in the current folder.
std::string default_workspace();

// The directory of a session.
std::string session_path(const std::string& workspace, const std::string& session_id);

class Mailbox {
public:
    // Opens the directory for a client, which then has it alone. Raises SessionBusy.
    static std::shared_ptr<Mailbox> open_locked(const std::string& path);

    const std::string& path() const noexcept { return directory_.path(); }

    // Removes all that a session that has ended left.
    void clear();
    // Removes the directory and all that is in it.
    void destroy();
    // For a forked child: closes everything and changes nothing.
    void disown() noexcept;

    // Writes a file, which appears whole.
    void put(const std::string& name, std::string_view data);
    // Reads a file and removes it; nothing if it is not there.
    std::optional<std::string> take(const std::string& name);
    std::optional<std::string> read(const std::string& name);
    void remove(const std::string& name) { directory_.remove(name); }
    bool has(const std::string& name) const { return directory_.has(name); }

    // Whether a tensor is there; what can be no tag is not.
    bool has_tensor(const std::string& tag) const;
    void remove_tensor(const std::string& tag);
    // Writes a tensor; a large one into the pages of an earlier one that nobody uses.
    void put_tensor(const std::string& tag, const Tensor& tensor);
    // Reads a tensor and removes its file; nothing if it is not there. A large one is a mapping,
    // which keeps its file from being used again for as long as it lives.
    std::optional<Tensor> take_tensor(const std::string& tag);

private:
    explicit Mailbox(const std::string& path);

    [[noreturn]] void raise_gone() const;
    void name(const std::string& file, const std::string& to);
    std::optional<std::string> claim(const std::string& name);

    Directory directory_;
    Outgoing outgoing_;
    Incoming incoming_;
};

}  // namespace tr

#endif
