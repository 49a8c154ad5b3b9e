// See mailbox.hpp.
#include "mailbox.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "codec.hpp"
#include "memory.hpp"
#include "private_name.hpp"
#include "tech_renaissance/utils/python_session.h"

namespace tr {

namespace {

constexpr std::size_t name_max = 64;
constexpr std::string_view name_characters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

// For how long the lock of a session may be held by others than clients: who looks, or cleans up.
constexpr std::chrono::milliseconds lock_time(100);

// How often a directory is cleared whose worker goes on writing until it is ended itself.
constexpr int clearings = 100;

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= name_max && name[0] != '.' && name[0] != '-' &&
           name.find_first_not_of(name_characters) == name.npos;
}

std::string tensor_file(const std::string& tag) {
    return tag + ".tsr";
}

std::string_view bytes_of(const void* data, std::size_t size) {
    return {static_cast<const char*>(data), size};
}

// Removes a name, whatever happens, when a block ends.
class Removal {
public:
    Removal(Directory& directory, const std::string& name) : directory_(directory), name_(name) {}
    Removal(const Removal&) = delete;
    Removal& operator=(const Removal&) = delete;
    ~Removal() {
        try {
            directory_.remove(name_);
        } catch (const TRException&) {  // it goes with the directory
        }
    }

private:
    Directory& directory_;
    const std::string name_;
};

}  // namespace

const std::string& check_name(const std::string& what, const std::string& name) {
    if (!is_name(name)) {
        throw SessionError(what + ": got '" + name +
                           "', expected 1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.', the first no "
                           "'-' or '.'");
    }
    return name;
}

std::string default_workspace() {
    const char* given = std::getenv("TR_WORKSPACE");
    if (given != nullptr && *given != '\0') return given;
    return memory_folder().value_or("workspace");
}

std::string session_path(const std::string& workspace, const std::string& session_id) {
    return workspace + "/python_session/tr_session_" + session_id;
}

// ------------------------------------------------------------------ ownership

Mailbox::Mailbox(const std::string& path) : directory_(path), outgoing_(directory_) {}

std::shared_ptr<Mailbox> Mailbox::open_locked(const std::string& path) {
    const auto deadline = std::chrono::steady_clock::now() + lock_time;
    while (true) {
        const std::shared_ptr<Mailbox> mailbox(new Mailbox(path));
        switch (mailbox->directory_.lock(file::lock)) {
            case Directory::Lock::Taken: return mailbox;
            case Directory::Lock::Gone: break;
            case Directory::Lock::Busy:
                if (std::chrono::steady_clock::now() > deadline) {
                    throw SessionBusy(path + ": another client has this session");
                }
                std::this_thread::sleep_for(lock_time / 20);
        }
    }
}

void Mailbox::clear() {
    directory_.reclaim();
    for (const std::string& name : directory_.list()) {
        if (name != file::lock) directory_.remove(name);
    }
}

void Mailbox::destroy() {
    outgoing_.close();
    incoming_.close();
    for (int i = 0; i < clearings; ++i) {
        clear();
        directory_.remove(file::lock);
        if (directory_.remove_itself()) break;
        // Whoever has it now, or has removed it, was faster.
        if (directory_.lock(file::lock) != Directory::Lock::Taken) break;
    }
    directory_.unlock();
}

void Mailbox::disown() noexcept {
    outgoing_.disown();  // what is incoming was let go of before the fork
    directory_.disown();
}

void Mailbox::raise_gone() const {
    // No file can be made in a directory that is gone.
    throw SessionError(path() + ": the directory of the session is gone");
}

// ------------------------------------------------------------------ messages

void Mailbox::put(const std::string& name, std::string_view data) {
    const std::string temporary = private_name("tmp");
    if (!directory_.create(temporary, {data})) raise_gone();
    try {
        if (!directory_.rename(temporary, name)) raise_gone();
    } catch (...) {
        const Removal removal(directory_, temporary);
        throw;
    }
}

std::optional<std::string> Mailbox::take(const std::string& name) {
    const std::optional<std::string> claimed = claim(name);
    if (!claimed) return {};
    const Removal removal(directory_, *claimed);
    return directory_.read(*claimed, name, message_max);
}

std::optional<std::string> Mailbox::read(const std::string& name) {
    return directory_.read(name, name, message_max);
}

std::optional<std::string> Mailbox::claim(const std::string& name) {
    // Under a name of its own a file stays the one it is, whatever is published meanwhile.
    std::string claimed = private_name("tmp");
    if (!directory_.rename(name, claimed)) return {};
    return claimed;
}

// ------------------------------------------------------------------ tensors

bool Mailbox::has_tensor(const std::string& tag) const {
    return is_name(tag) && has(tensor_file(tag));
}

void Mailbox::remove_tensor(const std::string& tag) {
    directory_.remove(tensor_file(tag));
}

void Mailbox::put_tensor(const std::string& tag, const Tensor& tensor) {
    const codec::Header header = codec::header_of(tensor);
    if (tensor.nbytes() >= pooled_bytes &&
        outgoing_.write(header, tensor, [&](const auto& file) { name(file, tensor_file(tag)); })) {
        return;
    }
    const std::string temporary = private_name("tmp");
    if (!directory_.create(temporary, {bytes_of(header.data(), header.size()),
                                       bytes_of(tensor.data(), tensor.nbytes())})) {
        raise_gone();
    }
    // Of a tensor a message tells that follows: its name wakes nobody.
    const Removal removal(directory_, temporary);
    name(temporary, tensor_file(tag));
}

std::optional<Tensor> Mailbox::take_tensor(const std::string& tag) {
    const std::string name = tensor_file(check_name("tag", tag));
    const std::optional<std::string> claimed = claim(name);
    if (!claimed) return {};
    const Removal removal(directory_, *claimed);
    std::optional<OpenFile> file = directory_.open(*claimed, name, true);
    if (!file) return {};
    if (file->size >= (Incoming::is_kept(*file) ? pooled_bytes : mapped_bytes)) {
        std::optional<Tensor> tensor = incoming_.map(*file);
        if (tensor) return tensor;
    }
    const auto size = static_cast<std::size_t>(file->size);
    const std::shared_ptr<void> memory = allocate(size);
    const std::size_t read = read_bytes(file->descriptor, memory.get(), size, name);
    return codec::parse(memory.get(), read, memory);
}

void Mailbox::name(const std::string& file, const std::string& to) {
    // Gives a file another name. That wakes nobody, unless there is a file of that name.
    if (directory_.link(file, to)) return;
    const std::string temporary = private_name("tmp");
    directory_.link(file, temporary);
    try {
        if (!directory_.rename(temporary, to)) raise_gone();
    } catch (...) {
        const Removal removal(directory_, temporary);
        throw;
    }
}

}  // namespace tr
